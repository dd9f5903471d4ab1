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
        "Use bf16, or eight bits.",
        "train: {precision: nf4}\n",
    ),
    "RCP4204": Explanation(
        "TREAD leaves tokens out of some layers. The first two and the last need all of them.",
        "Start at 2 and end at -2; and leave it out here, where it is not built yet.",
        "train: {tread: {routes: [{selection_ratio: 0.1, start_layer_idx: 0, end_layer_idx: -2}]}}\n",
    ),
    "RCP4205": Explanation(
        "A TREAD route that drops more than half of the tokens costs more quality than it saves time.",
        "0.1 to 0.3 keep the quality; and leave it out here, where it is not built yet.",
        "train: {tread: {routes: [{selection_ratio: 0.6, start_layer_idx: 2, end_layer_idx: -2}]}}\n",
    ),
    "RCP4206": Explanation(
        "TREAD, the routing of tokens around layers, is not built yet.",
        "Leave it out: all tokens go through all layers.",
        "train: {tread: {routes: [{selection_ratio: 0.1, start_layer_idx: 2, end_layer_idx: -2}]}}\n",
    ),
    "RCP4207": Explanation(
        "Moving parts of the model out of the GPU is not built yet; of the two ways to do it, only one can be used at a time.",
        "Leave it out; `hardware` and `train.gradient_checkpointing` say what saves memory here.",
        "train: {blocks_to_swap: 20}\n",
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
