"""The data scripts: where they take a dataset from, what they say, and leaving no half results."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from tests.library import tiny_datasets as tiny
from tests.library.fetching import FILTERS, SCRIPTS, error, make_zip, run, script, tar, tree

pytestmark = FILTERS

SHARED = {"fetch", "download", "archives", "idx_files"}
NAMES = sorted(path.stem for path in SCRIPTS.glob("*.py") if path.stem not in SHARED)


# --- what every script says ----------------------------------------------------------------------


@pytest.mark.usefixtures("fetch")
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
    wanted = "voc2012 voc2007 coco2014 nuswide cub mnist fashion_mnist kmnist cifar10"
    assert {*wanted.split(), "pll", "crowd", "lowlight", "mulan"} <= set(NAMES)


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
