"""From how a process ended to a status a person can trust."""

import re
import signal

import pytest
from edgebench.verdict import Exit, judge


def _ended(
    code: int, phase: str = "train", log: str = "", kills: int | None = 0, timed_out: bool = False
) -> Exit:
    return Exit(code, timed_out, 30.0, phase, log, kills)


@pytest.mark.parametrize(
    ("ended", "status", "told"),
    [
        (_ended(-9, kills=1), "oom", r"\bSIGKILL\b.*\boom_kill 1\b.*\btrain\b"),
        (_ended(-9, kills=0), "failed", r"^(?!.*oom_kill).*\bSIGKILL\b.*\btrain\b"),
        # The kernel does not count here, so that it is only likely.
        (_ended(-9, kills=None), "oom", r"^(?!.*oom_kill).*\bSIGKILL\b.*\btrain\b"),
        (_ended(-9, timed_out=True), "timeout", r"\b30 s\b.*\btrain\b"),
        (_ended(-signal.SIGILL, "import"), "unsupported", r"\bCPU\b.*\bSIGILL\b.*\bimport\b"),
        (_ended(-signal.SIGILL, "build"), "unsupported", r"\bCPU\b.*\bSIGILL\b.*\bbuild\b"),
        (
            _ended(-signal.SIGABRT, "import", "F compiled to use SSE4.1"),
            "unsupported",
            r"\bCPU\b.*\bSIGABRT\b.*\bimport\b.*: F compiled to use SSE4\.1$",
        ),
        (
            _ended(-signal.SIGABRT, "train", "terminate: std::bad_alloc"),
            "oom",
            r"\bSIGABRT\b.*: terminate: std::bad_alloc$",
        ),
        (
            _ended(1, "import", "ImportError: failed to map segment from shared object"),
            "oom",
            r"\bimport\b.*\b1\b.*: ImportError: failed to map segment from shared object$",
        ),
        (
            _ended(-signal.SIGABRT, "train", "Check failed: x"),
            "failed",
            r"\bSIGABRT\b.*\btrain: Check failed: x$",
        ),
        (_ended(-signal.SIGABRT, "warmup"), "unsupported", r"\bCPU\b.*\bSIGABRT\b.*\bwarmup\b"),
        (_ended(-signal.SIGABRT, "windows"), "failed", r"\bSIGABRT\b.*\bwindows\b"),
        (_ended(-signal.SIGSEGV), "failed", r"\bSIGSEGV\b"),
        (_ended(3), "failed", r"\b3\b"),
    ],
)
def test_judge(ended: Exit, status: str, told: str) -> None:
    found, reason = judge(ended)
    assert found == status
    assert re.search(told, reason), reason
