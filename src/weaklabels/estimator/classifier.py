"""The estimator: labels of five kinds in, a network that predicts out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from torch import Tensor, nn

from weaklabels import methods
from weaklabels.estimator import choices, extras, inputs, judging, labels, networks, saving
from weaklabels.estimator.augmenting import augmentation, check_steps
from weaklabels.estimator.inputs import Form
from weaklabels.estimator.settings import check_settings, pair
from weaklabels.estimator.training import Course, all_or_nothing, identity_of, train
from weaklabels.models import Network
from weaklabels.seeding import seed_torch, torch_rng
from weaklabels.train import predict

SIDE = 128
"""Side to which image files are resized unless another is named, pixels."""


class Classifier(ClassifierMixin, BaseEstimator):
    """A network and the method that trains it on weak labels.

    It is an estimator in the sense of scikit-learn: ``clone``, ``get_params``, ``cross_val_score``
    and grid searches work on arrays. ``Classifier.methods(kind)`` lists the methods for each kind
    of labels, see :meth:`methods`.

    What a method must be told beside the labels is chosen to fit them, unless it is named here:

    - **LL-R, LL-Ct, LL-Cp**: ``rate`` grows to the estimated share of present labels among the
      unknown ones in the last epoch: where negatives are annotated, the share of present ones among
      the known; else half the share of annotated labels.
    - **EM, EntMin, EM+APL**: ``alpha`` 0.1; EM+APL: ``beta`` 0.5, pseudo-labels after three
      quarters of the epochs.
    - **L1R, L2R**: ``weight`` 1e-5 and 1e-4.
    - **EPR, ROLE, nnPU**: the mean number of present labels of a row, ``expected_positives``, is
      the sum over classes of the share of present ones among the known labels. Where only present
      labels are annotated, nothing tells it, and ``fit`` asks for it.
    - **CAP** and its kin, **CAP thresholds**, **CDCR**, **BLDR**: ``warm_up`` is the published one,
      or a half (CDCR, BLDR: a third) of the epochs if that is less.
    - **Co-teaching**: ``forget`` 0.2, the share of wrong labels: name your own estimate.
    - **NLNL**: negative learning for half of the epochs, the selective one up to three quarters.
    - **PGD-AT, TRADES, MART**: ``eps`` 8/255.

    Args:
        method: a name, see :meth:`methods`.
        network: ``"auto"`` (see ``networks.recipe``), a name of ``models.BUILDERS``, or a module of
            your own that gives a score for each class. One with ``features``, ``pool`` and a linear
            ``head`` has class activation maps; another works without.
        network_options: for the builder of a named network.
        pretrained: start from ImageNet weights: EfficientNet-Lite0 unless a ResNet or another
            EfficientNet is named. Their inputs are normalised as these weights want it; other
            networks normalise by the mean and deviation of the training inputs.
        side: image files are resized to squares of so many pixels; default 128.
        bounded: floating-point images are in [0, 1]; False takes others as they are.
        epochs, batch_size: length of training, inputs a step.
        lr: learning rate of Adam; default 1e-3, or 1e-4 for pretrained layers and ten times that
            for the new head.
        augment: steps of ``data.augment.pipeline`` for training images, such as ``(("flip",),)``.
            Noise is on the scale on which networks see images, [0, 1] unless ``bounded=False``.
        device: ``"auto"`` (CUDA, or Apple's MPS, or the CPU) or a name of PyTorch's.
        seed: of the initial weights, the order of the batches, and all else that is drawn.
        progress: show a bar while training, and say at the end what was done.
        method_options: of the method.

    Attributes:
        classes_: C names, or the values that the labels had.
        model_: the network, in evaluation mode, on the device that trained it.
        thresholds_: ``(C,)`` probabilities from which a label counts as present; one half until
            thresholds are chosen. Of no use where a row has one label.
        history_: a row an epoch: mean loss, and the score on validation labels if there are some.
        best_epoch_: the epoch of the weights: the last, or the best by the validation labels.
        report_: one sentence about the training.
    """

    def __init__(
        self,
        method: str = "EM",
        *,
        network: str | nn.Module = "auto",
        network_options: dict[str, Any] | None = None,
        pretrained: bool = False,
        side: int | None = None,
        bounded: bool = True,
        epochs: int = 20,
        batch_size: int = 32,
        lr: float | None = None,
        augment: Sequence[tuple] = (),
        device: str = "auto",
        seed: int = 0,
        progress: bool = True,
        **method_options: Any,
    ) -> None:
        self.method = method
        self.network = network
        self.network_options = network_options
        self.pretrained = pretrained
        self.side = side
        self.bounded = bounded
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.augment = augment
        self.device = device
        self.seed = seed
        self.progress = progress
        self.method_options = method_options

    @staticmethod
    def methods(kind: str) -> list[str]:
        """Names of the methods for a kind of labels, sorted.

        Args:
            kind: ``"missing"``: several labels a row, some of them unknown. ``"candidates"``: a set
                that holds the right label (for CDCR: all right labels). ``"noisy"``: one label a
                row, sometimes wrong (adversarial training takes such labels, too).
                ``"partly labelled"``: some rows have all labels, the others none. ``"crowd"``:
                answers of several workers.

        Raises:
            ValueError: if there is no such kind.
        """
        return choices.fitting(kind)

    # --- parameters, as scikit-learn wants them --------------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """All arguments of the constructor, the method's options among them."""
        return super().get_params(deep) | self.method_options

    def set_params(self, **params: Any) -> Classifier:
        """Change arguments of the constructor; an unknown one is an option of the method."""
        own = set(self._get_param_names())
        for name, value in params.items():
            if name in own:
                setattr(self, name, value)
            else:
                self.method_options = self.method_options | {name: value}
        return self

    # --- training --------------------------------------------------------------------------------

    def fit(
        self,
        x: Any,
        observed: Any = None,
        *,
        classes: Sequence[Any] | None = None,
        validation: tuple[Any, Any] | None = None,
        zeros: str | None = None,
        aggregate: str = "Dawid-Skene",
        expected_positives: float | None = None,
        clean: tuple[Any, Any] | None = None,
        views: tuple[Any, Any] | None = None,
        teacher: Classifier | Network | None = None,
        truth: Any = None,
        folder: str | Path | None = None,
    ) -> Classifier:
        """Train.

        Args:
            x: images or features: an array or a tensor, a folder of images, a list of files, or a
                ``torch.utils.data.Dataset`` (see ``inputs.tensors``).
            observed: the labels. Missing and partly labelled: ``(N, C)``, +1 present, -1 absent, 0
                unknown. Candidates: ``(N, C)`` bool. Noisy: ``(N,)`` numbers or names. Crowd:
                ``(N, R)`` whole numbers, -1 where a worker gave no answer. None takes the second
                entries of a dataset's items. What is masked (``numpy.ma``) is not known.
            classes: C names in the order of the columns, or of the class numbers; or numbers, which
                labels, answers and predictions of one class a row then hold. Default: the columns
                of a frame, or the numbers.
            validation: further inputs with labels that are known to be right. Several labels a row:
                +1, -1 and 0 for unknown, or 1 and 0 if complete; else the class. Training keeps
                the weights of the epoch with the best mean average precision, or accuracy, on them,
                and chooses thresholds where positives and negatives are annotated.
            zeros: ``"absent"`` or ``"unknown"``, what 0 means where ``observed`` is 1 and 0 alone.
                Such labels to judge by are complete, with a warning if 0 was unknown here.
            aggregate: how answers become one label a row, for methods that do not take them
                directly: ``"Dawid-Skene"`` or ``"majority"``.
            expected_positives: mean number of present labels of a row, for EPR, ROLE and nnPU.
            clean: inputs and right classes of some further rows, for MoGD.
            views: two functions of a batch of inputs, a weak and a strong view, for BLDR.
            teacher: for distillation: a trained :class:`Classifier` (of ``"Vanilla"``, say), or a
                network with an embedding for every class.
            truth: ``(N, C)``, 1 where a label is present, to show what knowing it would bring.
            folder: where the state is kept after each epoch. A killed training goes on from there
                when called again with the same data, settings and initial weights of your own.

        Returns:
            itself; where it fails or is interrupted, it is as it was before.

        Raises:
            ValueError: in one sentence, if inputs, labels, method and settings do not fit.
            FloatingPointError, OSError: if a loss is not finite, a folder cannot be written to.
        """
        inputs.same_rows(x, truth)
        told = extras.Told(expected_positives, clean, views, teacher, truth)
        x, form, given, judged = self._read(x, observed, classes, validation, zeros, aggregate)
        device = networks.device_of(self.device)
        with all_or_nothing(self), torch.random.fork_rng(devices=networks.devices_of(device)):
            course = self._train(x, form, given, told, judged, device, folder)
            self._finish(course, judged)
        return self

    def _read(
        self,
        x: Any,
        observed: Any,
        classes: Sequence[Any] | None,
        validation: tuple[Any, Any] | None,
        zeros: str | None,
        aggregate: str,
    ) -> tuple[Tensor, Form, labels.Labels, tuple[Tensor, np.ndarray] | None]:
        inputs.same_rows(x, observed)
        check_settings(self.get_params(), self.method_options)
        extras.check_words(zeros, aggregate)
        if validation is not None:
            validation = pair(validation, "validation", "(inputs, labels)")
        observed = inputs.labels_of(x) if observed is None else observed
        names = inputs.columns_of(x)
        x = inputs.tensors(x, int(self.side or SIDE), bounded=self.bounded)
        if len(x) < 2:
            raise ValueError("there is one input: expected two or more")
        given = labels.of_method(
            self.method, observed, classes, len(x),
            zeros=zeros, aggregate=aggregate, seed=self.seed,
        )  # fmt: skip
        labels.warn(self.method, given)
        form = inputs.form_of(x, bounded=self.bounded, names=names)
        check_steps(self.augment, x, form)
        saving.check(self, given.classes)
        if validation is None:
            return x, form, given, None
        judged = judging.read(
            form, *validation, given.classes, several=given.several, said=given.zeros
        )
        return x, form, given, judged

    def _train(
        self,
        x: Tensor,
        form: Form,
        given: labels.Labels,
        told: extras.Told,
        judged: tuple[Tensor, np.ndarray] | None,
        device: torch.device,
        folder: str | Path | None,
    ) -> Course:
        count, observed = len(given.classes), given.observed.to(device)
        context, expected = told.context(self.method, observed, x, form, given.classes, self.seed)
        options = choices.options_for(
            self.method, self.method_options, given.observed,
            epochs=self.epochs, classes=count, expected=expected, seed=self.seed,
        )  # fmt: skip
        learner = methods.create(self.method, **options)
        plan = networks.recipe(
            self.network, self.network_options, form, self.method, pretrained=self.pretrained
        )
        statistics = None if isinstance(plan, nn.Module) else inputs.statistics(x)
        model = networks.build(plan, form, count, seed=self.seed, statistics=statistics).to(device)
        self.model_, self.form_, self.plan_ = model, form, plan
        self.classes_, self.several_, self.by_name_ = given.classes, given.several, given.by_name
        self.zeros_ = given.zeros
        self.thresholds_ = np.full(count, 0.5)
        self.method_options_ = options
        identity = None
        if folder is not None:  # before the network learns, or the method adds to it
            own = {"network": model} if plan is self.network else {}
            known = None if judged is None else (judged[0], torch.from_numpy(judged[1]))
            more = {"inputs": x, "validation": known, "expected_positives": expected}
            identity = identity_of(self.get_params() | own | told.identity(context) | more)
        seed_torch(self.seed, "training")
        learner.start(context)
        before = set(model.state_dict())
        learner.prepare(model)
        self.prepared_ = set(model.state_dict()) != before
        drawn = torch_rng(self.seed, "augmentation")
        optimiser = networks.optimiser(self.lr, pretrained=self.pretrained)
        return train(
            model, x, learner, optimiser.build(model, learner),
            epochs=self.epochs, batch_size=self.batch_size,
            order=torch_rng(self.seed, "order"), generators=[drawn],
            augment=augmentation(self.augment, form, drawn, device),
            score=None if judged is None else lambda: self._score_of(*judged),
            folder=None if folder is None else Path(folder),
            identity=identity,
            progress=self.progress,
        )  # fmt: skip

    def _score_of(self, x: Tensor, truth: np.ndarray) -> float:
        """Mean average precision, or accuracy, of the network as it is, in percent."""
        scores = self._logits(x)
        if not self.several_:
            return 100 * float((scores.argmax(1).numpy() == truth).mean())
        counted = judging.rankable(truth)
        known = torch.from_numpy(truth)
        return float(judging.metrics.annotated_average_precision(scores, known)[counted].mean())

    def _finish(self, course: Course, judged: tuple[Tensor, np.ndarray] | None) -> None:
        self.model_.eval().requires_grad_(False)
        self.history_ = pd.DataFrame(course.history).set_index("epoch")
        self.best_epoch_ = course.best or self.epochs
        said = [f"{self.method}: {self.epochs} epochs"]
        if course.resumed:
            said[0] += f", the first {course.resumed} of them before an interruption"
        if judged is not None:
            score = self.history_.validation[self.best_epoch_]
            name = "mAP" if self.several_ else "accuracy"
            said.append(f"weights of epoch {self.best_epoch_}, validation {name} {score:.1f} %")
            both = self.several_ and (judged[1] == -1).any()
            if both:
                p = self._logits(judged[0]).sigmoid().numpy()
                self.thresholds_ = judging.best_thresholds(p, judged[1])
                low, high = self.thresholds_.min(), self.thresholds_.max()
                said.append(f"thresholds from {low:.2f} to {high:.2f} chosen on validation labels")
        if self.several_ and (judged is None or not both):
            said.append("thresholds at one half: choose_thresholds(x, observed) finds better ones")
        self.report_ = "; ".join(said) + "."
        if self.progress:
            print(self.report_)

    # --- use -------------------------------------------------------------------------------------

    @property
    def n_features_in_(self) -> int:
        """Number of the features, if the inputs were no images."""
        if not hasattr(self, "form_") or len(self.form_.shape) != 1:
            raise AttributeError("the inputs are no features")
        return self.form_.shape[0]

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of the columns of the inputs, if they were a frame: later ones have the same."""
        if not hasattr(self, "form_") or self.form_.names is None:
            raise AttributeError("the inputs have no names")
        return np.array(self.form_.names, dtype=object)

    def _inputs(self, x: Any) -> Tensor:
        """Inputs as they were in training."""
        self._check_trained()
        return self.form_.read(x)

    def _check_trained(self) -> None:
        if not hasattr(self, "model_"):
            raise NotFittedError("this classifier is not trained yet: call fit, or Classifier.load")

    def _judged(
        self, x: Any, truth: Any, zeros: str | None, *, gaps: bool
    ) -> tuple[Tensor, np.ndarray]:
        """Inputs and what is known of their labels, see ``judging.read``."""
        self._check_trained()
        return judging.read(
            self.form_, x, truth, self.classes_, self.several_, zeros, self.zeros_, gaps=gaps
        )

    def _logits(self, x: Tensor) -> Tensor:
        """Scores ``(N, C)`` float64 on the CPU.

        Raises:
            FloatingPointError: if one is not finite.
        """
        scores = predict(self.model_, x).cpu().double()
        bad = (~scores.isfinite().all(1)).nonzero()
        if len(bad):
            raise FloatingPointError(
                f"the scores of input {int(bad[0])} are not finite: the training went wrong"
            )
        return scores

    def predict_proba(self, x: Any) -> np.ndarray:
        """Probabilities ``(N, C)`` float64: each label's own, or those of the one class.

        Args:
            x: as for :meth:`fit`; files need no table. Arrays must have the size that the model was
                trained on.
        """
        scores = self._logits(self._inputs(x))
        return (scores.sigmoid() if self.several_ else scores.softmax(1)).numpy()

    def predict(self, x: Any) -> np.ndarray:
        """What is there: ``(N, C)`` bool of labels that reach their threshold, or ``(N,)`` classes.

        Classes are positions in ``classes_``, unless the labels were its values or it has numbers.
        """
        p = self.predict_proba(x)
        if self.several_:
            return p >= self.thresholds_
        chosen = p.argmax(1)
        return self.classes_[chosen] if self.by_name_ else chosen

    def choose_thresholds(self, x: Any, observed: Any) -> Classifier:
        """Set each class's threshold to the one with the best F1 on annotated validation labels.

        A class with fewer than five annotated positives or negatives takes the best common one.

        Args:
            x: validation inputs.
            observed: ``(N, C)``, +1 present, -1 absent, 0 unknown (left out), or 1 and 0 alone if
                ``fit`` was told that 0 means absent.

        Raises:
            ValueError: if no positive or no negative is annotated, or a row has one label.
        """
        inputs.same_rows(x, observed)
        p = self.predict_proba(x)
        if not self.several_:
            raise ValueError("a row has one label: the most probable class needs no threshold")
        zeros = None if self.zeros_ == "absent" else "unknown"
        known = judging.known_labels(observed, len(p), self.classes_, zeros=zeros)
        self.thresholds_ = judging.best_thresholds(p, known)
        return self

    def evaluate(
        self, x: Any, truth: Any, *, unknown: str | None = None, zeros: str | None = None
    ) -> pd.DataFrame:
        """How good it is, class by class, and on average.

        Args:
            x: test inputs.
            truth: several labels a row: ``(N, C)``, +1 present and -1 absent, or 1 and 0. One
                label: ``(N,)``.
            unknown: ``"ignore"`` judges by what is known, +1 and -1, and leaves 0 out; default:
                unknown labels are refused.
            zeros: ``"absent"`` or ``"unknown"``, what 0 means where ``truth`` is 1 and 0 alone;
                default: unknown with ``unknown="ignore"``, else absent, with a warning if it was
                unknown in the labels of the training: ``fit`` was told so, or they had -1 too.

        Returns:
            average precision and F1 (:func:`judging.several_labels`) or recall, precision and F1
            (:func:`judging.one_label`), in percent.

        Raises:
            ValueError: in one sentence, if inputs and labels do not fit, or 0 is not clear.
        """
        if unknown not in (None, "ignore"):
            raise ValueError(f"unknown is {unknown!r}: expected 'ignore', or None")
        zeros = zeros or ("unknown" if unknown else None)
        x, known = self._judged(x, truth, zeros, gaps=unknown is not None)
        scores = self._logits(x)
        if self.several_:
            chosen = scores.sigmoid().numpy() >= self.thresholds_
            names, thresholds = self.classes_, self.thresholds_
            return judging.several_labels(scores, chosen, known, names, thresholds)
        if zeros is not None:
            raise ValueError("unknown and zeros are for several labels a row: leave them out")
        return judging.one_label(scores.argmax(1).numpy(), known, self.classes_)

    def score(self, x: Any, observed: Any, *, zeros: str | None = None) -> float:
        """Mean AP of labels of +1, -1, 0 where known (``zeros``: see ``evaluate``), or accuracy.

        In [0, 1].
        """
        return self._score_of(*self._judged(x, observed, zeros, gaps=True)) / 100

    def maps(self, x: Any) -> Tensor:
        """Class activation maps ``(N, C, h, w)``; see ``cam.class_activation_maps``.

        Raises:
            ValueError: if the network has none: its head is not linear on pooled maps.
        """
        return networks.maps(self.model_, self._inputs(x), self.form_)

    # --- one file --------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write everything to one file, which holds tensors and plain values only.

        With it come the size and form of the inputs, their normalisation, classes and thresholds.
        A module of your own is code and stays where it is: :meth:`load` is given it again.

        Raises:
            OSError: if the file cannot be written; one that was there stays.
        """
        self._check_trained()
        saving.save(self, Path(path))

    @classmethod
    def load(
        cls, path: str | Path, *, network: nn.Module | None = None, device: str = "auto"
    ) -> Classifier:
        """Read a file written by :meth:`save`; nothing in it is executed (``weights_only``).

        Args:
            path: the file.
            network: the module that was given to the constructor, if it was one.
            device: where to compute.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is not such a file, is damaged, or the user's own module is missing.
        """
        return saving.load(cls, Path(path), network, device)
