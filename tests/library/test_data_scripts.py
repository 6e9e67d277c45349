"""The data scripts: fetching, resuming, verifying, safe extraction, and leaving no half results."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from tests.library import tiny_datasets as tiny

SCRIPTS = tiny.REPOSITORY / "data_scripts"
SHARED = {"fetch", "idx_files"}
NAMES = sorted(path.stem for path in SCRIPTS.glob("*.py") if path.stem not in SHARED)


@pytest.fixture(autouse=True)
def _scripts_on_path(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def fetch(monkeypatch):
    import fetch

    monkeypatch.setattr(fetch, "WAIT", 0.001)
    return fetch


def script(name: str):
    """A data script as a module (under a name of its own: some are named like packages)."""
    spec = importlib.util.spec_from_file_location(f"script_{name}", SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tree(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


# --- what every script says ----------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_script_names_its_source_and_terms(name):
    dataset = script(name).DATASET
    assert dataset.name == name
    assert dataset.terms
    assert dataset.page
    assert dataset.places
    assert set(dataset.optional) <= set(dataset.places)
    for remote in dataset.files:
        assert re.match(r"https?://[\w.-]+\.[a-z]+/", remote.url)
        if remote.known_hash is None:
            assert "no checksum is published" in dataset.note
        else:
            assert re.fullmatch(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", remote.known_hash)


def test_every_dataset_of_the_issue_has_a_script():
    wanted = "voc2012 voc2007 coco2014 nuswide cub openimages mnist fashion_mnist kmnist cifar10"
    assert {*wanted.split(), "pll", "crowd", "lowlight", "mulan"} <= set(NAMES)


# --- extraction ----------------------------------------------------------------------------------


def tar(path: Path, *members: tuple[str, object]) -> Path:
    """A gzipped tar; a member is (name, bytes), (name, ("sym" or "hard", target)) or fifo."""
    with tarfile.open(path, "w:gz") as file:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                file.addfile(info, io.BytesIO(content))
                continue
            kind, info.linkname = content
            info.type = {"sym": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "fifo": tarfile.FIFOTYPE}[
                kind
            ]
            file.addfile(info)
    return path


def make_zip(path: Path, *members: tuple[str, bytes], link: bool = False) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if link:
                info.external_attr = 0o120777 << 16
            file.writestr(info, content)
    return path


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("/etc/evil", b"x")], "/etc/evil is an absolute path"),
        ([("C:\\evil", b"x")], "is an absolute path"),
        ([("ok", b"1"), ("a/../../evil", b"x")], "a/../../evil leads out of the folder"),
        ([("a\\..\\..\\evil", b"x")], "leads out of the folder"),
        ([("link", ("sym", "../../evil"))], "link is a link to ../../evil, out of the folder"),
        ([("link", ("sym", "/etc/passwd"))], "link is a link to /etc/passwd, out of the folder"),
        ([("a/link", ("hard", "../evil"))], "a/link is a link to ../evil, out of the folder"),
        ([("pipe", ("fifo", ""))], "pipe is a device"),
        ([("zeros", bytes(70 << 20))], "it unpacks to more than 67,108,864 bytes"),
    ],
)
def test_unsafe_tar_is_refused(fetch, tmp_path, members, message):
    archive = tar(tmp_path / "bad.tar.gz", *members)
    inside = tmp_path / "box" / "target"
    with pytest.raises(fetch.FetchError, match=re.escape(message)) as caught:
        fetch.extract(archive, inside)
    assert "bad.tar.gz" in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.tar.gz", "box"]
    assert [p.name for p in (tmp_path / "box").iterdir()] == ["target"]
    assert not any(path.is_symlink() for path in inside.rglob("*"))


def test_unsafe_zip_is_refused(fetch, tmp_path):
    for members, message in (
        ([("/evil", b"x")], "absolute path"),
        ([("../evil", b"x")], "leads out"),
        ([("zeros", bytes(70 << 20))], "unpacks to more than"),
    ):
        with pytest.raises(fetch.FetchError, match=message):
            fetch.extract(make_zip(tmp_path / "bad.zip", *members), tmp_path / "target")
    with pytest.raises(fetch.FetchError, match="is a link"):
        fetch.extract(make_zip(tmp_path / "l.zip", ("l", b"/etc"), link=True), tmp_path / "target")
    assert not list((tmp_path / "target").iterdir())


def test_ordinary_archives_are_unpacked(fetch, tmp_path):
    members = [("d/a.txt", b"1"), ("d/b.txt", b"2")]
    fetch.extract(
        tar(tmp_path / "good.tgz", *members, ("d/link", ("sym", "a.txt"))), tmp_path / "tar"
    )
    fetch.extract(make_zip(tmp_path / "good.zip", *members), tmp_path / "zip")
    assert tree(tmp_path / "zip") == {"d/a.txt": b"1", "d/b.txt": b"2"}
    assert (tmp_path / "tar" / "d" / "link").read_bytes() == b"1"


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_cut_archives_are_named(fetch, tmp_path, kind):
    noise = np.random.default_rng(0).bytes(50_000)
    make = tar if kind == "tar" else make_zip
    archive = make(tmp_path / f"cut.{kind}", ("a", noise), ("b", noise))
    archive.write_bytes(archive.read_bytes()[:60_000])
    with pytest.raises(fetch.FetchError, match=rf"cut.{kind}: "):
        fetch.extract(archive, tmp_path / "target")
    (tmp_path / "text.tar").write_text("<html>not found</html>")
    with pytest.raises(fetch.FetchError, match=r"text.tar: neither a tar nor a zip archive"):
        fetch.extract(tmp_path / "text.tar", tmp_path / "target")


# --- downloads -----------------------------------------------------------------------------------


class Server:
    """A web server on this machine whose answers can be cut, slow or wrong."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.ranges: list[str | None] = []
        self.cuts: list[int] = []  # after how many bytes each of the next answers breaks off
        self.supports_ranges = True
        self.tag = '"v1"'
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range")
        self.ranges.append(asked)
        content = self.files.get(request.path)
        if content is None:
            request.send_error(404)
            return
        start = 0
        if asked and self.supports_ranges and request.headers.get("If-Range") == self.tag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(content) - start))
        request.send_header("ETag", self.tag)
        request.end_headers()
        stop = self.cuts.pop(0) if self.cuts else len(content)
        request.wfile.write(content[start : start + stop])


@pytest.fixture
def server():
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


CONTENT = np.random.default_rng(1).bytes(300_000)
HASH = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


def test_a_cut_download_is_resumed(fetch, server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "CHUNK", 10_000)
    server.files["/big.bin"] = CONTENT
    server.cuts = [100_000, 50_000]
    remote = fetch.Remote(None, "big.bin", ".", HASH)
    path = fetch.download(f"{server.address}/big.bin", remote, tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-", "bytes=150000-"]
    assert [p.name for p in tmp_path.iterdir()] == ["big.bin"], "no partial file is left"
    fetch.download(f"{server.address}/big.bin", remote, tmp_path)
    assert len(server.ranges) == 3, "a verified file is not asked for again"


def test_a_server_that_cannot_resume_starts_again(fetch, server, tmp_path):
    server.files["/big.bin"] = CONTENT
    server.supports_ranges = False
    server.cuts = [100_000] * fetch.RETRIES
    remote = fetch.Remote(None, "big.bin", ".", HASH)
    with pytest.raises(fetch.FetchError, match="no complete answer after 5 attempts"):
        fetch.download(f"{server.address}/big.bin", remote, tmp_path)
    path = fetch.download(f"{server.address}/big.bin", remote, tmp_path)
    assert path.read_bytes() == CONTENT


def test_two_versions_of_a_file_are_not_mixed(fetch, server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "CHUNK", 10_000)
    server.files["/big.bin"] = bytes(300_000)
    server.cuts = [100_000]
    answer = server.answer

    def newer_from_the_second_request(request):
        if server.ranges:
            server.tag, server.files["/big.bin"] = '"v2"', CONTENT
        answer(request)

    server.answer = newer_from_the_second_request
    remote = fetch.Remote(None, "big.bin", ".", None)
    path = fetch.download(f"{server.address}/big.bin", remote, tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-"]


def test_download_errors_are_sentences(fetch, server, tmp_path):
    server.files["/big.bin"] = b"something else"
    remote = fetch.Remote(None, "big.bin", ".", HASH)
    with pytest.raises(fetch.FetchError, match=f"its checksum is not {HASH}"):
        fetch.download(f"{server.address}/big.bin", remote, tmp_path)
    with pytest.raises(fetch.FetchError, match="404"):
        fetch.download(f"{server.address}/other.bin", remote, tmp_path)
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(fetch.FetchError, match="no complete answer after 5 attempts"):
        fetch.download(f"{server.address}/big.bin", remote, tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".etag"]


def test_an_interrupted_download_goes_on_next_time(fetch, server, tmp_path, monkeypatch):
    server.files["/big.bin"] = CONTENT
    remote = fetch.Remote(None, "big.bin", ".", HASH)
    monkeypatch.setattr(fetch, "CHUNK", 10_000)
    update = fetch.tqdm.update

    def interrupt(bar, amount=1):
        update(bar, amount)
        if bar.n >= 100_000:
            raise KeyboardInterrupt

    monkeypatch.setattr(fetch.tqdm, "update", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch.download(f"{server.address}/big.bin", remote, tmp_path)
    monkeypatch.setattr(fetch.tqdm, "update", update)
    assert not (tmp_path / "big.bin").exists()
    assert fetch.download(f"{server.address}/big.bin", remote, tmp_path).read_bytes() == CONTENT
    assert server.ranges[0] is None
    assert int(server.ranges[1].removeprefix("bytes=").rstrip("-")) >= 100_000


# --- bringing a dataset --------------------------------------------------------------------------


@pytest.fixture
def toy(fetch, tmp_path):
    """A dataset of text files, one of which must say "good"."""

    def check(root: Path) -> dict[str, int]:
        path = root / "toy" / "one.txt"
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there")
        if path.read_text() != "good":
            raise ValueError(f"{path}: it says {path.read_text()!r}, expected 'good'")
        return {"files": len(list((root / "toy").iterdir()))}

    archive = tar(tmp_path / "toy.tar.gz", ("toy/one.txt", b"good"), ("toy/two.txt", b"2"))
    digest = "md5:" + hashlib.md5(archive.read_bytes()).hexdigest()
    return fetch.Dataset(
        name="toy", title="Toy", terms="free", page="a page", places=("toy",), check=check,
        files=(fetch.Remote("http://127.0.0.1:9/toy.tar.gz", "toy.tar.gz", ".", digest, 1000),),
        complete={"files": 2}, note="",
    )  # fmt: skip


def run(fetch, dataset, root: Path, *arguments: object) -> int:
    return fetch.main(dataset, ["--root", str(root), *map(str, arguments)])


def error(capsys) -> str:
    """The one line that was printed as an error (progress bars stand on lines of their own)."""
    text = capsys.readouterr().err
    lines = [line for line in re.split(r"[\r\n]", text) if line.startswith("error: ")]
    assert len(lines) == 1, text
    assert "Traceback" not in text
    return lines[0]


def test_from_an_address(fetch, toy, server, tmp_path, capsys):
    server.files["/sub/toy.tar.gz"] = (tmp_path / "toy.tar.gz").read_bytes()
    root = tmp_path / "data"
    assert run(fetch, toy, root, "--mirror", f"{server.address}/sub/") == 0
    assert "terms: free" in capsys.readouterr().out
    assert sorted(p.name for p in root.iterdir()) == [".fetched", "toy"]
    assert (root / "toy" / "one.txt").read_text() == "good"


def test_from_a_folder_with_the_archive_and_again(fetch, toy, tmp_path, capsys):
    root = tmp_path / "data"
    assert run(fetch, toy, root, "--mirror", tmp_path) == 0
    assert "counts: 2 files" in capsys.readouterr().out
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert run(fetch, toy, root) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    (root / "toy" / "two.txt").unlink()
    assert run(fetch, toy, root, "--mirror", tmp_path) == 0, "a lost file is brought again"
    assert (root / "toy" / "two.txt").exists()


@pytest.mark.parametrize("layout", ["toy", "in/toy", "SELF"])
def test_from_a_folder_with_the_files(fetch, toy, tmp_path, layout):
    mirror = tmp_path / "mirror"
    at = mirror / ("toy" if layout == "SELF" else layout)
    tiny.write(at / "one.txt", "good")
    tiny.write(at / "two.txt", "2")
    assert run(fetch, toy, tmp_path / "data", "--mirror", at if layout == "SELF" else mirror) == 0
    assert set(tree(tmp_path / "data" / "toy")) == {"one.txt", "two.txt"}


def test_a_subset_is_accepted_with_a_note(fetch, toy, tmp_path, capsys):
    tiny.write(tmp_path / "mirror" / "toy" / "one.txt", "good")
    for _ in range(2):
        assert run(fetch, toy, tmp_path / "data", "--mirror", tmp_path / "mirror") == 0
        assert "SUBSET: 1 of 2 files are missing" in capsys.readouterr().out


def test_files_put_there_by_hand_are_adopted_or_left_alone(fetch, toy, tmp_path, capsys):
    one = tiny.write(tmp_path / "data" / "toy" / "one.txt", "good")
    assert run(fetch, toy, tmp_path / "data") == 0
    assert "verified" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "data" / ".fetched")
    one.write_text("precious")
    assert run(fetch, toy, tmp_path / "data", "--mirror", tmp_path) == 1
    assert "was not put there by this script" in error(capsys)
    assert one.read_text() == "precious"
    assert run(fetch, toy, tmp_path / "data", "--mirror", tmp_path, "--again") == 0
    assert one.read_text() == "good"


def break_archive(mirror: Path) -> None:
    archive = mirror / "toy.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-10])


def break_content(mirror: Path) -> None:
    (mirror / "toy.tar.gz").unlink()
    tiny.write(mirror / "toy" / "one.txt", "bad")


def break_sum(mirror: Path) -> None:
    (mirror / "toy.tar.gz").unlink()
    tiny.write(mirror / "toy" / "one.txt", "good")
    tiny.write(mirror / "SHA256SUMS", f"{'0' * 64}  ./toy/one.txt\n")


def empty(mirror: Path) -> None:
    (mirror / "toy.tar.gz").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_archive, r"toy.tar.gz: md5 \w+, expected \w+; the file is damaged"),
        (break_content, r"one.txt: it says 'bad', expected 'good'"),
        (break_sum, r"one.txt: sha256 \w+, expected 0+; the file is damaged"),
        (empty, r"mirror holds neither toy.tar.gz nor toy"),
    ],
)
def test_damage_is_one_sentence_and_leaves_the_previous_state(
    fetch, toy, tmp_path, capsys, damage, message
):
    mirror, root = tmp_path / "mirror", tmp_path / "data"
    mirror.mkdir()
    shutil.copy(tmp_path / "toy.tar.gz", mirror)
    assert run(fetch, toy, root, "--mirror", mirror) == 0
    before = tree(root)
    damage(mirror)
    capsys.readouterr()
    assert run(fetch, toy, root, "--mirror", mirror, "--again") == 1
    assert re.search(message, error(capsys))
    assert tree(root) == before
    assert not (root / ".fetching").exists()


@pytest.mark.parametrize("when", ["before", "while copying", "while unpacking"])
def test_a_full_disk_leaves_the_previous_state(fetch, toy, tmp_path, capsys, monkeypatch, when):
    root, mirror = tmp_path / "data", tmp_path / "mirror"
    assert run(fetch, toy, root, "--mirror", tmp_path) == 0
    before = tree(root)
    for name, text in (("one.txt", "good"), ("two.txt", "2")):
        tiny.write(mirror / "toy" / name, text)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if when == "before":
        usage = shutil.disk_usage(tmp_path)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=3))
    elif when == "while copying":
        monkeypatch.setattr(shutil, "copyfile", full)
    else:
        monkeypatch.setattr(tarfile.TarFile, "extract", full)
        mirror = tmp_path
    capsys.readouterr()
    assert run(fetch, toy, root, "--mirror", mirror, "--again") == 1
    text = error(capsys)
    assert "Toy needs 5 bytes, 3 are free" in text if when == "before" else "no space left" in text
    assert tree(root) == before
    assert not (root / ".fetching").exists()


@pytest.mark.parametrize("where", ["extract", "_put", "check"])
def test_an_interruption_leaves_the_previous_state(fetch, toy, tmp_path, monkeypatch, where):
    root = tmp_path / "data"
    assert run(fetch, toy, root, "--mirror", tmp_path) == 0
    before = tree(root)

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    if where == "check":
        object.__setattr__(toy, "check", interrupt)
    elif where == "_put":
        rename, calls = Path.rename, []

        def second_fails(path, target):
            calls.append(path)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", second_fails)
    else:
        monkeypatch.setattr(fetch, where, interrupt)
    assert run(fetch, toy, root, "--mirror", tmp_path, "--again") == 130
    assert tree(root) == before
    assert not (root / ".fetching").exists()


def test_a_set_without_an_address_says_where_to_ask(fetch, tmp_path, capsys):
    assert run(fetch, script("nuswide").DATASET, tmp_path / "data") == 1
    assert "run this again with --mirror" in error(capsys)
    assert run(fetch, script("nuswide").DATASET, tmp_path / "data", "--mirror", "nowhere") == 1
    assert "nowhere: no such folder" in error(capsys)


# --- real layouts --------------------------------------------------------------------------------


def test_voc_from_a_tiny_devkit(fetch, tmp_path, capsys):
    dataset = script("voc2012").DATASET
    kit = tiny.voc2012(tmp_path / "mirror")
    assert run(fetch, dataset, tmp_path / "data", "--mirror", tmp_path / "mirror") == 0
    assert "SUBSET: 5,707 of 5,717 train images" in capsys.readouterr().out
    before = tree(tmp_path / "data")
    path = kit / "Annotations" / "2008_000003.xml"
    path.write_text(path.read_text().replace("boat", "submarine"))
    assert run(fetch, dataset, tmp_path / "data", "--mirror", tmp_path / "mirror", "--again") == 1
    assert "2008_000003.xml: unknown class 'submarine'" in error(capsys)
    assert tree(tmp_path / "data") == before
    (kit / "JPEGImages" / "2008_000005.jpg").unlink()
    path.write_text(path.read_text().replace("submarine", "boat"))
    assert run(fetch, dataset, tmp_path / "data", "--mirror", tmp_path / "mirror", "--again") == 1
    assert "2008_000005.jpg is listed in train.txt but not there" in error(capsys)


def test_voc2007_joins_its_two_archives(fetch, tmp_path):
    images = {"000001": [("dog", 0, (1, 1, 9, 9))]}
    for part, name in (("trainval", "VOCtrainval_06-Nov-2007"), ("test", "VOCtest_06-Nov-2007")):
        tiny.voc_devkit(tmp_path / part, 2007, {part: images})
        with tarfile.open(tmp_path / f"{name}.tar", "w") as file:
            file.add(tmp_path / part / "VOCdevkit", "VOCdevkit")
    dataset = script("voc2007").DATASET
    remotes = tuple(
        fetch.Remote(r.url, r.name, r.into, None, r.size, r.unpack) for r in dataset.files
    )
    object.__setattr__(dataset, "files", remotes)
    tiny.voc2012(tmp_path / "data")
    assert run(fetch, dataset, tmp_path / "data", "--mirror", tmp_path) == 0
    main = tmp_path / "data" / "VOCdevkit" / "VOC2007" / "ImageSets" / "Main"
    assert (main / "trainval.txt").exists()
    assert (main / "test.txt").exists()
    assert (tmp_path / "data" / "VOCdevkit" / "VOC2012").exists(), "its neighbour stays"


def test_coco_from_its_zip_archives(fetch, tmp_path, capsys):
    base = tiny.coco(tmp_path / "official")
    for name, part in (("annotations_trainval2014", "annotations"), ("train2014", "train2014"),
                       ("val2014", "val2014")):  # fmt: skip
        files = [(f"{part}/{p.name}", p.read_bytes()) for p in (base / part).iterdir()]
        make_zip(tmp_path / f"{name}.zip", *files)
    dataset = script("coco2014").DATASET
    assert run(fetch, dataset, tmp_path / "data", "--mirror", tmp_path) == 0
    assert "counts: 4 train2014 images" in capsys.readouterr().out
    assert tree(tmp_path / "data" / "coco") == tree(base)


def test_a_damaged_idx_file_with_a_published_checksum(fetch, tmp_path, capsys):
    tiny.mnist_like(tmp_path / "mirror", "FashionMNIST")
    dataset = script("fashion_mnist").DATASET
    assert run(fetch, dataset, tmp_path / "data", "--mirror", tmp_path / "mirror") == 1
    assert re.search(r"ubyte.gz: md5 \w+, expected \w+", error(capsys))
    assert not (tmp_path / "data" / "FashionMNIST").exists()


@pytest.mark.parametrize(
    ("name", "mirror", "counts", "subset"),
    [
        ("fashion_mnist", "fashion-mnist", "60,000 training images", None),
        ("kmnist", "kmnist-test", "10,000 test images", "60,000 of 60,000 training images"),
        ("cifar10", "cifar10-subset", "15,000 training images", "35,000 of 50,000 training images"),
        ("pll", "pll-realworld", "4,998 birdsong examples", "17,472 of 17,472 soccer_player"),
        ("crowd", "crowd", "511,000 CIFAR-10H answers", "50,000 of 50,000 CIFAR-100N images"),
        ("lowlight", "lowlight", "9 LIME photographs", "485 of 485 LOL training pairs"),
        ("mulan", "mulan", "5,000 corel5k examples", None),
        ("voc2012_features", "voc2012-subset-features", "1,697 train images", "4,020 of 5,717"),
    ],
)
def test_real_files(fetch, tmp_path, capsys, name, mirror, counts, subset):
    dataset = script(name).DATASET
    assert run(fetch, dataset, tmp_path / "data", "--mirror", tiny.shared(mirror)) == 0
    text = capsys.readouterr().out
    assert counts in text
    assert (subset is None) == ("SUBSET" not in text)
    assert subset is None or subset in text
    started = time.perf_counter()
    assert run(fetch, dataset, tmp_path / "data") == 0
    assert time.perf_counter() - started < 1
    assert "nothing to do" in capsys.readouterr().out


def test_as_a_command(tmp_path):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    command = [sys.executable, str(SCRIPTS / "mnist.py"), "--root", str(tmp_path / "data"),
               "--mirror", str(mirror)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {mirror} holds neither train-images-idx3-ubyte.gz")
    assert done.stderr.count("\n") == 1
