"""42xx: what people bring from elsewhere, and Wan or this program does not take."""

from engine.language.explanations.explanation import Explanation

ELSEWHERE = {
    "RCP4201": Explanation(
        "Masked loss teaches Wan what a region looks like without the rest, and the rest is what it then gets wrong.",
        "Leave it out; cut clips to what they should teach.",
        "train: {masked_loss: true}\n",
    ),
    "RCP4202": Explanation(
        "CLIP score compares single pictures with a text and sees no motion.",
        "Leave it out; look at the samples.",
        "sample: {evaluation_type: clip}\n",
    ),
    "RCP4203": Explanation(
        "Four bits are too few for Wan 2.1: samples fall apart.",
        "Write `train: {quantize: int8}`, or `none`.",
        "train: {quantize: nf4}\n",
    ),
    "RCP4207": Explanation(
        "Stages run one after the other, each with its own model, and give their memory back by ending. So while the denoiser is "
        "trained nothing else is on the device that could be moved away for it; what can wait elsewhere are its own blocks.",
        "Leave it out, or write `train: {offload: {kind: memory}}`.",
        "train: {enable_model_cpu_offload: true}\n",
    ),
    "RCP4208": Explanation(
        "A boundary says which of two experts denoises when. Wan 2.1 and the 5B of Wan 2.2 have one.",
        "Leave it out; a flavour with two experts says it itself.",
        "train: {boundary_ratio: 0.875}\n",
    ),
    "RCP4209": Explanation(
        "Image to video is not built yet; it wants clips, whose first frame is the image, and never images alone.",
        "Use a text-to-video flavour.",
        "train: {i2v: true}\n",
    ),
    "RCP4210": Explanation(
        "Nothing here deletes or changes a clip.",
        "Leave it out; set `data.bad_files: skip` to train without what cannot be read.",
        "data: {delete_problematic_images: true}\n",
    ),
}  # fmt: skip
