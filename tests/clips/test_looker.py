"""Looking at many files: every one gets an answer, and nothing hangs, crashes or stays behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from blake3 import blake3
from PIL import Image

from engine.clips.files import Probe
from engine.clips.looker import _look_at, look_at
from engine.clips.write import write_video

posix = pytest.mark.skipif(os.name != "posix", reason="pipes, links and odd names are Unix's")

# Stand-ins for what a decoder may do; a new interpreter imports them by their name.
DECODERS = """
import os, time
from engine.clips.looker import Looked

def look(path):
    if path.name.startswith("hangs"):
        time.sleep(600)
    if path.name.startswith("crashes"):
        os.abort()
    if path.name.startswith("slow"):
        time.sleep(0.5)
    return Looked(path, digest=path.name)
"""


@pytest.fixture
def decoders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "decoders_gone_wrong.py").write_text(DECODERS)
    monkeypatch.syspath_prepend(tmp_path)
    yield import_module("decoders_gone_wrong")
    del sys.modules["decoders_gone_wrong"]


def film(path: Path, frames: int = 5) -> Path:
    """Write a film; written under a plain name, for not every encoder takes every name."""
    plain = path.parent / "plain.mp4"
    write_video(plain, np.zeros((frames, 32, 48, 3), np.uint8), 16)
    return plain.rename(path)


def stat_of(path: Path) -> tuple[int, int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def test_a_file_is_told_by_its_stat_its_content_and_what_it_holds(tmp_path: Path) -> None:
    path = film(tmp_path / "good.mp4")
    (looked,) = look_at([path])
    assert looked.path == path
    assert looked.stat == stat_of(path)
    assert looked.digest == blake3(path.read_bytes()).hexdigest()
    assert looked.probe == Probe("video", 48, 32, 5, 5 / 16, 16.0, "h264")
    assert looked.broken == ""


@posix
def test_every_file_gets_an_answer_in_its_turn(tmp_path: Path) -> None:
    good = film(tmp_path / "good.mp4")
    names = [unicodedata.normalize(form, "Zoë.mp4") for form in ("NFC", "NFD")]
    for name in (*names, "two\nlines.mp4", "-rf.mp4", "a:b?.mp4"):
        film(tmp_path / name)
    Image.new("RGB", (40, 20)).save(tmp_path / "picture.mp4", format="png")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "half.mp4").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    (tmp_path / "letter.mp4").write_text("this is no film\n" * 40)
    (tmp_path / "list.mp4").write_text(f"#EXTM3U\n#EXTINF:2,\n{good}\n#EXT-X-ENDLIST\n")
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "link.mp4").symlink_to(good)
    (tmp_path / "nowhere.mp4").symlink_to(tmp_path / "gone.mp4")
    (tmp_path / "circle.mp4").symlink_to(tmp_path / "circle.mp4")
    expected = {
        "good.mp4": "",
        names[0]: "",
        names[1]: "",
        "two\nlines.mp4": "",
        "-rf.mp4": "",
        "a:b?.mp4": "",
        "picture.mp4": "",
        "link.mp4": "",
        "empty.mp4": "is empty",
        "half.mp4": "holds no frame",
        "letter.mp4": "cannot be decoded: ",
        "list.mp4": "cannot be decoded: ",
        "pipe.mp4": "is not a file",
        "folder.mp4": "is not a file",
        "nowhere.mp4": "cannot be opened: No such file or directory",
        "circle.mp4": "cannot be opened: Too many levels of symbolic links",
        "missing.mp4": "cannot be opened: No such file or directory",
        "\udcff.mp4": "has a name that is not UTF-8",
    }
    found = list(look_at(tmp_path / name for name in expected))
    assert [looked.path.name for looked in found] == list(expected)
    for looked, reason in zip(found, expected.values(), strict=True):
        assert looked.broken.startswith(reason)
        assert bool(looked.broken) == bool(reason)
        assert (looked.probe is None) == bool(reason)
        read = not reason or reason.startswith(("is empty", "holds", "cannot be decoded"))
        assert looked.digest == (blake3(looked.path.read_bytes()).hexdigest() if read else "")
        assert looked.stat == (stat_of(looked.path) if read else (0, 0, 0, 0))


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_said_to_be_one(tmp_path: Path) -> None:
    path = film(tmp_path / "private.mp4")
    path.chmod(0)
    (looked,) = look_at([path])
    assert looked.broken == "cannot be opened: Permission denied"


def test_a_decoder_that_hangs_is_ended_and_one_that_crashes_replaced(decoders: ModuleType) -> None:
    names = ["a", "hangs", "b", "crashes", "c", "crashes too", "hangs too", "d"]
    began = time.monotonic()
    found = list(_look_at(map(Path, names), 1.0, decoders.look))
    assert time.monotonic() - began < 30
    assert [looked.path.name for looked in found] == names
    assert {looked.path.name: looked.broken for looked in found if looked.broken} == {
        "hangs": "could not be read within 1 s",
        "hangs too": "could not be read within 1 s",
        "crashes": "made the decoder crash",
        "crashes too": "made the decoder crash",
    }
    assert [looked.digest for looked in found if not looked.broken] == ["a", "b", "c", "d"]
    assert multiprocessing.active_children() == []


def test_answers_come_in_the_order_of_the_questions(decoders: ModuleType) -> None:
    names = ["slow", *"abcdef"]
    assert [looked.digest for looked in _look_at(map(Path, names), 60, decoders.look)] == names


def test_files_are_taken_as_they_are_needed(decoders: ModuleType) -> None:
    taken = []

    def endless() -> Iterator[Path]:
        while True:
            taken.append(Path(str(len(taken))))
            yield taken[-1]

    answers = _look_at(endless(), 60, decoders.look)
    assert [next(answers).digest for _ in range(100)] == [str(n) for n in range(100)]
    assert len(taken) < 100 + 70
    answers.close()
    assert multiprocessing.active_children() == []


def test_no_file_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.clips.looker.ProcessPool", None)
    assert list(look_at([])) == []


@pytest.mark.parametrize(("files", "processes"), [(1, 1), (4, 1), (5, 2), (40, 8)])
def test_few_files_start_few_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int, processes: int
) -> None:
    asked = []
    real = sys.modules["engine.clips.looker"].ProcessPool
    monkeypatch.setattr(
        "engine.clips.looker.ProcessPool",
        lambda max_workers, **others: asked.append(max_workers) or real(max_workers, **others),
    )
    monkeypatch.setattr("engine.clips.looker._cores", lambda: 8)
    assert {looked.broken for looked in look_at([film(tmp_path / "good.mp4")] * files)} == {""}
    assert asked == [processes]


def test_a_look_that_ends_before_all_workers_have_started_says_nothing(tmp_path: Path, root: Path) -> None:
    (tmp_path / "none.mp4").touch()
    code = (
        "from pathlib import Path; from engine.clips.looker import look_at\n"
        f"print(len(list(look_at([Path({str(tmp_path / 'none.mp4')!r})] * 9))))"
    )
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
        )
        assert (done.stdout, done.stderr) == ("9\n", "")


def test_whoever_asks_loads_no_decoder(tmp_path: Path, root: Path) -> None:
    path = film(tmp_path / "good.mp4")
    code = (
        "import sys; from pathlib import Path; from engine.clips.looker import look_at\n"
        f"print([looked.broken for looked in look_at([Path({str(path)!r})])])\n"
        "print(sorted({'av', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["['']", "[]"]


@posix
def test_ctrl_c_leaves_no_process_behind(tmp_path: Path, root: Path) -> None:
    (tmp_path / "decoders_gone_wrong.py").write_text(DECODERS)
    (tmp_path / "asks.py").write_text(
        "from pathlib import Path\n"
        "import multiprocessing, signal\n"
        "from decoders_gone_wrong import look\n"
        "from engine.clips.looker import _look_at\n"
        "if __name__ == '__main__':\n"
        # whoever runs the tests in the background ignores Ctrl-C, and so do all that it starts
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "    for looked in _look_at(map(Path, ['a', *['hangs'] * 9]), 600, look):\n"
        "        print(*[child.pid for child in multiprocessing.active_children()], flush=True)\n"
    )
    where = os.pathsep.join([str(tmp_path), str(root)])
    asking = subprocess.Popen(
        [sys.executable, str(tmp_path / "asks.py")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": where}, start_new_session=True,
    )  # fmt: skip
    assert asking.stdout is not None
    workers = [int(pid) for pid in asking.stdout.readline().split()]
    assert workers
    time.sleep(0.3)  # until the next file hangs
    os.killpg(asking.pid, signal.SIGINT)  # as a terminal does: everyone hears it
    _, said = asking.communicate(timeout=30)
    assert "KeyboardInterrupt" in said
    for pid in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
