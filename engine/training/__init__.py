"""How to train any video denoiser with flow matching. Knows no recipe and no Wan.

Dimensions, used as suffixes of tensor names here, in ``engine/wan`` and in the stages:

    B  batch            C  latent channels
    F  latent frames    H, W  latent height, width
    L  text tokens      D  text width

Its modules, as a reader meets them:

    state         everything that a step changes, in one record
    loop          the steps
    order         which samples make up a batch
    noise         levels, what is predicted there, the losses; every draw
    objective     what a step makes small, with all that may be added to it
    walk          the way through the blocks, and what is computed again
    routing       TREAD
    crepa         alignment with a teacher; ``teacher`` is that one
    rollout       scheduled sampling
    adapters      what is trained
    optimizers    how it is updated; ``rounding`` in bfloat16, ``schedules`` over time
    averages      EMA
    evaluation    the loss on what is held out
    quantise      frozen weights in 8 bits
    offload       blocks that wait outside of the device
    devices       several processes that take one step
    checkpoints   saving, choosing, rotating
"""
