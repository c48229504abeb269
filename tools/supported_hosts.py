"""Writes the README's table of supported hosts from files/tensorflow_stacks.yml and the data of Jetson boards.

Usage: python tools/supported_hosts.py [--check]
"""

import argparse
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BEGIN, END = "<!-- written by tools/supported_hosts.py -->\n", "<!-- end -->\n"
CPUS = {"x86_64": "x86_64", "aarch64": "64-bit Arm", "armv7l": "32-bit Arm"}


def table() -> str:
    """Return the table of hosts and stacks, and the line of Jetson modules, as Markdown."""
    stacks = _data("tensorflow_stacks.yml")["stacks"]
    releases = {
        each: str(jetpack)
        for series in _data("l4t_releases.yml")["jetpack"].values()
        for each, jetpack in series.items()
    }
    lines = ["| host | Python | stack | tried on |", "|---|---|---|---|"]
    for stack in stacks:
        software = f"TensorFlow {stack['tensorflow']}, Keras {stack['keras']}"
        lines.append(
            f"| {_hosts(stack, releases)} | {_range(stack['python'])} | {software} | {stack['tried']} |"
        )
    return "\n".join([*lines, "", f"Known Jetson modules: {', '.join(_modules())}."]) + "\n"


def _range(versions: list[str]) -> str:
    return versions[0] if versions[0] == versions[-1] else f"{versions[0]} to {versions[-1]}"


def _data(name: str) -> Any:
    return yaml.safe_load((ROOT / "files" / name).read_text("utf-8"))


def _hosts(stack: dict[str, Any], releases: dict[str, str]) -> str:
    if stack["gpu"] == "tegra":
        covers = runpy.run_path(str(ROOT / "plugins/filter/edgebench_stack.py"))["_covers"]
        known = [
            jetpack
            for release, jetpack in releases.items()
            if any(covers(each, release) for each in stack["l4t"])
        ]
        later = " and later" if any(each.endswith("+") for each in stack["l4t"]) else ""
        return f"Jetson, JetPack {_range(known)}{later}"
    cpus = " or ".join(CPUS[each] for each in stack["architectures"])
    if stack["gpu"] == "cuda":
        return f"{cpus} with an NVIDIA GPU"
    return cpus if "x86_64" not in stack["architectures"] or stack["cpu_flags"] else f"{cpus} without AVX"


def _modules() -> Iterator[str]:
    # Variants have a part number with a dash, and a kit is the module that it is like.
    for number, module in _data("jetson_boards.yml")["modules"].items():
        if "-" not in number and "name" in module:
            yield module["name"].removeprefix("Jetson ")


def updated(readme: str) -> str:
    """Return the README with the table of today. Raises ValueError if it has no place for it."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{README.name} lacks {BEGIN.strip()!r} or {END.strip()!r} after it")
    return f"{before}{begin}{table()}{end}{after}"


def main() -> int:
    """Write the table, or with --check exit with 1 where it is not that of today."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if the table is an old one"
    )
    given = parser.parse_args()
    found = README.read_text("utf-8")
    wanted = updated(found)
    if given.check:
        if found != wanted:
            print(
                f"{README.name} has an old table; run: python tools/supported_hosts.py [readme-table-old]",
                file=sys.stderr,
            )
        return int(found != wanted)
    README.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
