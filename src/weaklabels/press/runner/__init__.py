"""Executing the notebooks of a book: only those whose inputs changed, interruptible at any time.

``options`` checks what the user asked for, ``notebooks`` reads the book folder, ``stamps`` decides
what is up to date, ``execute`` runs one notebook, ``schedule`` runs many, ``report`` tells.
"""
