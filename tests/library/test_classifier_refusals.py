"""Settings and arguments that the estimator refuses with a sentence that names the value."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from tests.library.weak_kinds import ROWS, features, images, labels_of, quiet, rng
from weaklabels import Classifier, methods
from weaklabels.estimator.settings import options_of

X = features().numpy()
SIGNS = labels_of("missing").numpy()
ONES = (SIGNS == 1).astype(int)
ONE = labels_of("noisy").numpy()
SETS = labels_of("candidates").numpy()
ANSWERS = labels_of("crowd").numpy()
PARTLY = labels_of("partly labelled").numpy()
BYTES = (255 * images()).to(torch.uint8)
fast = {"network": "linear", "epochs": 1, **quiet}


def fitted(method, x, observed, settings=(), **more):
    return Classifier(method, **(fast | dict(settings))).fit(x, observed, **more)


# --- augmentation --------------------------------------------------------------------------------


class Seen(nn.Module):
    """A network that notes the inputs of its training."""

    seen: list = []  # noqa: RUF012, a network is copied before it is trained

    def __init__(self, inputs=64):
        super().__init__()
        self.layer = nn.Linear(inputs, 3)

    def forward(self, x):
        if self.training:
            self.seen.append(x.detach().clone())
        return self.layer(x.flatten(1))


@pytest.fixture
def seen():
    Seen.seen.clear()
    return Seen.seen


@pytest.mark.parametrize(
    "steps",
    [
        (("noise", 0.2),),
        (("flip",), ("noise", 0.2)),
        (("noise", 0.2), ("pad_crop", 1), ("cutout", 2, 0.5)),
        (("rand_augment",), ("noise", 0.2)),
        [["cutout", 2, 128], ["noise", 0.2]],
        (("flip",),),
        (),
    ],
)
def test_training_sees_values_in_0_to_1(seen, steps):
    colours = BYTES.expand(-1, 3, -1, -1)
    fitted("CE", colours, ONE, {"network": Seen(192), "augment": steps})
    x = torch.cat(seen)
    assert x.dtype == torch.float32
    assert 0 <= x.min() < 0.1
    assert 0.9 < x.max() <= 1


def test_noise_is_on_the_scale_of_the_network(seen):
    settings = {"network": Seen(), "augment": (("noise", 0.05),), "batch_size": ROWS}
    grey = torch.full((ROWS, 1, 8, 8), 51, dtype=torch.uint8)
    for x in (grey, grey / 255):
        fitted("CE", x, ONE, settings)
        assert seen[-1].mean() == pytest.approx(0.2, abs=0.005)
        assert seen[-1].std() == pytest.approx(0.05, abs=0.005)
    torch.testing.assert_close(seen[0], seen[1])
    fitted("CE", 1000.0 * grey, ONE, settings | {"bounded": False, "augment": (("noise", 5.0),)})
    assert seen[-1].mean() == pytest.approx(51_000, abs=1)
    assert seen[-1].std() == pytest.approx(5, abs=0.5)
    fitted("CE", X, ONE, {"augment": (("noise", 0.1),)})


@pytest.mark.parametrize(
    ("x", "steps", "message"),
    [
        (X, (("flip",),), "augment has a step 'flip', for images: the inputs are rows of 5 feat"),
        (X, (("noise", 0.1), ("cutout", 2)), "augment has a step 'cutout', for images"),
        (X, "flip", "augment is 'flip': expected a list of steps, such as"),
        (BYTES, ("flip",), r"augment is \('flip',\): expected a list of steps, such as"),
        (BYTES, (("flip", 1), ()), r"augment is \(\('flip', 1\), \(\)\): expected a list of"),
        (BYTES, None, "augment is None: expected a list of steps"),
        (BYTES, (("flop",),), "augment has a step 'flop': expected one of flip, pad_crop"),
        (BYTES, (("pick_view", 0, 1),), "augment has a step 'pick_view': expected one of flip"),
        (images(), (("rand_augment",),), "'rand_augment', which takes uint8: these images are fl"),
        (BYTES, (("noise", 0.1), ("auto_augment",)), "'auto_augment', which takes uint8: these"),
        (BYTES, (("noise", "a"),), r"a step \('noise', 'a'\), which images of 8 x 8 pixels and 1"),
        (BYTES, (("square_crop", (16,), 8),), "do not take: crop of 16 pixels: the images are 8"),
        (BYTES, (("noise", 12.75),), "augment has noise of deviation 12.75: expected 0 to 1, the"),
        (BYTES, (("noise", -0.1),), "augment has noise of deviation -0.1: expected 0 to 1"),
        (X, (("noise", float("nan")),), "augment has noise of deviation nan: expected 0 to inf"),
        (BYTES, (("cutout", 2, 1.0),), "a cutout with fill 1.0: expected a whole number of 0 to"),
        (BYTES, (("cutout", 2, 0.5),), "a cutout with fill 0.5: expected a whole number of 0 to"),
        (BYTES, (("cutout", 2, 256),), r"fill is 256: expected a number in \[0, 255\]"),
        (images(), (("cutout", 2, 128),), "a cutout with fill 128: expected a number of 0 to 1"),
    ],
)
def test_steps_that_do_not_fit_the_inputs_are_refused(x, steps, message):
    with pytest.raises(ValueError, match=message):
        fitted("CE", x, ONE, {"augment": steps})


# --- settings and options ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", None),
        ("seed", 0.0),
        ("seed", True),
        ("seed", np.random.RandomState(0)),
        ("side", "128"),
        ("side", 64.5),
    ],
)
def test_whole_numbers_are_asked_for(name, value):
    message = re.escape(f"{name} is {value!r}: expected a whole number")
    with pytest.raises(ValueError, match=message):
        fitted("CE", X, ONE, {name: value})


def test_numbers_of_numpy_are_numbers():
    one, other = (fitted("CE", X, ONE, {"seed": seed}) for seed in (3, np.int64(3)))
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))
    fitted("EM", X, SIGNS, {"alpha": np.float32(0.1)})
    fitted("BLDR", X, ONE, {"warm_up": np.int32(1), "reweight": np.bool_(True), "network": "mlp"})
    with pytest.raises(ValueError, match="side is 0: expected the pixels of the images' sides"):
        fitted("CE", X, ONE, {"side": 0})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": None}, "network is None: expected a name, or a module"),
        ({"network": nn.Linear}, "network is <class .*Linear'>: expected a name, or a module"),
        ({"network_options": 5}, "network_options are 5: expected a dictionary, or None"),
        (
            {"network": "mlp", "network_options": {"hiden": (3,)}},
            r"network 'mlp' cannot be built with options .*'hiden'.* \(its options are .*hidden",
        ),
        (
            {"network": "mlp", "network_options": {"hidden": 5}},
            "network 'mlp' cannot be built with options .*'hidden': 5",
        ),
        ({"device": None}, "device is None: expected 'auto', or a name"),
        ({"device": "none"}, "device 'none' cannot be used here"),
        ({"bounded": "False"}, "bounded is 'False': expected True or False"),
        ({"pretrained": 1}, "pretrained is 1: expected True or False"),
        ({"progress": None}, "progress is None: expected True or False"),
    ],
)
def test_settings_of_another_kind_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        fitted("CE", X, ONE, settings)


@pytest.mark.parametrize(("method", "observed"), [("CE", ONE), ("AN", SIGNS), ("CC", SETS)])
def test_words_that_fit_does_not_know_are_refused_whatever_the_labels(method, observed):
    with pytest.raises(ValueError, match="zeros is 'abesnt': expected 'absent' or 'unknown'"):
        fitted(method, X, observed, zeros="abesnt")
    with pytest.raises(ValueError, match="aggregate is 'mean': expected Dawid-Skene or majority"):
        fitted(method, X, observed, aggregate="mean")


def test_thresholds_are_chosen_on_labels_as_fit_was_told():
    told = fitted("AN", X, ONES, zeros="absent")
    signs = fitted("AN", X, 2 * ONES - 1)
    wanted = signs.choose_thresholds(X, 2 * ONES - 1).thresholds_
    np.testing.assert_array_equal(told.choose_thresholds(X, ONES).thresholds_, wanted)
    known = told.choose_thresholds(X, SIGNS).thresholds_  # 0 beside -1 is unknown
    np.testing.assert_array_equal(known, signs.choose_thresholds(X, SIGNS).thresholds_)
    with pytest.raises(ValueError, match="annotated positives and negatives"):
        signs.choose_thresholds(X, ONES)


@pytest.mark.parametrize(
    ("method", "option", "message"),
    [
        ("LL-R", {"rate": "0.1"}, "option rate of method 'LL-R' is '0.1': expected a number"),
        ("EM", {"alpha": float("nan")}, "option alpha of method 'EM' is nan: expected a number"),
        ("EM", {"alpha": None}, "option alpha of method 'EM' is None: expected a number"),
        ("EPR", {"count": "2"}, "option count of .* is '2': expected a number or None"),
        ("CAP", {"warm_up": 2.5}, "option warm_up of .* is 2.5: expected a whole number"),
        ("Top-k", {"k": True}, "option k of .* is True: expected a whole number or None"),
        ("ASL", {"detach_weight": 1}, "option detach_weight of .* is 1: expected True or False"),
        ("MoGD", {"normalise": 1}, "option normalise of .* is 1: expected a word"),
        ("BLDR", {"taps": 3}, "option taps of .* is 3: expected a list of whole numbers"),
        ("BLDR", {"taps": (0.5,)}, r"option taps of .* is \(0.5,\): expected a list of whole"),
        ("CAP", {"warmup": 3}, "method 'CAP' has no option 'warmup': expected positive_share, .*"),
        ("PU-MLC", {"local": 3}, "method 'PU-MLC' has no option 'local': expected gamma, .* loc"),
        ("CDCR, one threshold", {"once": 0}, "option once of .* is 0: expected True or False"),
    ],
)
def test_options_of_another_type_are_refused_before_anything_is_read(method, option, message):
    with pytest.raises(ValueError, match=message):
        fitted(method, "no such folder", None, option)


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("cap", "CAP"),
        ("LLR", "LL-R"),
        ("cap true proportions", "CAP, true proportions"),
        ("Coteaching", "Co-teaching"),
        ("no such method", None),
    ],
)
def test_a_method_of_another_name_is_refused_with_the_one_that_is_like_it(name, like):
    every = ", ".join(map(repr, methods.names()))
    first = "" if like is None else f"{like!r}, or another "
    message = f"unknown method {name!r}: expected {first}one of {every}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        fitted(name, X, ONE)


@pytest.mark.parametrize("method", methods.names())
def test_types_of_all_options_are_known(method):
    given = {"alpha": 0.1, "beta": 0.5, "warm_up": 1, "epochs": 2, "weight": 0.1, "rate": 0.1}
    given |= {"eps": 0.1, "forget": 0.2, "ramp": 1, "negative": 1, "selective": 2, "known_share": 1}
    given |= {"classes": 3, "workers": 4}
    takes = options_of(method)
    assert not {"self", "args", "kwargs", "options", "settings", "network"} & set(takes)
    named = {name: value for name, value in given.items() if name in takes}
    if method.startswith("BLDR"):
        named.pop("negative")
    methods.create(method, **named)


def test_a_crowd_layer_has_the_workers_of_the_labels():
    for name, value, wanted in (("workers", 9, 4), ("classes", 5, 3)):
        message = f"option {name} of method 'DL-CL' is {value}: expected {wanted}, as in the labels"
        with pytest.raises(ValueError, match=message):
            fitted("DL-CL", X, ANSWERS, {name: value})
    fitted("DL-CL", X, ANSWERS, {"workers": 4, "form": "VW"})


# --- pairs, views, numbers of labels, truth, one class -------------------------------------------


def halves(x):
    return x[: len(x) // 2]


@pytest.mark.parametrize(
    ("method", "observed", "more", "message"),
    [
        ("EM", SIGNS, {"validation": X}, "validation is of type ndarray: expected a pair, .inputs"),
        ("EM", SIGNS, {"validation": (X, SIGNS, 1)}, "validation is a tuple of 3: expected a pair"),
        ("MoGD", SETS, {"clean": X}, r"clean is of type ndarray: expected a pair, .inputs, c"),
        ("MoGD", SETS, {"clean": [X]}, "clean is a list of 1: expected a pair"),
        ("BLDR", ONE, {"views": abs}, "views is of type builtin_.*: expected a pair, .weak"),
        ("BLDR", ONE, {"views": (abs,)}, "views is a tuple of 1: expected a pair, .weak, strong"),
        ("BLDR", ONE, {"views": (abs, 2)}, "views hold 2: expected functions of a batch"),
        (
            "BLDR", ONE, {"views": (abs, halves)},
            r"the strong one makes \(8, 5\) of a batch \(17, 5\): expected a tensor with a view",
        ),
        ("BLDR", ONE, {"views": (len, abs)}, "the weak one makes something of type int of a"),
        ("EPR", ONES, {"expected_positives": "2"}, "expected_positives is '2': expected a number"),
        ("EPR", ONES, {"expected_positives": True}, "is True: expected a number of labels"),
        ("EPR", ONES, {"expected_positives": float("nan")}, "is nan: expected a number of labels"),
        ("ROLE", ONES, {"expected_positives": 0.1}, "is 0.1: expected [01][0-9.]+ or more, as"),
        ("nnPU", ONES, {"expected_positives": 0.1}, "is 0.1: expected [01][0-9.]+ or more, as"),
        ("EPR", SIGNS, {"expected_positives": 3}, "is 3: expected [12][0-9.]+ or less, as"),
        ("True labels", PARTLY, {"truth": SIGNS}, "truth holds -1: expected 1 present and 0"),
        ("True labels", PARTLY, {"truth": ONES[:, :2]}, r"truth \(17, 2\): expected the shape of"),
        (
            "CAP, true proportions", PARTLY, {"truth": PARTLY < 0, "classes": list("abc")},
            r"truth is [01] in row 0, class a, where the label is [+-]1: expected labels that are",
        ),
        ("CC", SETS[:, :1] | True, {}, "there is one class, '0': expected two or more"),
        ("CC", SETS[:, :1] | True, {"classes": ["a"]}, "there is one class, 'a': expected two or"),
        ("CE", 0 * ONE, {"classes": ["a"]}, "there is one class, 'a': expected two or more"),
        ("CE", 0 * ANSWERS + 25, {}, "every answer is 25: expected two classes or more"),
        ("soft labels", 0.5 * np.ones((ROWS, 3)), {}, "row 0 has .* from 0.5 that add up to 1.5"),
        ("PGD-AT", ONE, {}, r"moves inputs within \[0, 1\]: these reach from -"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_with_its_value(method, observed, more, message):
    zeros = {"zeros": "unknown"} if observed is ONES else {}
    network = {"network": "mlp"} if method == "BLDR" else {}
    with pytest.raises(ValueError, match=message):
        fitted(method, X, observed, network, **zeros, **more)


def test_what_fits_the_labels_is_taken():
    zeros = {"zeros": "unknown"}
    annotated = ONES.sum() / ROWS
    for value in (annotated, np.float32(2), torch.tensor(2.0), 3):
        fitted("EPR", X, ONES, expected_positives=value, **zeros)
    fitted("EPR", X, SIGNS, expected_positives=3 - (SIGNS == -1).sum() / ROWS)
    fitted("True labels", X, PARTLY, truth=PARTLY >= 0)
    fitted("EM", X, SIGNS, validation=[X, SIGNS])
    fitted("BLDR", X, ONE, {"network": "mlp"}, views=(lambda x: x, lambda x: x + 0.1))


def test_images_beyond_0_and_1_are_no_pixels_to_be_moved():
    with pytest.raises(ValueError, match=r"moves inputs within \[0, 1\]: these reach from 0 to 2"):
        fitted("PGD-AT", 255 * (BYTES > 127).float(), ONE, {"bounded": False})
    fitted("PGD-AT", BYTES, ONE, {"steps": 1, "network": "auto"})


# --- teachers ------------------------------------------------------------------------------------

KNOWN = {"classes": list("abc")}
PICTURES = torch.rand(12, 3, 8, 8, generator=rng())
SEVERAL = labels_of("missing", 12)
plain = {"network": "auto", "batch_size": 12}


@pytest.fixture(scope="module")
def teacher():
    return fitted("Vanilla", PICTURES, SEVERAL, plain, **KNOWN)


@pytest.mark.parametrize(
    ("teaches", "message"),
    [
        (lambda t: "Vanilla", "teacher is of type str: expected a Classifier, or a Network"),
        (lambda t: Classifier("Vanilla"), "the teacher is not trained yet: fit it first"),
        (
            lambda t: fitted("Vanilla", PICTURES, SEVERAL, plain, classes=list("cba")),
            "the teacher knows classes of which number 0 is 'c': expected 'a' as in the labels",
        ),
        (
            lambda t: fitted("Vanilla", PICTURES, SEVERAL[:, :2], plain),
            "the teacher knows classes in the number of 2: expected 3 as in the labels",
        ),
        (
            lambda t: fitted("Vanilla", PICTURES[:, :, :, :7], SEVERAL, plain, **KNOWN),
            "the teacher takes images of 8 x 7 pixels and 3 channels: expected images of 8 x 8",
        ),
        (
            lambda t: fitted(
                "Vanilla", 255 * PICTURES, SEVERAL, plain | {"bounded": False}, **KNOWN
            ),
            "the teacher takes images from .* to 25.*, and these reach from .*: expected the same",
        ),
        (
            lambda t: fitted("EM", PICTURES, SEVERAL, plain, **KNOWN),
            "teacher: the network has no embedding for every class: build it as 'label_decoder'",
        ),
        (
            lambda t: fitted("Vanilla", PICTURES, SEVERAL[:, :2], plain).model_,
            r"network 'teacher' gives \(2, 2\) for two inputs: expected \(2, 3\)",
        ),
    ],
)
def test_a_teacher_that_knows_something_else_is_refused(teaches, message, teacher):
    with pytest.raises(ValueError, match=message):
        fitted("MLD", PICTURES, SEVERAL, plain, teacher=teaches(teacher), **KNOWN)


def test_a_teacher_of_images_in_0_to_1_takes_no_others(teacher):
    with pytest.raises(ValueError, match="the teacher takes images from 0 to 1, and these reach"):
        fitted("MLD", 255 * PICTURES, SEVERAL, plain | {"bounded": False}, teacher=teacher, **KNOWN)


def test_a_teacher_of_the_same_classes_and_inputs_is_taken(teacher):
    pixels = (255 * PICTURES).to(torch.uint8)
    loose = fitted("Vanilla", PICTURES, SEVERAL, plain | {"bounded": False}, **KNOWN)
    for x, teaches, more in (
        (PICTURES, teacher, KNOWN),
        (PICTURES, teacher.model_, KNOWN),
        (pixels, teacher, KNOWN),
        (pixels, loose, KNOWN),
        (PICTURES, teacher, {}),  # numbers of columns say nothing about them
    ):
        fitted("MLD", x, SEVERAL, plain, teacher=teaches, **more)
