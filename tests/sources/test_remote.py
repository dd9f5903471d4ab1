"""Storage elsewhere, against real servers on this machine: what is listed is what is kept, and nothing twice."""

import sys
import time
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from urllib.parse import quote, unquote

import pytest
from fsspec import config, get_filesystem_class
from fsspec.spec import AbstractFileSystem

from engine.sources import remote
from engine.sources.remote import BadUrl, RemoteFile, Unreachable, checked, download, list_remote

ODD = ["a b.mp4", "line\nbreak.mp4", "鴨 é.webm", "sub/deep/c#1+%20.png", "what?.mp4"]


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    monkeypatch.setattr(remote, "PAUSES", (0.01, 0.01))


# ---- addresses


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/my clips//", "s3://bucket/my clips"),
        ("file:///home/me/clips", "file:///home/me/clips"),
        ("https://host:8080/clips@home/", "https://host:8080/clips@home"),
        ("hf://datasets/owner/name@main/videos", "hf://datasets/owner/name@main/videos"),
        (
            "abfs://container@account.dfs.core.windows.net/clips",
            "abfs://container@account.dfs.core.windows.net/clips",
        ),
        ("sftp://me@host/clips", "sftp://me@host/clips"),
    ],
)
def test_a_plain_address_is_followed(url: str, clean: str) -> None:
    assert checked(url) == clean


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("clips", "is no address"),
        ("/home/me/clips", "is no address"),
        ("ftp://host/clips", "is no address"),
        ("S3://bucket", "is no address"),
        ("memory://clips", "is no address"),
        ("reference://clips", "is no address"),
        ("simplecache::s3://bucket/clips", "is no address"),
        ("zip://a.mp4::s3://bucket/clips.zip", "is no address"),
        ("file://clips", "begins with three slashes"),
        ("s3://", "no host or bucket"),
        ("s3:///clips", "no host or bucket"),
        ("s3://bucket/../other", "`..`"),
        ("s3://bucket/a\nb", "line break"),
        ("https://me:SECRET@host/clips", "password"),
        ("https://SECRET@host/clips", "password"),
        ("s3://KEY:SEC/SECRET@bucket/clips", "password"),
        ("sftp://me:SECRET@host/clips", "password"),
        ("https://host/clips?token=SECRET", "`?`"),
        ("az://container/clips?sig=SECRET", "`?`"),
    ],
)
def test_any_other_address_is_refused_and_its_secret_is_not_repeated(url: str, reason: str) -> None:
    for ask in (checked, list_remote):
        with pytest.raises(BadUrl) as caught:
            ask(url)
        assert reason in caught.value.reason
        assert "SECRET" not in str(caught.value)


# ---- a folder of this machine, named as storage


def named(url: str) -> dict[str, RemoteFile]:
    return {file.name: file for file in list_remote(url)}


def fetched(file: RemoteFile, folder: Path) -> bytes:
    target = folder / "fetched"
    download(file, target, lambda _: None)
    return target.read_bytes()


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    for name in [
        *ODD,
        "b.txt",
        "sub/metadata.jsonl",
        "notes.md",
        "model.safetensors",
        "data.csv",
        ".hid.mp4",
        ".git/x.mp4",
    ]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(f"content of {name}".encode())
    return folder


def test_only_clips_and_words_about_them_are_listed(clips: Path) -> None:
    found = named(f"file://{clips}")
    assert list(found) == sorted([*ODD, "b.txt", "sub/metadata.jsonl"])
    assert all(file.size == len(f"content of {name}".encode()) for name, file in found.items())


def test_a_linked_clip_is_listed_as_what_it_links(clips: Path, tmp_path: Path) -> None:
    (clips / "linked.mp4").symlink_to(clips / "a b.mp4")
    assert fetched(named(f"file://{clips}")["linked.mp4"], tmp_path) == b"content of a b.mp4"


def test_every_file_is_fetched_whole_and_its_progress_told(clips: Path, tmp_path: Path) -> None:
    (clips / "long.mp4").write_bytes(bytes(range(256)) * 10_000)
    for name, file in named(f"file://{clips}").items():
        assert fetched(file, tmp_path) == (clips / name).read_bytes()
    heard: list[int] = []
    download(named(f"file://{clips}")["long.mp4"], tmp_path / "long", heard.append)
    assert heard == [1 << 20, 2 << 20, 2_560_000]


def test_one_file_can_be_named(clips: Path, tmp_path: Path) -> None:
    (file,) = list_remote(f"file://{clips}/a b.mp4")
    assert (file.name, fetched(file, tmp_path)) == ("a b.mp4", b"content of a b.mp4")


def test_a_folder_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="is not there") as caught:
        list_remote(f"file://{tmp_path}/gone")
    assert not caught.value.passing


def test_an_empty_folder_is_unreachable_and_one_without_clips_is_empty(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(Unreachable, match="there is nothing"):
        list_remote(f"file://{tmp_path}/empty")
    (tmp_path / "empty" / "notes.md").write_text("x")
    assert list_remote(f"file://{tmp_path}/empty") == []


def test_what_cannot_be_written_is_no_fault_of_the_storage(clips: Path, tmp_path: Path) -> None:
    file = named(f"file://{clips}")["a b.mp4"]
    with pytest.raises(FileNotFoundError):
        download(file, tmp_path / "nowhere" / "a.mp4", lambda _: None)


def test_who_hears_of_the_progress_can_end_it_and_nothing_is_left(clips: Path, tmp_path: Path) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(named(f"file://{clips}")["a b.mp4"], tmp_path / "fetched", stop)
    assert not (tmp_path / "fetched").exists()


def test_a_package_that_is_missing_is_named_with_the_line_that_installs_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(Unreachable, match="pip install gcsfs"):
        list_remote("gs://bucket/clips")


# ---- S3


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server: str, monkeypatch) -> Iterator[Callable[[str, bytes], None]]:
    """An empty bucket ``clips``; called with a name and a content, it holds them."""
    boto3 = pytest.importorskip("boto3")
    s3fs = pytest.importorskip("s3fs")
    secrets = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in (secrets | {"FSSPEC_S3_ENDPOINT_URL": s3_server}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(config.conf, "s3", {})
    config.set_conf_env(config.conf)  # fsspec reads the environment when it is first imported
    s3fs.S3FileSystem.clear_instance_cache()
    client = boto3.client("s3", endpoint_url=s3_server)
    client.create_bucket(Bucket="clips")
    yield lambda name, content: client.put_object(Bucket="clips", Key=name, Body=content)
    for held in client.list_objects_v2(Bucket="clips").get("Contents", []):
        client.delete_object(Bucket="clips", Key=held["Key"])
    client.delete_bucket(Bucket="clips")
    s3fs.S3FileSystem.clear_instance_cache()


def test_a_bucket_is_listed_and_fetched_whatever_the_names(bucket, tmp_path: Path) -> None:
    odd = [name for name in ODD if "\n" not in name]  # this server has no route for a line break
    for name in [*odd, "b.txt", "notes.md", ".hidden.mp4"]:
        bucket(f"disney/{name}", name.encode() * 1000)
    bucket("other/d.mp4", b"x")
    bucket("disney2/d.mp4", b"x")
    found = named("s3://clips/disney")
    assert list(found) == sorted([*odd, "b.txt"])
    assert {name: fetched(file, tmp_path) for name, file in found.items()} == {
        name: name.encode() * 1000 for name in found
    }
    assert len(named("s3://clips")) == len(found) + 2


def test_an_object_that_takes_many_requests_arrives_whole(bucket, tmp_path: Path) -> None:
    content = bytes(range(251)) * 80_000  # 20 MB in three ranges
    bucket("long.mp4", content)
    assert fetched(named("s3://clips")["long.mp4"], tmp_path) == content


def test_only_an_object_that_changed_gets_another_key(bucket) -> None:
    bucket("a.mp4", b"one")
    bucket("b.mp4", b"same")
    before = named("s3://clips")
    bucket("a.mp4", b"two")
    after = named("s3://clips")
    assert before["b.mp4"] == after["b.mp4"]
    assert before["a.mp4"].size == after["a.mp4"].size
    keys = [before["a.mp4"].key, after["a.mp4"].key, after["b.mp4"].key]
    assert len(set(keys)) == 3
    assert all(len(key) == 64 for key in keys)


def test_an_object_that_changes_between_list_and_fetch_is_not_kept(bucket, tmp_path: Path) -> None:
    bucket("a.mp4", b"one")
    bucket("b.mp4", b"longer")
    found = named("s3://clips")
    bucket("a.mp4", b"two")
    bucket("b.mp4", b"shorter, or not")
    for name in ("a.mp4", "b.mp4"):
        with pytest.raises(Unreachable, match="was changed after it was listed"):
            fetched(found[name], tmp_path)
        assert not (tmp_path / "fetched").exists()


def test_an_object_that_went_away_is_said_with_its_name(bucket, tmp_path: Path, s3_server: str) -> None:
    bucket("a.mp4", b"one")
    file = named("s3://clips")["a.mp4"]
    sys.modules["boto3"].client("s3", endpoint_url=s3_server).delete_object(Bucket="clips", Key="a.mp4")
    with pytest.raises(Unreachable, match=r"^s3://clips/a\.mp4: is not there$"):
        fetched(file, tmp_path)


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_not_there_is_said_at_once() -> None:
    with pytest.raises(Unreachable, match=r"^s3://no-such-bucket/clips: is not there$") as caught:
        list_remote("s3://no-such-bucket/clips")
    assert not caught.value.passing


@pytest.mark.parametrize("name", ["../x.mp4", "sub/../../x.mp4", "sub//x.mp4", "..\\x.mp4", "./x.txt"])
def test_a_name_that_leads_out_of_the_folder_is_refused(bucket, name: str) -> None:
    bucket("hostile/a.mp4", b"x")
    bucket(f"hostile/{name}", b"x")
    with pytest.raises(Unreachable, match="leads out of the folder"):
        list_remote("s3://clips/hostile")


# ---- the web


class Web(BaseHTTPRequestHandler):
    """A folder with an index; ``wrong`` says how it misbehaves, request by request."""

    clips: dict[str, bytes] = {}  # noqa: RUF012 - set anew for each test
    wrong: list[str] = []  # noqa: RUF012
    asked: list[str] = []  # noqa: RUF012
    tagged = True

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        self.asked.append(f"{self.command} {self.path}")
        if self.asked.count("GET /clips") == 2:
            self.wrong.clear()  # it comes back when it is asked a second time for its index
        body = self.clips.get(unquote(self.path).removeprefix("/clips/"))
        how = self.wrong.pop(0) if self.wrong and self.path != "/clips" else ""
        if how == "drop":
            self.close_connection = True
            return
        if how.isdecimal() or (body is None and self.path not in ("/clips", "/clips/")):
            self.send_error(int(how or 404))
            return
        kind = "video/mp4"
        if body is None:
            kind = "text/html"
            body = "".join(f'<a href="{quote(name)}">x</a>' for name in self.clips).encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if how != "no length":
            self.send_header("Content-Length", str(len(body)))
        if self.tagged:
            self.send_header("ETag", f'W/"{hash(body)}"')
        self.end_headers()
        if how == "silent":
            time.sleep(1)
        if with_body:
            self.wfile.write(body[: len(body) // 2] if how == "cut" else body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Quiet(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Who asked has hung up, as some tests want it."""


@pytest.fixture
def web() -> Iterator[str]:
    pytest.importorskip("aiohttp")
    Web.clips, Web.wrong, Web.asked, Web.tagged = (
        {"a b.mp4": b"x" * 3_000_000, "c#1.txt": b"words"},
        [],
        [],
        True,
    )
    server = Quiet(("127.0.0.1", 0), Web)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/clips"
    server.shutdown()
    server.server_close()


def test_the_index_of_a_web_server_is_listed_and_fetched(web: str, tmp_path: Path) -> None:
    clips = Web.clips | {name: name.encode() for name in ODD}
    Web.clips = clips | {"../x.gif": b"", "?C=M;O=A": b""}
    assert {name: fetched(file, tmp_path) for name, file in named(web).items()} == clips


def test_a_link_that_leads_out_of_the_folder_is_refused(web: str) -> None:
    Web.clips |= {"../x.mp4": b""}
    with pytest.raises(Unreachable, match=r"holds \.\./x\.mp4, a name that leads out of the folder"):
        list_remote(web)


def test_a_server_that_fails_twice_is_asked_a_third_time(web: str, tmp_path: Path) -> None:
    file = named(web)["a b.mp4"]
    Web.wrong[:] = ["503", "cut"]
    assert fetched(file, tmp_path) == b"x" * 3_000_000
    assert sum(line.startswith("GET /clips/a") for line in Web.asked) == 3


def test_a_server_that_breaks_off_while_it_is_listed_is_asked_again(web: str) -> None:
    Web.wrong[:] = ["drop"] * 20  # after which the library says that nothing is there
    assert list(named(web)) == ["a b.mp4", "c#1.txt"]
    assert Web.asked.count("GET /clips") == 2


def test_a_server_that_fails_a_third_time_is_given_up(web: str, tmp_path: Path) -> None:
    file = named(web)["a b.mp4"]
    Web.asked.clear()
    Web.wrong[:] = ["cut"] * 3
    with pytest.raises(Unreachable, match=r"a b\.mp4: cannot be read: ") as caught:
        fetched(file, tmp_path)
    assert caught.value.passing
    assert sum(line.startswith("GET") for line in Web.asked) == 3
    assert not (tmp_path / "fetched").exists()


def test_a_server_that_falls_silent_is_given_up(web: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(remote, "_SILENCE", 0.2)
    get_filesystem_class("http").clear_instance_cache()
    file = named(web)["a b.mp4"]
    Web.wrong[:] = ["silent"] * 3
    with pytest.raises(Unreachable, match="cannot be read") as caught:
        fetched(file, tmp_path)
    get_filesystem_class("http").clear_instance_cache()
    assert (caught.value.passing, Web.wrong) == (True, [])


@pytest.mark.parametrize(
    ("answer", "reason"), [("403", "access is refused"), ("404", "is not there"), ("410", "410")]
)
def test_what_will_not_pass_is_not_asked_again(web: str, tmp_path: Path, answer: str, reason: str) -> None:
    file = named(web)["a b.mp4"]
    Web.asked.clear()
    Web.wrong[:] = [answer]
    with pytest.raises(Unreachable, match=reason) as caught:
        fetched(file, tmp_path)
    assert not caught.value.passing
    assert len(Web.asked) == 1


def test_a_file_of_another_length_than_was_listed_is_not_kept(web: str, tmp_path: Path) -> None:
    Web.tagged = False  # nothing else would show the change
    found = named(web)["a b.mp4"]
    for content in (b"x" * 3_000_001, b"x" * 2_999_999):
        Web.clips["a b.mp4"] = content
        with pytest.raises(Unreachable, match="was changed after it was listed"):
            fetched(found, tmp_path)


def test_a_server_that_says_one_length_and_sends_another_is_not_believed(
    web: str, tmp_path: Path, monkeypatch
) -> None:
    file = named(web)["a b.mp4"]
    monkeypatch.setattr(remote, "_open", lambda _: (tmp_path / "short").open("rb"))
    (tmp_path / "short").write_bytes(b"x" * 7)
    with pytest.raises(Unreachable, match="7 bytes arrived, 3,000,000 were announced"):
        fetched(file, tmp_path)
    (tmp_path / "short").write_bytes(b"x" * 9_000_000)
    with pytest.raises(Unreachable, match="3,145,728 bytes arrived, 3,000,000 were announced"):
        fetched(file, tmp_path)


def test_a_server_that_says_no_length_is_refused(web: str) -> None:
    Web.wrong[:] = ["no length"] * 4
    with pytest.raises(Unreachable, match="does not say how long it is"):
        list_remote(web)


def test_a_server_that_is_not_there_is_unreachable_in_words(web: str) -> None:
    gone = web.replace(web.rpartition(":")[2], "1/clips")
    with pytest.raises(Unreachable, match="cannot be read") as caught:
        list_remote(gone)
    assert caught.value.passing
    assert "\n" not in str(caught.value)


# ---- storage that cannot be had here


class Forgetful(AbstractFileSystem):
    """Answers with what it remembers until it is told to look again, as the Hub's library does."""

    def __init__(self) -> None:
        super().__init__(skip_instance_cache=True)
        self.held = {"bucket/a.mp4": b"one"}
        self.remembered: dict[str, dict[str, object]] = {}

    def invalidate_cache(self, path: str | None = None) -> None:
        self.remembered = {}

    def find(self, path: str, **_: object) -> dict[str, dict[str, object]]:
        if not self.remembered:
            self.remembered = {name: {"size": len(content), "etag": content.decode(), "type": "file"}
                               for name, content in self.held.items()}  # fmt: skip
        return self.remembered

    def info(self, path: str, **_: object) -> dict[str, object]:
        return self.find("")[path]

    def open(self, path: str, mode: str, **_: object) -> BytesIO:
        return BytesIO(self.held[path])


@pytest.fixture
def forgetful(monkeypatch) -> Forgetful:
    storage = Forgetful()
    monkeypatch.setattr(remote, "_storage", lambda _: (storage, "bucket"))
    return storage


def test_what_a_library_remembers_is_not_believed(forgetful: Forgetful, tmp_path: Path) -> None:
    (before,) = list_remote("gs://bucket")
    forgetful.held["bucket/a.mp4"] = b"two"
    with pytest.raises(Unreachable, match="was changed after it was listed"):
        fetched(before, tmp_path)
    forgetful.find("")
    forgetful.held["bucket/a.mp4"] = b"six"
    (after,) = list_remote("gs://bucket")
    assert (after.version, fetched(after, tmp_path)) == ("etag six", b"six")


@pytest.mark.parametrize("name", ["a\0.mp4", "/etc/x.mp4", "../.hidden.mp4", "../metadata.csv"])
def test_a_name_that_no_server_here_would_give_is_refused(forgetful: Forgetful, name: str) -> None:
    forgetful.held[f"bucket/{name}"] = b"x"
    with pytest.raises(Unreachable, match="leads out of the folder"):
        list_remote("gs://bucket")


# ---- what storages say of versions, and what their libraries say of failures


def test_a_version_is_the_same_from_a_list_and_for_the_file_alone() -> None:
    listed, alone = {"etag": "0x8D", "size": 1}, {"ETag": '"0x8D"', "last-modified": "now"}
    assert remote._version(listed) == remote._version(alone) == "etag 0x8D"
    assert remote._version({"size": 1}) == ""


def test_signed_addresses_in_the_words_of_a_library_are_not_repeated(monkeypatch) -> None:
    class Failing(AbstractFileSystem):
        def find(self, path, **_):
            raise RuntimeError("GET https://me:SECRET@cdn/a.mp4?Signature=SECRET&b=1 failed\nsecond line")

    monkeypatch.setattr(remote, "_storage", lambda _: (Failing(), "bucket"))
    with pytest.raises(Unreachable) as caught:
        list_remote("s3://bucket")
    assert str(caught.value) == "s3://bucket: cannot be read: GET https://…@cdn/a.mp4?… failed"
    shown = "".join(traceback.format_exception(caught.value))
    assert "SECRET" not in shown, "nor in a traceback"


def test_pauses_grow_and_are_slept(monkeypatch) -> None:
    monkeypatch.undo()
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    with pytest.raises(Unreachable):
        remote._patiently(lambda: (_ for _ in ()).throw(Unreachable("s3://bucket", "is busy", passing=True)))
    assert slept == sorted(slept)
    assert len(slept) == 2
