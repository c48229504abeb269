"""What became of a worker that did not say so itself: from how its process ended to a record's status and reason."""

import signal
from collections import namedtuple

Exit = namedtuple("Exit", "code timed_out limit_s phase log_tail oom_kills")
Exit.__doc__ = """How a worker's process ended.

code: exit code, negative for the number of the signal. timed_out: this program
killed it at its limit of limit_s seconds. phase: the last one it told. log_tail:
the end of its log. oom_kills: processes the kernel killed for memory while it
ran, None where the kernel does not count (before 4.13).
"""

_NO_MEMORY = ("bad_alloc", "Cannot allocate memory", "MemoryError", "out of memory", "failed to map segment")
# Some look at the CPU themselves and abort: TensorFlow when it is imported, engines by their first inference.
_FIRST_PHASES = ("import", "load", "accuracy", "warmup")


def judge(ended):
    """Return (status, reason) for an ``Exit``."""
    if ended.timed_out:
        return "timeout", "stopped after its limit of {:g} s, in the phase {}".format(
            ended.limit_s, ended.phase
        )
    last_words = _last_line(ended.log_tail)
    name = _signal_name(-ended.code) if ended.code < 0 else "exit code {}".format(ended.code)
    if -ended.code == signal.SIGKILL:
        if ended.oom_kills is None:
            return (
                "oom",
                "killed (SIGKILL) in the phase {}, probably by the kernel for lack of memory".format(
                    ended.phase
                ),
            )
        if ended.oom_kills > 0:
            return (
                "oom",
                "killed by the kernel for lack of memory (SIGKILL, oom_kill {}) in the phase {}".format(
                    ended.oom_kills, ended.phase
                ),
            )
        return "failed", "killed by another process (SIGKILL) in the phase {}".format(ended.phase)
    if any(sign in ended.log_tail for sign in _NO_MEMORY):
        return "oom", "out of memory in the phase {} ({}): {}".format(ended.phase, name, last_words)
    if -ended.code == signal.SIGILL or (ended.phase in _FIRST_PHASES and -ended.code == signal.SIGABRT):
        return (
            "unsupported",
            "this CPU lacks instructions that the framework, the engine or NumPy needs ({} in the phase {}){}".format(
                name, ended.phase, ": " + last_words if last_words else ""
            ),
        )
    return "failed", "died by {} in the phase {}{}".format(
        name, ended.phase, ": " + last_words if last_words else ""
    )


def no_memory_in(text):
    """Tell whether a traceback or log speaks of memory that could not be had."""
    return any(sign in text for sign in _NO_MEMORY)


def _signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return "signal {}".format(number)


def _last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
