"""Where the time of a training goes, by measuring: a sweep over batch sizes, the real input, a real training.

``measure`` takes the times in a worker (``job``), ``curve`` fits a step's time
over the size of its batch, ``parts`` splits a step by that fit, by the counted
operations and by what this host can at most, ``explanation`` makes the record,
``survey`` runs it all, ``words`` says it, ``published`` does what can be done
with the 2019 report's own times.
"""
