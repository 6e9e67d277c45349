"""The papers' own data and settings: tried on a slice, planned by cost, computed within a budget.

``slices``
    a few examples of each dataset: real ones where they are at hand, made-up ones elsewhere.
``shorten``
    a run of the profile ``paper`` with every part of it, in a few steps.
``follow``
    the code of a chapter's notebook, followed with the profile ``paper``.
``throughput``
    how many images a second the papers' networks train on.
``sharing``
    how many of their runs share a card best.
``at_hand``
    what is at hand of what a table needs.
``check``, ``plan``, ``work``
    ``make paper-check``, ``make paper-plan`` and ``make record PROFILE=paper``.
"""
