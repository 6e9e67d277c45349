"""Downloads that are cut, archives that are unsafe."""

from __future__ import annotations

import hashlib
import re
import shutil

import numpy as np
import pytest

from tests.library.fetching import FILTERS, make_zip, tar, tree

pytestmark = FILTERS


@pytest.fixture
def download(fetch):
    import download

    return download


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("ok", b"1"), ("a/../../evil", b"x")], "a/../../evil' would be extracted to"),
        ([("link", ("sym", "../../evil"))], "link' would link to"),
        ([("link", ("sym", "/etc/passwd"))], "link' is a link to an absolute path"),
        ([("a/link", ("hard", "../evil"))], "a/link' would link to"),
        ([("pipe", ("fifo", ""))], "pipe' is a special file"),
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


def test_nothing_lands_outside(fetch, tmp_path):
    for names, make in (
        (("/etc/evil", "a\\..\\..\\evil", "C:\\evil"), tar),
        (("/etc/evil", "../evil", "a/../../evil", "C:\\evil"), make_zip),
    ):
        archive = make(tmp_path / f"strange.{make.__name__}", *((name, b"x") for name in names))
        inside = tmp_path / make.__name__
        fetch.extract(archive, inside)
        assert len(tree(tmp_path)) == len(tree(inside)) + 1
        shutil.rmtree(inside)
        archive.unlink()


def test_a_zip_that_unpacks_to_too_much_is_refused_and_a_link_is_a_file(fetch, tmp_path):
    with pytest.raises(fetch.FetchError, match="unpacks to more than"):
        fetch.extract(make_zip(tmp_path / "b.zip", ("zeros", bytes(70 << 20))), tmp_path / "b")
    assert not list((tmp_path / "b").iterdir())
    fetch.extract(make_zip(tmp_path / "l.zip", ("l", b"/etc"), link=True), tmp_path / "l")
    assert not (tmp_path / "l" / "l").is_symlink()


def test_a_python_without_filters_unpacks_nothing(fetch, tmp_path, monkeypatch):
    monkeypatch.delattr("tarfile.data_filter")
    monkeypatch.delattr("tarfile.FilterError")
    for make in (tar, make_zip):
        with pytest.raises(fetch.FetchError, match=r"use Python 3\.11\.4 or newer"):
            fetch.extract(make(tmp_path / "good", ("a.txt", b"1")), tmp_path / "target")
        assert not (tmp_path / "target").exists()


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


CONTENT = np.random.default_rng(1).bytes(300_000)
HASH = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


def test_a_cut_download_is_resumed(download, server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "CHUNK", 10_000)
    server.files["/big.bin"] = CONTENT
    server.cuts = [100_000, 50_000]
    remote = download.Remote(None, "big.bin", ".", HASH)
    path = download.download(f"{server.address}/big.bin", remote, tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-", "bytes=150000-"]
    assert [p.name for p in tmp_path.iterdir()] == ["big.bin"], "no partial file is left"
    download.download(f"{server.address}/big.bin", remote, tmp_path)
    assert len(server.ranges) == 3, "a verified file is not asked for again"


def test_a_server_that_cannot_resume_starts_again(download, server, tmp_path):
    server.files["/big.bin"] = CONTENT
    server.supports_ranges = False
    server.cuts = [100_000] * download.RETRIES
    remote = download.Remote(None, "big.bin", ".", HASH)
    with pytest.raises(download.FetchError, match="no complete answer after 5 attempts"):
        download.download(f"{server.address}/big.bin", remote, tmp_path)
    path = download.download(f"{server.address}/big.bin", remote, tmp_path)
    assert path.read_bytes() == CONTENT


def test_two_versions_of_a_file_are_not_mixed(download, server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "CHUNK", 10_000)
    server.files["/big.bin"] = bytes(300_000)
    server.cuts = [100_000]
    answer = server.answer

    def newer_from_the_second_request(request):
        if server.ranges:
            server.tag, server.files["/big.bin"] = '"v2"', CONTENT
        answer(request)

    server.answer = newer_from_the_second_request
    remote = download.Remote(None, "big.bin", ".", None)
    path = download.download(f"{server.address}/big.bin", remote, tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-"]


def test_download_errors_are_sentences(download, server, tmp_path):
    server.files["/big.bin"] = b"something else"
    remote = download.Remote(None, "big.bin", ".", HASH)
    with pytest.raises(download.FetchError, match=f"its checksum is not {HASH}"):
        download.download(f"{server.address}/big.bin", remote, tmp_path)
    with pytest.raises(download.FetchError, match="404"):
        download.download(f"{server.address}/other.bin", remote, tmp_path)
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(download.FetchError, match="no complete answer after 5 attempts"):
        download.download(f"{server.address}/big.bin", remote, tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".etag"]


def test_an_interrupted_download_goes_on_next_time(download, server, tmp_path, monkeypatch):
    server.files["/big.bin"] = CONTENT
    remote = download.Remote(None, "big.bin", ".", HASH)
    monkeypatch.setattr(download, "CHUNK", 10_000)
    update = download.tqdm.update

    def interrupt(bar, amount=1):
        update(bar, amount)
        if bar.n >= 100_000:
            raise KeyboardInterrupt

    monkeypatch.setattr(download.tqdm, "update", interrupt)
    with pytest.raises(KeyboardInterrupt):
        download.download(f"{server.address}/big.bin", remote, tmp_path)
    monkeypatch.setattr(download.tqdm, "update", update)
    assert not (tmp_path / "big.bin").exists()
    assert download.download(f"{server.address}/big.bin", remote, tmp_path).read_bytes() == CONTENT
    assert server.ranges[0] is None
    assert int(server.ranges[1].removeprefix("bytes=").rstrip("-")) >= 100_000
