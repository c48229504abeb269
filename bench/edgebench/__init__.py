"""The edgebench runner: times nine workloads on one host: the eight trainings of the 2019 report and keyword spotting.

It is shipped to hosts as one zipapp and must run on anything from Python 3.5
(syntax) with TensorFlow 1.5 to today's stack, so it uses the standard library,
NumPy and the framework alone, and imports the last two only in a worker.
"""

__version__ = "0.1.0"

# Before any module imports NumPy.
from edgebench import environment  # noqa: F401
