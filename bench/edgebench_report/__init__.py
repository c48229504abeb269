"""The reporter: turns records of benchmark runs into tables, plots and one page.

It knows records, never hosts. Modules, each using only those above it:
``text``, ``published`` and ``load`` (facts in), ``aggregate`` (what may be compared
with what), ``tables`` and ``plots`` (what is shown), ``page`` and ``terminal``
(where it is shown), ``cli``.
"""
