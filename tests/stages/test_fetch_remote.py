"""Clips that lie elsewhere come into the store: whole, each version once, under names that stay where they belong."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fsspec import config
from program import recipe
from sources import test_remote

from engine import pipeline
from engine.clips.write import write_video
from engine.endings import Interrupted, StageError
from engine.execute.runner import Order, make_work
from engine.language.diagnostics import RecipeError
from engine.language.overrides import sets as sets_of
from engine.language.resolve import resolve
from engine.plan.keys import project
from engine.sources.remote import RemoteFile
from engine.stages.fetch_data import run
from engine.stages.fetch_data.run import fetch_data
from engine.stages.fetch_data.spec import FETCH_DATA, FetchDataSpec, folder_of

# the same server as where the storage itself is tested
s3_server, bucket, quick = test_remote.s3_server, test_remote.bucket, test_remote.quick
Put = Callable[[str, bytes], None]

RECIPE = """apiVersion: wan-recipe/v1
kind: recipe
extends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]
data: {{source: {{kind: remote, url: "{url}", as_of: one}}}}
sample: {{prompts: {{cat: a cat}}}}
"""


class Place:
    """A store, and the stage that fills it."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.fetched: list[str] = []
        self.said: list[dict[str, object]] = []
        download = run.download

        def noted(file: RemoteFile, target: Path, told: Callable[[int], None]) -> None:
            self.fetched.append(file.name)
            download(file, target, told)

        monkeypatch.setattr(run, "download", noted)

    def fetch(
        self, url: str, as_of: str = "one", stopping: Callable[[], bool] = lambda: False
    ) -> dict[str, bytes]:
        """Do the stage's work; returns what the folder of the clips then holds."""
        (self.root / "stage.yaml").write_text(RECIPE.format(url=url))
        made = resolve(self.root / "stage.yaml", sets_of(f"data.source.as_of={as_of}"))
        spec = project(FetchDataSpec, made.recipe)
        output = self.root / f"output {len(list(self.root.glob('output *')))}"
        output.mkdir()
        order = Order(
            "fetch_data", spec.model_dump(mode="json"), {}, {}, {}, str(output),
            str(self.root / "shared"), "identity", {}, str(self.root / "store"),
        )  # fmt: skip
        tell = lambda type_, **said: self.said.append({"type": type_, **said})  # noqa: E731 - handed on whole
        fetch_data(make_work(FETCH_DATA, order, tell, stopping))
        folder = output / "clips" / folder_of(spec.main.source)
        found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not path.is_dir()}
        (said,) = json.loads((output / "source.json").read_text())
        assert said == {"url": url, "files": len(found)}
        return {name: path.read_bytes() for name, path in found.items()}

    def kept(self) -> int:
        return len(list((self.root / "store").glob("v1/items/fetch_data/*/*/file")))

    def left(self) -> list[Path]:
        return list((self.root / "store").glob("v1/tmp/*"))

    def progress(self) -> list[tuple[object, ...]]:
        return [(said["done"], said["total"], said["note"]) for said in self.said]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


@pytest.fixture(params=["s3", "file"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Put]:
    """An address, and what puts a file there."""
    if request.param == "s3":
        put = request.getfixturevalue("bucket")
        return "s3://clips/my set", lambda name, content: put(f"my set/{name}", content)
    folder = tmp_path / "far away"

    def write(name: str, content: bytes) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)

    return f"file://{folder}", write


FILES = {
    "a.mp4": b"A" * 3000,
    "a.txt": b"about a",
    "sub/b c.png": b"B" * 50,
    "sub/metadata.csv": b"file_name\n",
}


# what is fetched


def test_clips_and_the_words_beside_them_lie_in_the_store_as_they_lay_elsewhere(
    place: Place, elsewhere: tuple[str, Put]
) -> None:
    url, put = elsewhere
    for name, content in (FILES | {"notes.md": b"no clip", ".hidden.mp4": b"hidden"}).items():
        put(name, content)
    assert place.fetch(url) == FILES
    assert place.fetched == sorted(FILES)
    assert place.progress() == [(done, 4, name) for done, name in enumerate(sorted(FILES), start=1)]
    assert (place.kept(), place.left()) == (4, [])


def test_another_look_fetches_only_what_changed(place: Place, elsewhere: tuple[str, Put]) -> None:
    url, put = elsewhere
    for name, content in FILES.items():
        put(name, content)
    place.fetch(url)
    place.fetched.clear()
    assert place.fetch(url, as_of="two") == FILES
    assert place.fetched == []
    put("a.mp4", b"a" * 3000)  # as long as before
    put("new.mp4", b"new")
    now = FILES | {"a.mp4": b"a" * 3000, "new.mp4": b"new"}
    assert place.fetch(url, as_of="three") == now
    assert place.fetched == ["a.mp4", "new.mp4"]
    assert place.kept() == len(FILES) + 2, "what was there before is kept beside it"


def test_a_folder_is_looked_at_once_however_often_the_stage_runs(
    place: Place, elsewhere: tuple[str, Put]
) -> None:
    url, put = elsewhere
    put("a.mp4", b"first")
    place.fetch(url)
    put("a.mp4", b"then another")
    put("new.mp4", b"new")
    assert place.fetch(url) == {"a.mp4": b"first"}
    assert place.fetched == ["a.mp4"]


def test_a_file_that_is_gone_elsewhere_is_no_longer_among_the_clips(
    place: Place, elsewhere: tuple[str, Put], request: pytest.FixtureRequest
) -> None:
    url, put = elsewhere
    for name, content in FILES.items():
        put(name, content)
    place.fetch(url)
    if url.startswith("file"):
        Path(url.removeprefix("file://"), "a.mp4").unlink()
    else:
        client = pytest.importorskip("boto3").client("s3", endpoint_url=request.getfixturevalue("s3_server"))
        client.delete_object(Bucket="clips", Key="my set/a.mp4")
    assert place.fetch(url, as_of="two") == {
        name: content for name, content in FILES.items() if name != "a.mp4"
    }


def test_a_copy_in_the_store_that_was_damaged_is_fetched_again(place: Place, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "a.mp4").write_bytes(b"whole")
    place.fetch(f"file://{tmp_path}/far")
    (kept,) = (tmp_path / "store").glob("v1/items/fetch_data/*/*/file")
    kept.write_bytes(b"spoilt")
    with pytest.raises(StageError, match=r"was damaged .* run again to make it anew"):
        place.fetch(f"file://{tmp_path}/far")
    assert place.fetch(f"file://{tmp_path}/far") == {"a.mp4": b"whole"}


# what does not go well


def test_who_stops_keeps_what_was_fetched(place: Place, elsewhere: tuple[str, Put]) -> None:
    url, put = elsewhere
    for name, content in FILES.items():
        put(name, content)
    with pytest.raises(Interrupted):
        place.fetch(url, stopping=lambda: len(place.progress()) == 2)
    assert (place.kept(), place.left()) == (2, [])
    place.fetched.clear()
    assert place.fetch(url) == FILES
    assert place.fetched == ["sub/b c.png", "sub/metadata.csv"]


def test_who_stops_within_a_long_file_waits_for_no_more_than_a_piece_of_it(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "long.mp4").write_bytes(bytes(10_000))
    monkeypatch.setattr("engine.sources.remote.PIECE", 1000)
    looks: list[None] = []

    def stopping() -> bool:
        looks.append(None)
        return len(looks) > 4

    with pytest.raises(Interrupted):
        place.fetch(f"file://{tmp_path}/far", stopping=stopping)
    assert (len(looks), place.kept(), place.left()) == (5, 0, [])


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("url", ["s3://no-such-bucket/clips", "s3://clips/nothing", "file:///no/such/folder"])
def test_a_place_that_cannot_be_read_is_said_in_one_line(place: Place, url: str) -> None:
    with pytest.raises(StageError) as caught:
        place.fetch(url)
    assert str(caught.value).startswith(f"{url}: ")
    assert len(str(caught.value).splitlines()) == 1
    assert (place.kept(), place.left()) == (0, [])


def test_a_server_that_does_not_answer_is_said_in_one_line(
    place: Place, bucket: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3fs = pytest.importorskip("s3fs")
    bucket("a.mp4", b"a")
    # nobody listens there; and the library of this storage would try for some seconds
    nowhere = {"endpoint_url": "http://127.0.0.1:9", "config_kwargs": {"retries": {"max_attempts": 0}}}
    monkeypatch.setitem(config.conf, "s3", nowhere)
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(StageError, match=r"^s3://clips: cannot be read: .*127\.0\.0\.1:9"):
        place.fetch("s3://clips")


def test_an_object_whose_name_leads_out_of_the_folder_is_refused(place: Place, bucket: Put) -> None:
    bucket("a.mp4", b"a")
    bucket("../../outside.mp4", b"hostile")
    with pytest.raises(StageError, match=r"s3://clips: holds \.\./\.\./outside\.mp4, a name that leads out"):
        place.fetch("s3://clips")
    assert place.fetched == []
    assert list(place.root.rglob("outside*")) == []


def test_an_object_that_is_also_the_folder_of_another_is_refused_in_words(place: Place, bucket: Put) -> None:
    bucket("set/a.mp4", b"a film")
    bucket("set/a.mp4/b.mp4", b"a film in a folder")
    with pytest.raises(StageError, match=r"s3://clips/set: holds a\.mp4 as both a file and a folder"):
        place.fetch("s3://clips/set")
    assert place.fetched == []


# as a person uses it


def clip(path: Path, shade: int) -> None:
    path.parent.mkdir(exist_ok=True)
    write_video(path, np.full((17, 64, 64, 3), shade, np.uint8), 16)
    path.with_suffix(".txt").write_text(f"about {path.stem}")


def test_a_survey_of_a_folder_elsewhere_fetches_and_looks(tmp_path: Path) -> None:
    for number in range(2):
        clip(tmp_path / "far" / f"{number}.mp4", 40 * number)
    (tmp_path / "x.yaml").write_text(RECIPE.format(url=f"file://{tmp_path}/far"))
    done = recipe("survey", "x.yaml", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert [(row["file"], row["use"], row["captions"]) for row in said["clips"]] == [
        ("0.mp4", "kept", ["about 0"]),
        ("1.mp4", "kept", ["about 1"]),
    ]
    shutil.rmtree(tmp_path / "far")
    again = recipe("survey", "x.yaml", "--format", "json", cwd=tmp_path)
    assert (again.returncode, again.stdout) == (0, done.stdout), "it is looked at once and kept"
    other = recipe("survey", "x.yaml", "--set", "data.source.as_of=two", cwd=tmp_path)
    assert other.returncode != 0
    assert "is not there" in other.stderr


def test_a_survey_of_a_bucket_fetches_and_looks(bucket: Put, tmp_path: Path) -> None:
    clip(tmp_path / "clip.mp4", 90)
    for path in (tmp_path / "clip.mp4", tmp_path / "clip.txt"):
        bucket(f"my set/{path.name}", path.read_bytes())
    (tmp_path / "x.yaml").write_text(RECIPE.format(url="s3://clips/my set"))
    outcome, findings = pipeline.survey(
        tmp_path / "x.yaml", (), tmp_path / "store", tmp_path / "out", lambda _: None
    )
    assert (outcome.ran, findings) == (("fetch_data", "survey"), ())
    (said,) = (json.loads(file.read_text()) for file in outcome.files if file.name == "survey.json")
    assert [(row["file"], row["use"]) for row in said["clips"]] == [("clip.mp4", "kept")]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://host/clips", "is no address of storage that is known here"),
        ("s3://me@bucket/x", "holds a name or a password"),
    ],
)
def test_an_address_that_will_not_be_followed_is_refused_in_the_plan(
    tmp_path: Path, url: str, reason: str
) -> None:
    (tmp_path / "x.yaml").write_text(RECIPE.format(url=url))
    before = sorted(tmp_path.iterdir())
    for verb in ("plan", "run", "survey"):
        done = recipe(verb, "x.yaml", cwd=tmp_path)
        assert done.returncode == 1, verb
        assert "RCP4112" in done.stderr
        assert reason in done.stderr
        assert "x.yaml:4:" in done.stderr, "it is said at its place"
        assert sorted(tmp_path.iterdir()) == before, "before anything is made"


def test_the_address_of_another_dataset_is_refused_at_its_own_place(tmp_path: Path) -> None:
    clip(tmp_path / "clips" / "a.mp4", 90)
    (tmp_path / "x.yaml").write_text(
        RECIPE.replace('{{kind: remote, url: "{url}", as_of: one}}', "{{kind: folder, path: clips}}").format()
    )
    more = "data.more={far: {source: {kind: remote, url: 'ftp://host/clips', as_of: one}}}"
    with pytest.raises(RecipeError) as caught:
        pipeline.plan(tmp_path / "x.yaml", sets_of(more), tmp_path / "store")
    (found,) = caught.value.findings
    assert (found.code, found.path) == ("RCP4112", "data.more.far.source.url")


def test_what_was_looked_at_once_is_not_listed_again_whatever_stands_beside_it(
    place: Place, elsewhere: tuple[str, Put]
) -> None:
    url, put = elsewhere
    put("a.mp4", b"first")
    place.fetch(url)
    put("b.mp4", b"came later")
    assert place.fetch(url) == {"a.mp4": b"first"}, "the same `as_of` is the same clips"
    assert set(place.fetch(url, as_of="two")) == {"a.mp4", "b.mp4"}
