"""What the host does while a benchmark runs: temperatures, clocks, throttling, power, memory, load by others.

``sources`` finds what this host can tell, ``sampler`` is the process that asks
it once a second and writes a series, ``sampling`` starts and ends that process,
``series`` is the series' form, and ``summary`` makes of it what a record holds.
"""
