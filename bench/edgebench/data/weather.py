"""The Jena weather series: reading the institute's 21-column files, and a synthetic stand-in.

The files are latin-1 text, one row in ten minutes, first column the date, and
-9999 where a sensor gave nothing.
"""

import io

import numpy

from edgebench.data import bounded
from edgebench.errors import DataError, WrongDataError

COLUMNS = 21
TEMPERATURE = 1
_SENTINEL_BELOW = -9990.0
# Half a year has 4 MB, and all years together fewer than 100.
_MOST_BYTES = 256 << 20


def load(found, warnings):
    """Return float32 (rows, 21) in order of time, gaps filled from their neighbours. Raises DataError."""
    parts = [_read_file(found.paths[name], warnings) for name in sorted(found.paths)]
    return numpy.concatenate(parts)


def _read_file(path, warnings):
    with bounded.refusing(path):
        read = bounded.read_member if path.endswith(".zip") else bounded.read_file
        return parse(read(path, _MOST_BYTES).decode("latin-1"), path, warnings)


def parse(text, where, warnings):
    """Return the float32 (rows, 21) of one file's text; ``where`` names it in errors. Raises DataError."""
    header, _, body = text.partition("\n")
    columns = len(header.split(",")) - 1
    if columns != COLUMNS:
        raise WrongDataError(
            "{} has {} columns after the date, expected 21. Use the mpi_roof_*.csv files; the extract "
            "jena_climate_2009_2016.csv has only 14 columns.".format(where, columns),
            "weather-columns-wrong",
        )
    try:
        rows = numpy.loadtxt(
            io.StringIO(body), delimiter=",", usecols=range(1, COLUMNS + 1), dtype=numpy.float32, ndmin=2
        )
    except (ValueError, IndexError) as error:
        raise DataError(
            "{} is not a complete weather file: {}. Download it again.".format(where, error),
            "weather-file-incomplete",
        )
    return _filled(rows, where, warnings)


def _filled(rows, where, warnings):
    missing = (rows <= _SENTINEL_BELOW) | ~numpy.isfinite(rows)
    if missing.any():
        warnings.append(
            "{}: {} values in {} rows are marked as missing and were interpolated".format(
                where, int(missing.sum()), int(missing.any(axis=1).sum())
            )
        )
        index = numpy.arange(len(rows))
        for column in numpy.flatnonzero(missing.any(axis=0)):
            gap = missing[:, column]
            if gap.all():
                raise DataError(
                    "{}: column {} has no values. Download it again.".format(where, column + 1),
                    "weather-column-empty",
                )
            rows[gap, column] = numpy.interp(index[gap], index[~gap], rows[~gap, column])
    return rows


def synthetic(random, rows):
    """Return float32 (rows, 21): yearly and daily waves with drifting noise, the temperature in column 1 in °C."""
    minutes = numpy.arange(rows) * 10.0
    year = numpy.sin(2 * numpy.pi * minutes / (365.25 * 1440) - 1.9)
    day = numpy.sin(2 * numpy.pi * minutes / 1440 - 2.0)
    series = numpy.empty((rows, COLUMNS), numpy.float32)
    for column in range(COLUMNS):
        drift = numpy.cumsum(random.normal(0, 0.02, rows))
        drift -= numpy.linspace(drift[0], drift[-1], rows)
        series[:, column] = random.uniform(-1, 1) * year + random.uniform(-1, 1) * day + drift
    series[:, TEMPERATURE] = 9.5 + 9.0 * year + 3.5 * day + 2.0 * series[:, TEMPERATURE]
    return series
