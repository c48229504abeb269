"""Which trials a command line asks for."""

import argparse
from collections.abc import Iterable


def chosen(description: str, known: Iterable[str]) -> list[str]:
    """Return the faults named on the command line, all that are known where none is; exit with 2 at an unknown one."""
    names = list(known)
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=", ".join(names))
    given = parser.parse_args()
    unknown = set(given.faults) - set(names)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return given.faults or names
