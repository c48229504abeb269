"""The reporter: turns records of benchmark runs into tables, plots and one page.

It knows records, never hosts. Modules, each using only those above it:
``text``, ``statistics``, ``published`` and ``load`` (facts in), ``aggregate`` (what may be
compared with what), ``rates``, ``tables``, ``results``, ``inference``, ``answer``, ``answer_tables``,
``evidence``, ``plots`` and ``inline`` (what is shown), ``page`` and ``terminal`` (where it is shown); beside them
``store`` with ``joined`` and ``settings`` (medians of any number of records, by SQL),
``compare``, ``export`` with ``markup``, ``junit`` for CI systems, and ``importers``; ``cli`` and its commands.
"""
