"""What the denoiser predicts."""

from diffusers import WanTransformer3DModel
from torch import Tensor

TIMES = (
    1000  # Wan's time is 1000·σ, a real number: rounding it, or casting it to bfloat16, trains other times
)


def predict(
    transformer: WanTransformer3DModel, noisy_BCFHW: Tensor, sigma_B: Tensor, text_BLD: Tensor
) -> Tensor:
    """Return the velocity ``noise − data`` that the model sees, ``(B, C, F, H, W)``.

    Args:
        noisy_BCFHW: in the model's number format.
        sigma_B: noise levels, float32.
        text_BLD: padded embeddings; L is the model's full text length.
    """
    return transformer(
        hidden_states=noisy_BCFHW, timestep=sigma_B * TIMES, encoder_hidden_states=text_BLD, return_dict=False
    )[0]
