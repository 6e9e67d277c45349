"""The book: executed notebooks, text and generated pages, staged and built by Jupyter Book."""

from weaklabels.press.html.builder import BOOK, BookError, build

__all__ = ["BOOK", "BookError", "build"]
