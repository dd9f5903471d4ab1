"""The section ``model``: which Wan it is, where its weights come from, and its numbers."""

from typing import Annotated, Literal

from pydantic import Field

from engine.words.word import LABEL, Words, choice, example, section, word


class HubModel(Words):
    """Weights from a repository in diffusers layout on the Hugging Face Hub."""

    model_config = example(
        kind="hub", repository="owner/name", revision="0123456789abcdef0123456789abcdef01234567"
    )

    kind: Literal["hub"] = word("Weights come from the Hugging Face Hub.")
    repository: str = word(
        "Repository, as `owner/name`: of a Wan in diffusers layout, of DINOv2 in that of transformers.",
        pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$",
    )
    revision: str = word("Commit of the repository; a branch or tag can change under you.", min_length=1)


class BuiltModel(Words):
    """A tiny model with random weights, built from the numbers below: for trying and testing."""

    model_config = example(kind="built", seed=0)

    kind: Literal["built"] = word("Weights are drawn at random from the numbers of the architecture.")
    seed: int = word("Seed of the random weights.", ge=0)


class Transformer(Words):
    """The numbers of the denoiser, `WanTransformer3DModel`."""

    layers: int = word("Number of transformer blocks.", ge=1)
    heads: int = word("Attention heads in a block.", ge=1)
    head_width: int = word("Width of one attention head; even.", ge=2, multiple_of=2)
    feed_forward_width: int = word("Width of the hidden layer of the feed-forward network.", ge=1)
    in_channels: int = word("Latent channels that it reads.", ge=1)
    out_channels: int = word("Latent channels that it writes.", ge=1)
    text_width: int = word("Width of the text embeddings that it reads.", ge=1)
    time_width: int = word("Width of the sinusoidal embedding of time.", ge=2, multiple_of=2)
    longest_side: int = word("Most latent patches along one side (RoPE table).", ge=1)


class VideoCodec(Words):
    """The numbers of the video autoencoder, `AutoencoderKLWan`."""

    base_width: int = word("Channels of its first convolution.", ge=2)
    latent_channels: int = word("Channels of a latent.", ge=1)
    width_factors: list[int] = word("Width of each level, as factors of the base width.", min_length=1)
    residual_blocks: int = word("Residual blocks in each level.", ge=1)
    halve_time: list[bool] = word("Which of the downsampling levels also halve time.", min_length=1)
    space_stride: int = word("Pixels along one side that become one latent.", unit="px", ge=1)
    time_stride: int = word("Frames that become one latent frame, after the first.", unit="frames", ge=1)


class TextEncoder(Words):
    """The numbers of the text encoder, `UMT5EncoderModel`."""

    width: int = word("Width of its embeddings.", ge=1)
    layers: int = word("Number of blocks.", ge=1)
    heads: int = word("Attention heads in a block.", ge=1)
    head_width: int = word("Width of one attention head.", ge=1)
    feed_forward_width: int = word("Width of the hidden layer of the feed-forward network.", ge=1)
    max_tokens: int = word("Longest text; longer ones are cut.", unit="tokens", ge=1)


class Frames(Words):
    """Which frame counts the video codec accepts: step × n + offset."""

    step: int = word("Distance between two legal frame counts.", unit="frames", ge=1)
    offset: int = word("The smallest legal frame count.", unit="frames", ge=1)


class Advice(Words):
    """What is known of sampling the model well: only warnings read it."""

    sizes: list[Annotated[str, Field(pattern=r"^[1-9][0-9]*x[1-9][0-9]*$")]] = word(
        "Sizes that it was trained at, such as `832x480`; empty where none is known.", LABEL
    )
    guidance: list[float] = word(
        "Lowest and highest guidance that is safe; empty where none is known.", LABEL, max_length=2
    )


class Model(Words):
    """Which Wan it is, where its weights come from, and its numbers."""

    name: str = word("Name for people.", LABEL)
    source: HubModel | BuiltModel = choice("Where the weights come from.")
    transformer: Transformer = section("The denoiser.")
    codec: VideoCodec = section("The video autoencoder.")
    text_encoder: TextEncoder = section("The text encoder.")
    frames: Frames = section("Legal frame counts.")
    advice: Advice = section("What is known of sampling it well.")
    conditioning: Literal["none", "first_frame", "first_and_last_frame"] = word(
        "Frames of the clip itself that the denoiser is shown, as when it samples: none for text to video."
    )
    image_encoder: Literal["none", "clip"] = word(
        "Whether those frames are also shown through CLIP, as in the 2.1 models for image to video."
    )
    fps: int = word("Frame rate that the model was trained at.", unit="frames/s", ge=1)
    size_multiple: int = word("Width and height must be multiples of this.", unit="px", ge=1)
