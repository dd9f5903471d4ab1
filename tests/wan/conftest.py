"""One tiny Wan for all tests: the stock classes, the same layout, and next to no numbers."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from engine.wan.build import build
from engine.words.model import TextEncoder, Transformer, VideoCodec


class Numbers(NamedTuple):
    transformer: Transformer
    codec: VideoCodec
    text_encoder: TextEncoder


NUMBERS = Numbers(
    Transformer(
        layers=2, heads=2, head_width=12, feed_forward_width=32, in_channels=16, out_channels=16, text_width=16,
        time_width=32, longest_side=64,
    ),
    VideoCodec(
        base_width=4, latent_channels=16, width_factors=[1, 1, 1, 1], residual_blocks=1,
        halve_time=[False, True, True], space_stride=8, time_stride=4,
    ),
    TextEncoder(width=16, layers=2, heads=2, head_width=8, feed_forward_width=32, max_tokens=64),
)  # fmt: skip


@pytest.fixture(scope="session")
def numbers() -> Numbers:
    return NUMBERS


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny model; read it, do not write there."""
    made = tmp_path_factory.mktemp("wan")
    build(made, *NUMBERS, seed=0)
    return made


ELSEWHERE = """
import json, sys
from pathlib import Path
import torch
from engine.wan.build import build
from engine.wan.lora_file import save_lora
from engine.words.model import TextEncoder, Transformer, VideoCodec
parts = zip((Transformer, VideoCodec, TextEncoder), json.loads(sys.argv[1]))
build(Path("model"), *(part(**said) for part, said in parts), seed=0)
state = {f"blocks.{n}.to_q.lora_{x}.weight": torch.full((2, 2), float(n)) for n in range(9) for x in "AB"}
save_lora(Path("lora.safetensors"), state, 2, 1.0)
"""


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """What another process with another hash seed makes of the same numbers: ``model`` and ``lora.safetensors``."""
    made = tmp_path_factory.mktemp("elsewhere")
    said = json.dumps([part.model_dump() for part in NUMBERS])
    environment = os.environ | {"PYTHONHASHSEED": "54321", "PYTHONPATH": str(pytestconfig.rootpath)}
    subprocess.run([sys.executable, "-c", ELSEWHERE, said], cwd=made, env=environment, check=True)
    return made


@pytest.fixture(scope="session")
def cpu() -> torch.device:
    return torch.device("cpu")
