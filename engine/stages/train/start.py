"""Starting from an adapter that was trained before: which tensors of its file are which of ours, told before any work.

Files name the same tensor in many ways: a prefix of the program, the layer in diffusers' or in the original naming,
with dots or with underscores, and the factor. Every layer of this model is spelled in all of them once, and a file's
names are looked up: nothing is guessed from how a name looks.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from engine.header import Entry, Header, NotSafetensors, read_header, read_number
from engine.names import to_native
from engine.seam import Trouble, digest_of
from engine.stages.train.layers import linear_layers, match
from engine.stages.train.shapes import Shape, adapter_shapes
from engine.stages.train.strength import NoStrength, Settings, settings_of, strength_of
from engine.store import digest_file
from engine.words.adapter import Dora, FileStart, FreshStart, Full, Loha, Lokr, Lora
from engine.words.model import Transformer

Adapter = Lora | Dora | Lokr | Loha | Full

# what stands before a layer's name: of diffusers, ComfyUI, peft; and of sd-scripts, LyCORIS
DOTTED = ("", "transformer.", "diffusion_model.", "base_model.model.", "base_model.model.transformer.")
UNDERSCORED = ("lora_unet_", "lycoris_", "lora_transformer_")
# what stands behind it → our factor
FACTORS = {
    "lora_A.weight": "lora_A.weight",
    "lora_B.weight": "lora_B.weight",
    "lora_A.default.weight": "lora_A.weight",
    "lora_B.default.weight": "lora_B.weight",
    "lora_down.weight": "lora_A.weight",
    "lora_up.weight": "lora_B.weight",
    "lora_magnitude_vector": "lora_magnitude_vector",
    "lora_magnitude_vector.weight": "lora_magnitude_vector",
    "dora_scale": "lora_magnitude_vector",
    **{name: name for name in ("lokr_w1", "lokr_w2", "lokr_w2_a", "lokr_w2_b")},
    **{name: name for name in ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")},
    "alpha": "alpha",
}
# a factor that only one kind has
TELLING = {"lokr_w1": "lokr", "hada_w1_a": "loha", "lora_magnitude_vector": "dora", "lora_A.weight": "lora"}
SCALED = ("lora_B.weight", "lokr_w2_b", "lokr_w2", "hada_w2_b")  # the factor that takes up another strength
# a factor with the rank as its first side; what is missing here has no rank
RANKED = ("lora_A.weight", "lokr_w2_b", "hada_w2_b")
# the number formats that a factor can have, and their bytes
FORMATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1}
LEAF = "start"  # the name of the file's digest in the key
CODE, _PATH = "RCP4035", "train.start.path"
_MOST = 3  # names that one message lists


class Unusable(Exception):
    """A file that cannot be used at all; the message says why."""


@dataclass(frozen=True, slots=True)
class Named:
    """A tensor of a file: its name there, and its shape here."""

    name: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Found:
    """What an adapter's file holds.

    Attributes:
        tensors: layer → our factor → tensor.
        strengths: layer → what its adapter is scaled by; 1 where the file does not say.
        unknown: names that belong to no linear layer of this model, or to no factor that can be trained here.
        silent: whether the file says nothing about its strength.
    """

    tensors: Mapping[str, Mapping[str, Named]]
    strengths: Mapping[str, float]
    unknown: tuple[str, ...]
    silent: bool

    @property
    def kind(self) -> str:
        """What kind of adapter it is, as a recipe names it; several with commas between them."""
        factors = {factor for own in self.tensors.values() for factor in own}
        kinds = {kind for factor, kind in TELLING.items() if factor in factors}
        return ", ".join(sorted(kinds - {"lora"} if "dora" in kinds else kinds))

    @property
    def ranks(self) -> list[int]:
        """The ranks of its layers, each once."""
        return sorted({rank for own in self.tensors.values() if (rank := _rank(own)) is not None})


@dataclass(frozen=True, slots=True)
class Start:
    """What a plan can tell of where training starts.

    Attributes:
        leaves: the digest of the file, for the key; nothing for a fresh start.
        troubles: why it cannot be started from.
        notes: what people should know.
    """

    leaves: Mapping[str, str] = field(default_factory=dict)
    troubles: tuple[Trouble, ...] = ()
    notes: tuple[str, ...] = ()


def foresee_start(
    start: FreshStart | FileStart, adapter: Adapter, numbers: Transformer, digest: Callable[[Path], str]
) -> Start:
    """Hold the file that training starts from against the adapter that it is to become.

    Args:
        digest: of a file's content; it may be remembered.
    """
    if isinstance(start, FreshStart):
        return Start()
    if isinstance(adapter, Full):
        message = "all weights are trained, and no adapter's file holds them"
        help_ = "start fresh, or train an adapter"
        return Start(troubles=(Trouble(CODE, "train.start.kind", message, help_, rule="train.adapter.kind"),))
    path, layers = Path(start.path), linear_layers(numbers)
    try:
        found = look(path, layers)
        leaf = _leaf(found, digest(path))
    except Unusable as error:
        return _unusable(path, str(error))
    except OSError as error:
        return _unusable(path, error.strerror or str(error))
    wanted = adapter_shapes(adapter, {name: layers[name] for name in match(layers, adapter.targets).names})
    troubles = tuple(_misfits(found, adapter, wanted))
    return Start({LEAF: leaf}, troubles, () if troubles else (_note(path, found, adapter),))


def take(
    path: Path, adapter: Lora | Dora | Lokr | Loha, numbers: Transformer, leaf: str
) -> dict[str, tuple[str, float]]:
    """Return what to read of a file that a plan found good; see ``sources``.

    Args:
        leaf: what the plan said of it.

    Raises:
        Unusable: it is gone, or it is not what it was.
        OSError: it cannot be read.
    """
    found = look(path, linear_layers(numbers))
    if _leaf(found, digest_file(path)) != leaf:
        raise Unusable("it changed since the plan was made; run again")
    return sources(found, adapter)


def _leaf(found: Found, digest: str) -> str:
    """Strengths count beside the content: peft keeps them in a file of their own."""
    return digest_of([digest, dict(found.strengths)])


def _unusable(path: Path, why: str) -> Start:
    return Start(
        troubles=(
            Trouble(
                CODE,
                _PATH,
                f"{path}: {why}",
                "name the whole .safetensors file of an adapter, or start fresh",
            ),
        )
    )


def sources(found: Found, adapter: Lora | Dora | Lokr | Loha) -> dict[str, tuple[str, float]]:
    """Return, by our name of each tensor, its name in the file, and what to multiply it by to keep what it does."""
    return {
        f"{layer}.{factor}": (tensor.name, _change(found, adapter, layer) if factor in SCALED else 1.0)
        for layer, own in found.tensors.items()
        for factor, tensor in own.items()
    }


def look(path: Path, layers: Mapping[str, tuple[int, int]]) -> Found:
    """Read what an adapter's file holds, from its header.

    Args:
        layers: the linear layers of the model, in diffusers' naming.

    Raises:
        Unusable: it is not there, cannot be read, or is no file of an adapter.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise Unusable("it is a pipe or a device; to look at it could take forever")
        header = read_header(path)
        tensors, alphas, unknown = _sorted_out(header, layers)
        own_alphas = {layer: read_number(path, header.tensors[name]) for layer, name in alphas.items()}
        settings = settings_of(path, header)
        strengths = {
            layer: strength_of(layer, _rank(own), own_alphas.get(layer), settings)
            for layer, own in tensors.items()
        }
    except OSError as error:
        raise Unusable(error.strerror or str(error)) from error
    except NotSafetensors as error:
        raise Unusable(f"not a whole safetensors file: {error}") from error
    except NoStrength as error:
        raise Unusable(str(error)) from error
    if not tensors:
        raise Unusable(f"no adapter of this model; it holds {_some(header.tensors) or 'nothing'}")
    if strange := [layer for layer in settings.alphas if layer not in layers]:
        raise Unusable(
            f"it says how strong layers are by patterns, which are not read here: {_some(strange)}"
        )
    return Found(tensors, strengths, tuple(unknown), not own_alphas and settings == Settings())


def _sorted_out(
    header: Header, layers: Mapping[str, tuple[int, int]]
) -> tuple[dict[str, dict[str, Named]], dict[str, str], list[str]]:
    """Return the factors of each layer, the name of the tensor that holds its alpha, and what is neither.

    Raises:
        Unusable: a factor is there twice, or cannot be read.
    """
    spelled, known = _spellings(layers), dict[tuple[str, str], str]()
    tensors, alphas, unknown = dict[str, dict[str, Named]](), dict[str, str](), list[str]()
    for name, entry in sorted(header.tensors.items()):
        # what is said of a factor has up to three parts, such as `lora_A.default.weight`
        cuts = (tuple(name.rsplit(".", count)) for count in (1, 2, 3))
        hit = next(((spelled[cut[0]], FACTORS[".".join(cut[1:])]) for cut in cuts
                    if cut[0] in spelled and ".".join(cut[1:]) in FACTORS), None)  # fmt: skip
        if hit is None:
            unknown.append(name)
        elif (first := known.setdefault(hit, name)) != name:
            raise Unusable(f"it has {'.'.join(hit)} twice, as {first} and as {name}")
        elif hit[1] == "alpha":
            alphas[hit[0]] = name
        else:
            tensors.setdefault(hit[0], {})[hit[1]] = Named(name, _shape(name, hit[1], entry))
    return tensors, alphas, unknown


def _spellings(layers: Mapping[str, tuple[int, int]]) -> dict[str, str]:
    """Return every way in which files name a layer → the layer."""
    return {
        spelled: layer
        for layer in layers
        for name in (layer, to_native(layer))
        for spelled in (
            *(prefix + name for prefix in DOTTED),
            *(prefix + name.replace(".", "_") for prefix in UNDERSCORED),
        )
    }


def _shape(name: str, factor: str, entry: Entry) -> Shape:
    """DoRA's lengths are a column in some files."""
    if entry.dtype not in FORMATS:
        raise Unusable(f"{name} is in the format {entry.dtype}; those of an adapter are {', '.join(FORMATS)}")
    if entry.stop - entry.start != prod(entry.shape) * FORMATS[entry.dtype]:
        raise Unusable(f"{name} has not as many bytes as its shape {list(entry.shape)} has in {entry.dtype}")
    flat = factor == "lora_magnitude_vector" and entry.shape[1:] == (1,)
    return entry.shape[:1] if flat else entry.shape


def _rank(own: Mapping[str, Named]) -> int | None:
    """Return the rank of a layer's adapter; a Kronecker product of two whole matrices has none."""
    return next((own[factor].shape[0] for factor in RANKED if factor in own and own[factor].shape), None)


def _change(found: Found, adapter: Lora | Dora | Lokr | Loha, layer: str) -> float:
    """Return the file's strength over ours: 1 where they are the same."""
    whole = "lokr_w2" in found.tensors[layer]  # such a product is not scaled here
    return found.strengths[layer] / (1.0 if whole else adapter.alpha / adapter.rank)


def _misfits(
    found: Found, adapter: Lora | Dora | Lokr | Loha, wanted: Mapping[str, Mapping[str, Shape]]
) -> Iterator[Trouble]:
    """Say what keeps a file from being the adapter: what it is, where, and how large."""
    if found.unknown:
        yield Trouble(
            CODE, _PATH, f"the file holds what is no part of an adapter here: {_some(found.unknown)} ({len(found.unknown)} in all)",
            "what can be started from is an adapter of Wan's linear layers, with the names of diffusers, native Wan (ComfyUI), sd-scripts, LyCORIS or peft",
        )  # fmt: skip
    if found.kind != adapter.kind:
        yield Trouble(
            CODE, "train.adapter.kind", f"the file holds {found.kind}, and {adapter.kind} is to be trained",
            f"write `kind: {found.kind.partition(',')[0]}`, or start fresh", rule=_PATH,
        )  # fmt: skip
        return
    if found.tensors.keys() != wanted.keys():
        yield _elsewhere(found, wanted)
    if found.ranks not in ([], [adapter.rank]):
        way = f"write `rank: {found.ranks[0]}`" if len(found.ranks) == 1 else "all layers have one rank here"
        yield Trouble(
            CODE, "train.adapter.rank", f"the file has rank {_some(map(str, found.ranks))}, and {adapter.rank} is to be trained",
            f"{way}, or start fresh", rule=_PATH,
        )  # fmt: skip
        return
    for layer, own in found.tensors.items():
        theirs = {factor: tensor.shape for factor, tensor in own.items()}
        if layer in wanted and theirs != wanted[layer]:
            yield Trouble(
                CODE, _PATH, f"at {layer} the file has {_sizes(theirs)}, and what is to be trained has {_sizes(wanted[layer])}",
                "it was made for another model, or with another `factor`", rule="train.adapter.kind",
            )  # fmt: skip
            return


def _elsewhere(found: Found, wanted: Mapping[str, object]) -> Trouble:
    """The file has its adapter on other layers: say on which, as patterns that can be written into a recipe."""
    more = [layer for layer in found.tensors if layer not in wanted]
    fewer = [layer for layer in wanted if layer not in found.tensors]
    said = [f"has {len(more)} that `targets` leave out, such as {more[0]}"] if more else []
    said += [f"lacks {len(fewer)} that `targets` have, such as {fewer[0]}"] if fewer else []
    patterns = sorted(
        {re.sub(r"\bblocks\\\.\d+", r"blocks\\.\\d+", re.escape(layer)) for layer in found.tensors}
    )
    return Trouble(
        CODE, "train.adapter.targets", f"of {len(found.tensors)} layers in the file and {len(wanted)} here, the file {' and '.join(said)}",
        f"what the file has is {', '.join(patterns)}", rule=_PATH,
    )  # fmt: skip


def _note(path: Path, found: Found, adapter: Lora | Dora | Lokr | Loha) -> str:
    """Say what is started from, and what was done to its strength."""
    said = f"starts from {path.name}: {found.kind} on {len(found.tensors)} layers"
    changes = sorted({_change(found, adapter, layer) for layer in found.tensors})
    if changes != [1.0]:
        strengths = _some(f"{strength:g}" for strength in sorted(set(found.strengths.values())))
        said += f"; its strength is {strengths}, so its factors are multiplied by {_some(f'{change:g}' for change in changes)} to do the same at this one"
    return f"{said}; it does not say its strength, and alpha = rank is taken" if found.silent else said


def _sizes(shapes: Mapping[str, Shape]) -> str:
    return ", ".join(f"{factor} {'×'.join(map(str, shape))}" for factor, shape in sorted(shapes.items()))


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:_MOST]) + (" …" if len(listed) > _MOST else "")
