"""Train with any method of the book on labels of your own.

A table names the images and what is known of their labels, or the data are arrays already;
:class:`Classifier` trains, predicts, judges, shows where it looks, and is saved to one file.
"""

from weaklabels.estimator.classifier import Classifier
from weaklabels.estimator.labels import ZerosAreUnclear
from weaklabels.estimator.tables import Labelled, read_answers, read_labels, read_table

__all__ = [
    "Classifier",
    "Labelled",
    "ZerosAreUnclear",
    "read_answers",
    "read_labels",
    "read_table",
]
