"""The other loaders on small files in the official format, and on real files; splitting."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse
import torch

from tests.library import tiny_datasets as tiny
from weaklabels import data
from weaklabels.data import crowd, idx, mulan, partial_label
from weaklabels.data.cifar import read_pickle
from weaklabels.data.files import (
    random_parts,
    scale_box,
    standardise,
    stratified_parts,
    train_val_indices,
)

# --- splitting -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "fraction", "seed", "val"),
    [  # oracles of Large Loss Matters (first) and Acknowledging the Unknown
        (23, 0.2, 1200, [0, 7, 13, 18, 19]),
        (50, 0.2, 1211, [6, 7, 11, 14, 18, 25, 32, 38, 39, 46]),
        (33, 0.25, 1211, [6, 7, 14, 18, 23, 25, 29, 32]),
    ],
)
def test_split_is_that_of_the_official_code(count, fraction, seed, val):
    train, held_out = train_val_indices(count, fraction, seed)
    assert held_out.tolist() == val
    assert sorted([*train, *held_out]) == list(range(count))


def test_stratified_parts_give_every_part_its_share_of_every_class():
    rng = np.random.default_rng(0)
    y = rng.random((600, 5)) < (0.5, 0.2, 0.1, 0.05, 0.02)
    parts = stratified_parts(y, (0.6, 0.15, 0.25), np.random.default_rng(1))
    assert sorted(np.concatenate(parts)) == list(range(600))
    shares = np.stack([y[part].sum(0) for part in parts]) / y.sum(0)
    assert np.abs(shares[:, :4] - np.array([[0.6], [0.15], [0.25]])).max() < 0.05
    assert all((y[part].sum(0) > 0).all() for part in parts)


def test_random_parts_are_disjoint_and_complete():
    train, val, test = random_parts(100, 0.2, 3, 0.1)
    assert (len(train), len(val), len(test)) == (70, 10, 20)
    assert sorted([*train, *val, *test]) == list(range(100))
    with pytest.raises(ValueError, match="leave examples"):
        random_parts(10, 0.9, 0, 0.1)


def test_standardise_uses_the_training_part_only():
    train, test = standardise(np.array([[1.0, 5], [3, 5]]), np.array([[5.0, 6]]))
    np.testing.assert_allclose(train, [[-1, 0], [1, 0]])
    np.testing.assert_allclose(test, [[3, 1]])


def test_box_is_scaled_from_original_pixels():
    # A box of 20 x 15 pixels in the top left corner of 40 x 30 is the top left quarter.
    assert scale_box((0, 0, 15, 20), (30, 40), 100) == (0, 0, 50, 50)
    assert scale_box((0, 0, 0.1, 0.1), (30, 40), 8) == (0, 0, 1, 1), "never empty"
    assert scale_box((29, 39, 31, 41), (30, 40), 8) == (7, 7, 8, 8), "never outside"


def test_missing_dataset_names_its_command(tmp_path):
    for name, command in (("voc2012", "data-voc2012"), ("kmnist", "data-kmnist"),
                          ("cub", "data-cub"), ("coco2014", "data-coco2014")):  # fmt: skip
        with pytest.raises(FileNotFoundError, match=f"make {command}"):
            data.load(name, tmp_path)


# --- idx, CIFAR ----------------------------------------------------------------------------------


def test_idx_sets(tmp_path):
    tiny.mnist_like(tmp_path)
    splits = data.load("mnist", tmp_path, validation=0.2)
    assert (len(splits.train), len(splits.val), len(splits.test)) == (16, 4, 10)
    assert splits.train.x.shape == (16, 1, 28, 28)
    assert 0 <= splits.train.x.min() < 0.01 < 0.99 < splits.train.x.max() <= 1
    assert splits.train.y.dtype == torch.int64
    raw = data.load("mnist", tmp_path, raw=True)
    assert raw.train.x.dtype == torch.uint8
    small = data.load("mnist", tmp_path, resplit_test=0.3)
    assert (len(small.train), len(small.test)) == (7, 3)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda b: b[:-20], "damaged or cut short"),
        (lambda b: b"no gzip at all", "damaged or cut short"),
    ],
)
def test_idx_damage(tmp_path, damage, message):
    path = tiny.mnist_like(tmp_path) / "raw" / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=f"train-images-idx3-ubyte.gz: {message}"):
        data.load("mnist", tmp_path)


def test_idx_labels_and_header_are_checked(tmp_path):
    raw = tiny.mnist_like(tmp_path) / "raw"
    tiny.idx(raw / "train-labels-idx1-ubyte.gz", np.full(20, 10))
    with pytest.raises(ValueError, match=r"label 10, expected 0\.\.9"):
        data.load("mnist", tmp_path)
    tiny.idx(raw / "train-labels-idx1-ubyte.gz", np.zeros(19))
    with pytest.raises(ValueError, match="expected one each"):
        data.load("mnist", tmp_path)
    (raw / "plain").write_bytes(b"\x00\x00\x0d\x01")
    with pytest.raises(ValueError, match="not an idx file"):
        idx.read_idx(raw / "plain")


def test_real_fashion_mnist_and_kmnist():
    splits = data.load("fashion_mnist", tiny.shared("fashion-mnist"), raw=True)
    assert splits.train.x.shape == (60_000, 1, 28, 28)
    assert splits.train.y.bincount().tolist() == [6000] * 10
    assert splits.test.y.bincount().tolist() == [1000] * 10
    small = data.load("kmnist", tiny.shared("kmnist-test"), resplit_test=0.2)
    assert (len(small.train), len(small.test)) == (8000, 2000)


def cifar_batches(root: Path, per_batch: int = 4) -> Path:
    base = root / "cifar-10-batches-py"
    base.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        content = {
            b"data": rng.integers(0, 256, (per_batch, 3072), dtype=np.uint8),
            b"labels": rng.integers(0, 10, per_batch).tolist(),
        }
        (base / name).write_bytes(pickle.dumps(content, protocol=2))
    return base


def test_cifar_batches(tmp_path):
    base = cifar_batches(tmp_path)
    splits = data.load("cifar10", tmp_path, raw=True)
    assert splits.train.x.shape == (20, 3, 32, 32)
    assert splits.train.extra["index"].tolist() == list(range(20))
    second = pickle.loads((base / "data_batch_2").read_bytes())
    assert splits.train.x[4].flatten().tolist() == second[b"data"][0].tolist()
    assert splits.train.y[4:8].tolist() == second[b"labels"]


class _Evil:
    def __reduce__(self):
        return print, ("code from a data file ran",)


def test_pickles_cannot_run_code(tmp_path, capsys):
    base = cifar_batches(tmp_path)
    (base / "data_batch_3").write_bytes(pickle.dumps({b"data": _Evil(), b"labels": [0]}, 2))
    with pytest.raises(ValueError, match=r"data_batch_3: not a readable batch .*print"):
        data.load("cifar10", tmp_path)
    (base / "data_batch_3").write_bytes(b"\x80\x02}")
    with pytest.raises(ValueError, match="data_batch_3: not a readable batch"):
        data.load("cifar10", tmp_path)
    labels = tmp_path / "labels.pt"
    torch.save({"clean_label": _Evil()}, labels)
    with pytest.raises(ValueError, match=r"labels.pt: not a readable label file"):
        crowd.read_human_labels(labels, ("clean_label",), 3, 10)
    assert capsys.readouterr().out == ""


def test_cifar100(tmp_path):
    base = tmp_path / "cifar-100-python"
    base.mkdir()
    names = [f"n{i}".encode() for i in range(100)]
    (base / "meta").write_bytes(pickle.dumps({b"fine_label_names": names}, 2))
    for part in ("train", "test"):
        content = {b"data": np.zeros((3, 3072), np.uint8), b"fine_labels": [0, 99, 5]}
        (base / part).write_bytes(pickle.dumps(content, 2))
    splits = data.load("cifar100", tmp_path)
    assert splits.classes[99] == "n99"
    assert splits.train.y.tolist() == [0, 99, 5]


def test_real_cifar_subset():
    root = tiny.shared("cifar10-subset").parent
    splits = data.load("cifar10", root, raw=True)
    assert splits.train.x.shape == (15_000, 3, 32, 32)
    assert splits.test.x.shape == (3_000, 3, 32, 32)
    meta = read_pickle(tiny.shared("cifar10-subset") / "batches.meta")
    assert tuple(name.decode() for name in meta[b"label_names"]) == splits.classes


# --- crowds --------------------------------------------------------------------------------------


def test_real_cifar10n_lines_up_with_the_images():
    root = tiny.shared("crowd").parent
    labels = crowd.read_human_labels(
        tiny.shared("crowd/cifar-10n/CIFAR-10_human.pt"),
        ("clean_label", *crowd.NOISE_KINDS), 50_000, 10,
    )  # fmt: skip
    rates = {k: 100 * (labels[k] != labels["clean_label"]).mean() for k in crowd.NOISE_KINDS}
    expected = (9.01, 40.21, 17.23, 18.12, 17.64)  # measured in the repository, BLDR's section 5
    assert [round(rate, 2) for rate in rates.values()] == pytest.approx(expected, abs=0.011)
    tiny.shared("cifar10-subset")
    splits = data.load("cifar10n", root, raw=True)
    noise = (splits.train.extra["aggre_label"] != splits.train.y.numpy()).mean()
    assert noise == pytest.approx(0.09, abs=0.005)


def test_cifar10h(tmp_path):
    cifar_batches(tmp_path, per_batch=6)
    path = tmp_path / "crowd" / "cifar-10h" / "cifar10h-counts.npy"
    path.parent.mkdir(parents=True)
    counts = np.arange(100_000).reshape(10_000, 10)
    np.save(path, counts)
    splits = data.load("cifar10h", tmp_path, raw=True, test=1 / 3)
    assert (len(splits.train), len(splits.test)) == (4, 2)
    whole = data.load("cifar10", tmp_path, raw=True).test
    for part in (splits.train, splits.test):
        index = part.extra["index"]
        np.testing.assert_array_equal(part.extra["counts"], counts[index])
        assert torch.equal(part.x, whole.x[index])
    for wrong in (counts[:9], counts / 2, counts - 1):
        np.save(path, wrong)
        with pytest.raises(ValueError, match="numbers of answers"):
            data.load("cifar10h", tmp_path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="not a readable array"):
        data.load("cifar10h", tmp_path)


def test_real_cifar10h_agrees_with_the_images():
    root = tiny.shared("crowd").parent
    tiny.shared("cifar10-subset")
    splits = data.load("cifar10h", root, raw=True)
    counts = splits.train.extra["counts"]
    assert counts.sum(1).mean() == pytest.approx(51.1, abs=0.1)
    assert (counts.argmax(1) == splits.train.y.numpy()).mean() > 0.98
    assert (len(splits.train), len(splits.test)) == (2400, 600)


@pytest.mark.parametrize(
    ("which", "workers", "tasks", "answers"),
    [("duck", 39, 108, 4212), ("dog", 109, 807, 8070), ("face", 27, 584, 5242)],
)
def test_real_crowd_sets(which, workers, tasks, answers):
    splits = data.load("crowd_truth_infer", tiny.shared("crowd").parent, which=which)
    table = splits.train.extra["answers"]
    assert table.shape == (tasks, workers)
    assert (table >= 0).sum() == answers
    assert len(splits.train.y) == tasks


def test_crowd_answers(tmp_path):
    folder = tmp_path / "crowd" / "crowd_truth_infer" / "d_Duck Identification"
    answers = tiny.write(folder / "answer.csv", "question,worker,answer\nq2,w1,1\nq1,w9,0\n")
    tiny.write(folder / "truth.csv", "question,truth\nq1,0\nq2,1\n")
    table, truth = crowd.read_answers(folder)
    assert table.tolist() == [[-1, 0], [1, -1]]
    assert truth.tolist() == [0, 1]
    answers.write_text("question,worker,answer\nq3,w1,1\n")
    with pytest.raises(ValueError, match="task q3 has no truth"):
        crowd.read_answers(folder)
    answers.write_text("question,worker,answer\nq1,w1,duck\n")
    with pytest.raises(ValueError, match="not a whole number"):
        crowd.read_answers(folder)


def test_labelme(tmp_path):
    base = tmp_path / "LabelMe" / "prepared"
    base.mkdir(parents=True)
    for part, count in (("train", 5), ("valid", 2), ("test", 3)):
        np.save(base / f"data_{part}_vgg16.npy", np.ones((count, 4, 4, 512), np.float32))
        np.save(base / f"labels_{part}.npy", np.arange(count) % 8)
    np.save(base / "answers.npy", np.full((5, 59), -1))
    splits = data.load("labelme", tmp_path)
    assert splits.train.x.shape == (5, 512, 4, 4)
    assert splits.train.extra["answers"].shape == (5, 59)
    np.save(base / "answers.npy", np.full((4, 59), -1))
    with pytest.raises(ValueError, match="train features"):
        data.load("labelme", tmp_path)


# --- Matlab and ARFF -----------------------------------------------------------------------------


def mat(root: Path, **changes: object) -> Path:
    truth = np.eye(3)[:, [0, 1, 2, 0, 1]]
    content = {
        "data": np.arange(10.0).reshape(5, 2),
        "target": scipy.sparse.csc_matrix(truth),
        "partial_target": scipy.sparse.csc_matrix(np.maximum(truth, np.eye(3)[:, [1, 1, 0, 0, 2]])),
    } | changes
    path = root / "pll-realworld" / "lost.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, {key: value for key, value in content.items() if value is not None})
    return path


def test_partial_label(tmp_path):
    mat(tmp_path)
    splits = data.load("partial_label", tmp_path, test=0.4, standard=False)
    assert (len(splits.train), len(splits.test)) == (3, 2)
    rows = splits.train.extra["index"]
    assert splits.train.y.tolist() == np.array([0, 1, 2, 0, 1])[rows].tolist()
    assert splits.train.extra["candidates"].dtype == bool
    assert splits.train.extra["candidates"][np.arange(3), splits.train.y].all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"partial_target": None}, "no partial_target in it"),
        ({"data": np.ones((4, 2))}, r"data \(4, 2\), target \(3, 5\)"),
        ({"partial_target": np.zeros((3, 5))}, "true label of example 0 is not among"),
        ({"target": np.ones((3, 5)), "partial_target": np.ones((3, 5))}, "has 3 true labels"),
        ({"partial_target": np.full((3, 5), 2)}, "labels other than 0 and 1"),
    ],
)
def test_partial_label_damage(tmp_path, changes, message):
    mat(tmp_path, **changes)
    with pytest.raises(ValueError, match=message):
        data.load("partial_label", tmp_path)


def test_cut_mat_file(tmp_path):
    path = mat(tmp_path)
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(ValueError, match=r"lost.mat: not a readable Matlab file"):
        data.load("partial_label", tmp_path)


@pytest.mark.parametrize(
    ("which", "n", "d", "classes", "average"),
    [
        ("lost", 1122, 108, 16, 2.23),
        ("msrcv2", 1758, 48, 23, 3.16),
        ("birdsong", 4998, 38, 13, 2.18),
    ],
)
def test_real_partial_label_sets(which, n, d, classes, average):
    splits = data.load("partial_label", tiny.shared("pll-realworld").parent, which=which)
    candidates = np.concatenate([p.extra["candidates"] for p in (splits.train, splits.test)])
    assert candidates.shape == (n, classes)
    assert splits.train.x.shape[1] == d
    assert candidates.sum(1).mean() == pytest.approx(average, abs=0.006)


def test_real_mirflickr():
    path = tiny.shared("partial-multilabel/mirflickr.mat")
    x, truth, candidates = partial_label.read_mat(path, "partial_labels")
    assert x.shape == (5000, 100)
    assert truth.sum(1).mean() == pytest.approx(1.771, abs=5e-4)
    assert candidates.sum(1).mean() == pytest.approx(3.353, abs=5e-4)


ARFF = """% a comment
@relation tiny
@attribute a numeric
@attribute 'it\\'s' {0,1}
@attribute colour {red,green}
@attribute other {0,1}
@data
1.5,1,green,0
-2,0,red,1
"""
SPARSE = ARFF.split("@data")[0] + "@data\n{0 1.5,1 1,2 green}\n{0 -2, 3 1}\n"
XML = """<labels xmlns="http://mulan.sourceforge.net/labels">
<label name="other"></label><label name="it's"></label></labels>"""


@pytest.mark.parametrize("text", [ARFF, SPARSE])
def test_mulan(tmp_path, text):
    base = tmp_path / "mulan" / "emotions"
    tiny.write(base / "emotions.xml", XML)
    for part in ("train", "test"):
        tiny.write(base / f"emotions-{part}.arff", text)
    splits = data.load("mulan", tmp_path, standard=False)
    assert splits.classes == ("other", "it's")
    assert splits.train.x.tolist() == [[1.5, 1], [-2, 0]]
    assert splits.train.y.tolist() == [[0, 1], [1, 0]]
    tiny.write(base / "emotions-train.arff", ARFF + "1,2\n")
    with pytest.raises(ValueError, match=r"emotions-train.arff: line 10 cannot be read: '1,2'"):
        data.load("mulan", tmp_path)


@pytest.mark.parametrize(
    ("which", "n", "d", "classes"),
    [
        ("emotions", 593, 72, 6), ("yeast", 2417, 103, 14), ("scene", 2407, 294, 6),
        ("birds", 645, 260, 19), ("corel5k", 5000, 499, 374), ("medical", 978, 1449, 45),
        ("flags", 194, 19, 7),
    ],
)  # fmt: skip
def test_real_mulan_sets(which, n, d, classes):
    splits = data.load("mulan", tiny.shared("mulan").parent, which=which)
    assert len(splits.train) + len(splits.test) == n
    assert splits.train.x.shape[1] == d
    assert len(splits.classes) == splits.train.y.shape[1] == classes


def test_mulan_unknown_set():
    with pytest.raises(ValueError, match="unknown Mulan set 'movies'"):
        mulan.load(which="movies")


def test_unreadable_npz_is_named(tmp_path):
    buffer = io.BytesIO()
    np.savez(buffer, x_train=np.zeros(3))
    path = tmp_path / "cifar10-subset" / "cifar10_subset_15k_3k.npz"
    path.parent.mkdir()
    path.write_bytes(buffer.getvalue())
    with pytest.raises(ValueError, match="no y_train, index_train"):
        data.load("cifar10", tmp_path)
