"""From how a process ended to a status a person can trust."""

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
        (_ended(-9, kills=1), "oom", "killed by the kernel for memory, in the phase train"),
        (_ended(-9, kills=0), "failed", "killed from outside"),
        (_ended(-9, kills=None), "oom", "most likely by the kernel"),
        (_ended(-9, timed_out=True), "timeout", "limit of 30 s, in the phase train"),
        (_ended(-signal.SIGILL, "import"), "unsupported", "this CPU lacks instructions"),
        (_ended(-signal.SIGILL, "build"), "unsupported", "SIGILL in the phase build"),
        (
            _ended(-signal.SIGABRT, "import", "F compiled to use SSE4.1"),
            "unsupported",
            "compiled to use SSE4.1",
        ),
        (_ended(-signal.SIGABRT, "train", "terminate: std::bad_alloc"), "oom", "std::bad_alloc"),
        (_ended(1, "import", "ImportError: failed to map segment from shared object"), "oom", "map segment"),
        (
            _ended(-signal.SIGABRT, "train", "Check failed: x"),
            "failed",
            "died by SIGABRT in the phase train: Check",
        ),
        (_ended(-signal.SIGABRT, "warmup"), "unsupported", "SIGABRT in the phase warmup"),
        (_ended(-signal.SIGABRT, "windows"), "failed", "SIGABRT in the phase windows"),
        (_ended(-signal.SIGSEGV), "failed", "SIGSEGV"),
        (_ended(3), "failed", "exit code 3"),
    ],
)
def test_judge(ended: Exit, status: str, told: str) -> None:
    found, reason = judge(ended)
    assert (found, told in reason) == (status, True), reason
