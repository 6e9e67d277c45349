"""Own labels: the table that is read, what a classifier does, the file that it is saved to."""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import f1_score

from weaklabels import your_own_labels
from weaklabels.data import load

CLASSES = ("cat", "dog", "bird")


def folder_of_images(folder, count=4):
    rng = np.random.default_rng(0)
    for i in range(count):
        pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")


def table(folder, *rows, head="file,cat,dog,bird"):
    path = folder / "labels.csv"
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_table_is_read_as_it_says(tmp_path):
    folder_of_images(tmp_path)
    path = table(tmp_path, "2.png,1,0,", "0.png,,,1", "3.png, 0 ,,")
    data = your_own_labels.read(path, tmp_path, side=16)
    assert data.classes == CLASSES
    assert data.files == ("2.png", "0.png", "3.png")
    assert data.observed.dtype == torch.int8
    assert data.observed.tolist() == [[1, -1, 0], [0, 0, 1], [-1, 0, 0]]
    assert (data.x.shape, data.x.dtype) == ((3, 3, 16, 16), torch.uint8)


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (["9.png,1,0,0"], FileNotFoundError, r"9\.png: named in .*labels\.csv"),
        (
            ["0.png,1,yes,"],
            ValueError,
            r"row of 0\.png, class dog: 'yes', expected 1, 0 or nothing",
        ),
        (["0.png,1,,", "0.png,,1,"], ValueError, "0.png has more than one row"),
        ([], ValueError, "expected a row for each image"),
    ],
)
def test_a_table_with_a_fault_is_refused(tmp_path, rows, error, message):
    folder_of_images(tmp_path)
    with pytest.raises(error, match=message):
        your_own_labels.read(table(tmp_path, *rows), tmp_path)
    assert not (tmp_path / ".weaklabels").exists()


def test_a_table_without_classes_is_refused(tmp_path):
    folder_of_images(tmp_path)
    with pytest.raises(ValueError, match="a column for each class"):
        your_own_labels.read(table(tmp_path, "0.png", head="file"), tmp_path)


@pytest.mark.parametrize(
    ("x", "observed", "message"),
    [
        (torch.zeros(4), torch.ones(4, 3), "expected .N, c, h, w. images"),
        (torch.zeros(4, 2), torch.ones(4, 2), r"labels \(4, 2\) for 4 inputs and 3 classes"),
        (torch.zeros(4, 2), torch.full((4, 3), 2), "labels hold 2"),
        (torch.zeros(4, 2), -torch.ones(4, 3), "no label is annotated as present"),
    ],
)
def test_labels_that_do_not_fit_are_refused(x, observed, message):
    with pytest.raises(ValueError, match=message):
        your_own_labels.train(x, observed, CLASSES, epochs=1)


def test_a_method_that_needs_to_be_told_says_so():
    x, observed = torch.zeros(4, 2), torch.ones(4, 3, dtype=torch.int8)
    with pytest.raises(ValueError, match="'ROLE' needs expected_positives, the mean number of pos"):
        your_own_labels.train(x, observed, CLASSES, "ROLE")
    with pytest.raises(ValueError, match="unknown method 'nothing'"):
        your_own_labels.train(x, observed, CLASSES, "nothing")


@pytest.fixture(scope="module")
def trained():
    data = load("scenes", train=200, val=100, test=100)
    observed = 2 * data.train.y - 1
    return data, your_own_labels.train(
        data.train.x, observed, data.classes, "AN", epochs=8, lr=3e-3, network_options={"width": 32}
    )


def test_a_classifier_learns_and_is_judged(trained):
    data, classifier = trained
    frame = classifier.evaluate(data.test.x, data.test.y)
    assert list(frame.index) == [*data.classes, "mean"]
    assert frame.positives.iloc[:-1].tolist() == data.test.y.sum(0).tolist()
    assert frame.AP["mean"] > 1.5 * 100 * data.test.y.double().mean()
    chosen = classifier.predict(data.test.x)
    expected = f1_score(data.test.y.numpy(), chosen, average=None, zero_division=0)
    np.testing.assert_allclose(frame.F1.iloc[:-1], 100 * expected)


def test_thresholds_are_the_best_on_what_is_annotated(trained):
    data, classifier = trained
    truth = 2 * data.val.y.to(torch.int8) - 1
    observed = truth.clone()
    observed[:, 0] = 0  # nothing known of the first class: it takes the common threshold
    observed[::2, 1] = 0
    classifier.choose_thresholds(data.val.x, observed)
    p = classifier.probabilities(data.val.x)
    for c in range(1, len(data.classes)):
        rows = observed[:, c].numpy() != 0
        positive = observed[rows, c].numpy() == 1

        def f1(t, p=p[rows, c], positive=positive):
            return f1_score(positive, p >= t, zero_division=0)

        best = max(f1(t) for t in np.unique(p[rows, c]))
        assert f1(classifier.thresholds[c]) == pytest.approx(best)
    assert classifier.thresholds[0] == your_own_labels._best_threshold(
        p[observed.numpy() != 0], observed.numpy()[observed.numpy() != 0]
    )
    with pytest.raises(ValueError, match="annotated positives and negatives"):
        classifier.choose_thresholds(data.val.x, observed.clamp(min=0))


def test_saved_and_loaded_it_is_the_same(trained, tmp_path):
    data, classifier = trained
    classifier.save(tmp_path / "own.pt")
    again = your_own_labels.Classifier.load(tmp_path / "own.pt")
    assert again.classes == tuple(data.classes)
    np.testing.assert_array_equal(again.thresholds, classifier.thresholds)
    np.testing.assert_array_equal(
        again.probabilities(data.test.x), classifier.probabilities(data.test.x)
    )
    assert [p.name for p in tmp_path.iterdir()] == ["own.pt"]


def test_another_file_is_refused(tmp_path):
    (tmp_path / "text.pt").write_text("hello")
    torch.save({"weights": torch.zeros(2)}, tmp_path / "other.pt")
    for name in ("text.pt", "other.pt"):
        with pytest.raises(ValueError, match="not a file written by"):
            your_own_labels.Classifier.load(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="no such file"):
        your_own_labels.Classifier.load(tmp_path / "none.pt")


def test_maps_show_where_it_looks(trained):
    data, classifier = trained
    maps = classifier.maps(data.test.x[:3])
    assert maps.shape[:2] == (3, len(data.classes))
    bias = classifier.model.head.bias.detach()
    logits = torch.from_numpy(classifier.probabilities(data.test.x[:3])).logit()
    torch.testing.assert_close(
        maps.double().mean((2, 3)) + bias, logits, atol=1e-4, rtol=1e-4, check_dtype=False
    )


def test_images_as_whole_numbers_train_like_their_fractions():
    x = torch.randint(0, 256, (12, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    observed = torch.ones(12, 3, dtype=torch.int8)
    observed[::2] = -1
    a, b = (
        your_own_labels.train(inputs, observed, CLASSES, "EM", epochs=1, alpha=0.1)
        for inputs in (x.to(torch.uint8), x.float() / 255)
    )
    np.testing.assert_array_equal(
        a.probabilities(x.float() / 255), b.probabilities(x.float() / 255)
    )


def test_features_take_a_small_network():
    x = torch.randn(20, 5, generator=torch.Generator().manual_seed(0))
    observed = torch.where(x[:, :3] > 0, 1, 0).to(torch.int8)
    classifier = your_own_labels.train(x, observed, CLASSES, "LL-R", epochs=1, rate=0.1)
    assert classifier.network["name"] == "mlp"
    assert classifier.predict(x).shape == (20, 3)
