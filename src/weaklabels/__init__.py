"""The code behind *Weak Labels: a book of reproducible papers*."""

from typing import Any

__version__ = "0.2.0"
__all__ = ["Classifier", "read_answers", "read_labels", "read_table"]


def __getattr__(name: str) -> Any:
    """The door to the library, opened when it is asked for: PyTorch takes seconds to import."""
    if name in __all__:
        from weaklabels import estimator

        return getattr(estimator, name)
    raise AttributeError(f"module 'weaklabels' has no attribute {name!r}")
