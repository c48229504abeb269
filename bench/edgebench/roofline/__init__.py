"""What a network has to compute and to move, what this host can at most, and how far a run is from it.

``layers`` counts, ``peaks`` measures the host, ``analysis`` puts both together
(Williams, Waterman and Patterson, "Roofline", CACM 52(4), 2009), ``operators``
and ``kernels`` say where the time goes, ``published`` redoes the 2021 report's
arithmetic, ``job`` is what runs in the worker.
"""
