"""The code behind *Weak Labels: a book of reproducible papers*."""

__version__ = "0.1.0"
