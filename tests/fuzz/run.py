"""Fuzzes for a given time (`make fuzz`): guided by coverage where the engine can be had, else by chance.

What makes a reader fall over is kept in tests/fuzz/found/TARGET and is a test from then on; what reached new code is
kept in build/fuzz/TARGET, where the next run goes on.
"""

import argparse
import contextlib
import hashlib
import importlib
import inspect
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.fuzz import target as targets
from tests.fuzz.target import ROOT, Target

ENGINE = ROOT / "build/fuzz/engine"
FOUND = ROOT / "tests/fuzz/found"
LOCK = ROOT / "requirements/fuzz.txt"
# One input that takes longer, or more memory, is a finding.
INPUT_LIMIT_S = 20
MEMORY_MB = 2048
LONGEST_BYTES = 20_000


def main() -> int:
    """Fuzz all targets, or those named, one after the other; 1 where one has findings."""
    parser = argparse.ArgumentParser(description="Fuzz the readers of what others send.")
    parser.add_argument("--seconds", type=int, default=300, help="for all targets together (300)")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all, without any")
    given = parser.parse_args()
    if given.one:
        return _fuzz(given.targets[0], given.seconds)
    known = _targets()
    unknown = set(given.targets) - set(known)
    if unknown:
        parser.error(
            f"unknown target {', '.join(sorted(unknown))}, expected one of {', '.join(known)} [target-unknown]"
        )
    names = given.targets or list(known)
    has_engine = _get_engine()
    each_s = max(1, given.seconds // len(names))
    print(f"edgebench: {len(names)} targets, {each_s} s each, {'by coverage' if has_engine else 'by chance'}")
    failed = [name for name in names if not _ran(name, each_s)]
    if failed:
        print(
            f"edgebench: findings in {', '.join(failed)}. The inputs are in tests/fuzz/found, the logs in "
            "build/fuzz/TARGET.log [fuzz-findings]"
        )
    return 1 if failed else 0


def _targets() -> dict[str, Target]:
    from tests.fuzz import data_files, texts

    return {each.name: each for each in (*texts.TARGETS, *data_files.TARGETS)}


def _get_engine() -> bool:
    """Install the engine beside the environment, once for each lock; return whether it can be had."""
    stamp = ENGINE / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    if stamp.exists():
        return True
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
    command += [
        "--no-deps",
        "--only-binary",
        ":all:",
        "--require-hashes",
        "--target",
        str(ENGINE),
        "-r",
        str(LOCK),
    ]
    if subprocess.run(command, check=False).returncode != 0:
        print(
            "edgebench: the engine of requirements/fuzz.txt cannot be installed, so inputs are chosen by chance. Check "
            "the network, and that the engine supports this Python [engine-missing]"
        )
        return False
    stamp.touch()
    return True


def _ran(name: str, seconds: int) -> bool:
    (FOUND / name).mkdir(parents=True, exist_ok=True)
    (ROOT / "build/fuzz").mkdir(parents=True, exist_ok=True)
    log = ROOT / f"build/fuzz/{name}.log"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ENGINE), str(ROOT / "bench"), str(ROOT)])}
    command = [sys.executable, "-m", "tests.fuzz.run", "--one", "--seconds", str(seconds), name]
    with log.open("wb") as output:
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=output, stderr=output, check=False)
    # Only what was found is worth a folder.
    with contextlib.suppress(OSError):
        (FOUND / name).rmdir()
    last = log.read_text("utf-8", "replace").strip().splitlines() or [""]
    print(f"{name:12} {'ok' if done.returncode == 0 else 'FOUND'}  {last[-1][:90]}", flush=True)
    return done.returncode == 0


def _fuzz(name: str, seconds: int) -> int:
    try:
        atheris: Any = importlib.import_module("atheris")
    except ImportError:
        return _by_chance(_targets()[name], seconds)
    with atheris.instrument_imports(
        include=["edgebench", "edgebench_report", "wave", "PIL", "tarfile", "csv"]
    ):
        target = _targets()[name]
    plain = targets.plugin
    targets.plugin = lambda wanted: _instrumented(atheris, plain(wanted))  # type: ignore[assignment]
    corpus = ROOT / "build/fuzz" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    words = corpus.with_suffix(".words")
    words.write_text(
        "".join('"' + "".join(f"\\x{byte:02x}" for byte in word[:60]) + '"\n' for word in target.words)
    )
    options = [f"-max_total_time={seconds}", f"-timeout={INPUT_LIMIT_S}", f"-rss_limit_mb={MEMORY_MB}"]
    options += [
        f"-max_len={LONGEST_BYTES}",
        f"-artifact_prefix={FOUND / name}/",
        f"-dict={words}",
        str(corpus),
    ]
    atheris.Setup(["edgebench-fuzz", *options], target.check)
    # Does not return: it ends the process, with 0 where nothing was found.
    atheris.Fuzz()
    return 1


_seen: dict[str, ModuleType] = {}


def _instrumented(atheris: Any, module: ModuleType) -> ModuleType:
    """Let the engine watch the functions and methods of a plugin, which is not imported by name."""
    if module.__name__ not in _seen:
        _seen[module.__name__] = module
        for holder in [module, *(each for each in vars(module).values() if inspect.isclass(each))]:
            if holder is module or holder.__module__ == module.__name__:
                for name, value in list(vars(holder).items()):
                    if inspect.isfunction(value) and value.__module__ == module.__name__:
                        setattr(holder, name, atheris.instrument_func(value))
    return module


def _by_chance(target: Target, seconds: int) -> int:
    from hypothesis import HealthCheck, Phase, given, settings

    from tests.fuzz.mutations import inputs

    end_s = time.monotonic() + seconds
    tried = 0
    last = b""
    rules = settings(
        max_examples=500,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )

    @rules
    @given(inputs(target))
    def search(data: bytes) -> None:
        nonlocal tried, last
        tried, last = tried + 1, data
        target.check(data)

    while time.monotonic() < end_s:
        try:
            search()
        except BaseException:
            Path(FOUND / target.name / f"crash-{hashlib.sha256(last).hexdigest()[:16]}").write_bytes(last)
            raise
    print(f"{tried} inputs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
