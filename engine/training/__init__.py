"""How to train any video denoiser with flow matching. Knows no recipe and no Wan.

Dimensions, used as suffixes of tensor names here, in ``engine/wan`` and in the stages:

    B  batch            C  latent channels
    F  latent frames    H, W  latent height, width
    L  text tokens      D  text width
"""
