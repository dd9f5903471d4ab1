"""Every code that a finding can have. Codes are stable: people search for them, and silence them by name.

1xxx YAML and its limits · 20xx words and values · 22xx and 24xx composition · 23xx contracts of layers · 3xxx age of a file
· 32xx files of other trainers · 4xxx what is known about training Wan · 5xxx sharing, trust and secrets.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """What a code means.

    Attributes:
        title: one sentence.
        exit: exit code of the program when the finding is an error.
        by_plan: whether only a plan finds it: it looks at clips, and at what was made.
    """

    title: str
    exit: int = 1
    by_plan: bool = False


CODES: dict[str, Code] = {
    "RCP1001": Code("The text is not YAML."),
    "RCP1002": Code("The same key stands twice in one mapping."),
    "RCP1003": Code(
        "YAML that recipes do not use: tags, merge keys, other documents, keys that are not words."
    ),
    "RCP1004": Code("A number that recipes do not have: infinite, not a number, or too large."),
    "RCP1005": Code("The text is too large, too deep or has too many parts.", exit=5),
    "RCP1006": Code("The file cannot be read."),
    "RCP1007": Code(
        "A character that misleads: another line end, another space, text that is turned around."
    ),
    "RCP1008": Code("A spelling of true, false or null that other programs take for a text."),
    "RCP1009": Code("A file that cannot be brought into form without changing what it says."),
    "RCP1010": Code("A text that ends at a `#`, which begins a comment."),
    "RCP2001": Code("A word that the vocabulary does not have."),
    "RCP2002": Code("A value of the wrong kind or out of range."),
    "RCP2003": Code("A word that a complete recipe needs is missing."),
    "RCP2201": Code("A layer that is extended cannot be found, or extends itself."),
    "RCP2202": Code("A mapping meets a value that is not one."),
    "RCP2203": Code("A directive (`$append`, `$unset` …) that would do nothing."),
    "RCP2205": Code("A reference (`${…}`) that leads nowhere, in a circle, or to the environment."),
    "RCP2206": Code("Two layers side by side disagree, and nobody above decides."),
    "RCP2207": Code("A fragment that cannot be included here."),
    "RCP2301": Code("A hardware profile sets what is learnt."),
    "RCP2302": Code("Only a file of kind `recipe` runs."),
    "RCP2304": Code("The file needs another version of the program.", exit=8),
    "RCP2401": Code("An override that cannot be read."),
    "RCP2501": Code("An allowance that cannot be: of no code, of an error, or without a reason."),
    "RCP2502": Code("An allowance that silences nothing."),
    "RCP3201": Code("A file of another trainer that is not what that trainer writes."),
    "RCP3202": Code("Keys of another trainer that cannot be said in a recipe."),
    "RCP3203": Code("A file that is there already would be overwritten."),
    "RCP3001": Code("A file that is written for an older version of the language."),
    "RCP3002": Code(
        "A file that is written for a version of the language that this program does not read.", exit=8
    ),
    "RCP3003": Code("A file of an older version that cannot be brought to this one by itself."),
    "RCP4001": Code("A frame count that the video codec would cut silently."),
    "RCP4002": Code("A width or height that the model cannot tile."),
    "RCP4003": Code("A warm-up or cycles of the learning rate that the steps have no room for."),
    "RCP4004": Code("A revision that can change under you."),
    "RCP4005": Code("Numbers of the model that do not fit together."),
    "RCP4006": Code("A pattern that is not a regular expression."),
    "RCP4007": Code("A prompt name that cannot be a file name."),
    "RCP4008": Code("A pattern that matches no layer of the model.", by_plan=True),
    "RCP4009": Code("Samples at a size that the model was not trained at."),
    "RCP4010": Code("An area that reads like a height: 480 is not 480p."),
    "RCP4011": Code("Guidance outside of what is safe for the model."),
    "RCP4012": Code("Too few denoising steps for the sampler."),
    "RCP4013": Code("A prompt too short for Wan."),
    "RCP4014": Code("Kernels that cannot train."),
    "RCP4015": Code("Kernels that the device or the number format does not have."),
    "RCP4016": Code("Feed-forward chunks that do nothing."),
    "RCP4017": Code("A learning rate of 0."),
    "RCP4018": Code("A learning rate far above what is usual."),
    "RCP4019": Code("A LoRA scaled far up or down by alpha / rank."),
    "RCP4020": Code("A real model on a CPU."),
    "RCP4021": Code("A text that is longer than the text encoder reads."),
    "RCP4022": Code("A micro-batch that is larger than the batch."),
    "RCP4023": Code("Checkpoints further apart than the run is long."),
    "RCP4024": Code("An empty prompt."),
    "RCP4025": Code("A name of a dataset that cannot be one."),
    "RCP4026": Code("Limits that leave nothing to train on."),
    "RCP4027": Code("A word about clips that does nothing beside the others, or has nothing to read."),
    "RCP4028": Code("Pictures that would be squashed or enlarged."),
    "RCP4030": Code("A range of noise levels whose end is not above its beginning."),
    "RCP4031": Code("A range of noise levels that hardly any level reaches."),
    "RCP4032": Code("Rollouts that never happen, become rarer, or never reach their share."),
    "RCP4033": Code("A mode of noise levels that is none."),
    "RCP4035": Code("A file to start from that is not the adapter to be trained.", by_plan=True),
    "RCP4040": Code("What needs a package that is not installed, or a newer one.", by_plan=True),
    "RCP4041": Code("A way of rounding that the optimizer does not have."),
    "RCP4042": Code("Weight decay that rounding takes back."),
    "RCP4043": Code("Muon on what is no matrix."),
    "RCP4044": Code("A learning rate or schedule that the optimizer decides itself."),
    "RCP4045": Code("A result that nothing makes."),
    "RCP4046": Code("Training all weights with words that need an adapter beside them."),
    "RCP4047": Code("Schedule-free training without a first beta."),
    "RCP4048": Code("An average of the weights that never moves, or that is not handed on."),
    "RCP4049": Code("An adapter with a number that none can have."),
    "RCP4050": Code("A TREAD route that leaves the model, runs backwards, or meets another."),
    "RCP4051": Code("A TREAD route through the first blocks or the last."),
    "RCP4052": Code("A TREAD route that more than half of the tokens go around, or none."),
    "RCP4053": Code("Offload of blocks whose weights the backward pass holds."),
    "RCP4054": Code("Offload of weights that are trained."),
    "RCP4060": Code("A teacher that cannot be used.", by_plan=True),
    "RCP4061": Code("Hidden tokens of a block, or neighbours of a frame, that are not there."),
    "RCP4062": Code("A size that the teacher would cut."),
    "RCP4063": Code("Hidden tokens within a TREAD route, where some are missing."),
    "RCP4070": Code("8-bit weights that cannot be had."),
    "RCP4071": Code("8-bit weights in the less exact format."),
    "RCP4080": Code("Clips that the loss is measured on are also trained on.", by_plan=True),
    "RCP4081": Code("The loss is to be measured, and there are no clips for it."),
    "RCP4082": Code("Clips to measure the loss on, which nothing reads."),
    "RCP4083": Code("Roles of datasets that cannot be played."),
    "RCP4090": Code("More devices than samples in a batch."),
    "RCP4091": Code("Several devices of a kind that a machine has one of."),
    "RCP4092": Code("Blocks that are to be sharded among one device."),
    "RCP4093": Code("What cannot be had with sharded blocks."),
    "RCP4101": Code("The folder of clips is not there, or holds no clips.", by_plan=True),
    "RCP4102": Code("Clips that cannot be used.", by_plan=True),
    "RCP4103": Code("Clips without captions.", by_plan=True),
    "RCP4104": Code("Fewer frames than asked.", by_plan=True),
    "RCP4106": Code("Results that would lie among the clips.", by_plan=True),
    "RCP4107": Code("A bucket with fewer clips than a batch.", by_plan=True),
    "RCP4108": Code("Clips outside of the sizes and lengths that the recipe asks for.", by_plan=True),
    "RCP4109": Code("A list or table of clips that cannot be read.", by_plan=True),
    "RCP4110": Code("A list or table names clips that are not there.", by_plan=True),
    "RCP4111": Code("Clips that are enlarged.", by_plan=True),
    "RCP4112": Code("An address of clips that is not followed.", by_plan=True),
    "RCP4201": Code("Masked loss, which Wan does not take."),
    "RCP4202": Code("CLIP score, which says nothing of videos."),
    "RCP4203": Code("Four-bit weights, which Wan 2.1 does not survive."),
    "RCP4207": Code("Offloading of the whole model, of which there is none to move."),
    "RCP4208": Code("A boundary between experts where there is one expert."),
    "RCP4209": Code("Image to video, which is not built yet; it wants clips, not images."),
    "RCP4210": Code("Deleting clips, which nothing here does."),
    "RCP5001": Code(
        "An address of a layer that is not read: another protocol, a user's name, an option.", exit=5
    ),
    "RCP5002": Code("A layer that lies outside of the project, or of the repository, that names it.", exit=5),
    "RCP5003": Code("Something in a repository that is not a small plain file: a link, a submodule.", exit=5),
    "RCP5004": Code("A layer from elsewhere that says where things lie on this machine.", exit=5),
    "RCP5005": Code("Too many repositories, or too many of their layers on each other.", exit=5),
    "RCP5006": Code("A reference that can move, and no lock that holds it.", exit=5),
    "RCP5007": Code("An origin that is not trusted.", exit=5),
    "RCP5008": Code("A cached file of a repository that is not what its name says.", exit=5),
    "RCP5101": Code("The lock is out of date.", exit=6),
    "RCP5102": Code("There is no lock, or it cannot be read.", exit=6),
    "RCP5103": Code("The lock was written by a newer program.", exit=8),
    "RCP5104": Code("A layer that was not fetched, or cannot be.", exit=8),
    "RCP5105": Code("The program git is missing.", exit=8),
    "RCP5106": Code("A folder that is not what its card says."),
    "RCP5201": Code("A secret in clear.", exit=5),
}
