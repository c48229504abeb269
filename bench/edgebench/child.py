"""Starts a worker in its own process and session, hears its events and sees how it ends."""

import json
import os
import selectors
import shlex
import signal
import subprocess
import sys
import time

from edgebench import environment
from edgebench.verdict import Exit

_TICK_S = 0.5
_LOG_TAIL_BYTES = 8192
_OOM_SCORE = "500"


def run(job, log_path, limit_s, on_event, on_tick, python=None):
    """Run one worker to its end and return its ``verdict.Exit``.

    job: dict the worker reads. log_path: file for what it and the framework
    print. limit_s: seconds until it is killed. on_event(dict) is called for
    each event, on_tick() about twice a second. python: interpreter of the
    worker, None for this program's own. KeyboardInterrupt, and any other
    exception, kills the worker and passes through.
    """
    kills_before = _oom_kills()
    with open(log_path, "wb") as log:
        process = subprocess.Popen(
            _command(python or sys.executable),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment.of_worker(),
            # Ctrl-C is for this program to handle; the worker must not see it.
            start_new_session=True,
        )
    _be_first_to_go(process.pid)
    # NumPy, which has instructions of its own, is imported before the worker can say anything.
    phase = ["import"]

    def heard(event):
        if event["event"] == "phase":
            phase[0] = event["phase"]
        on_event(event)

    try:
        timed_out = _listen(process, job, limit_s, heard, on_tick)
        code = process.wait()
    finally:
        if process.poll() is None:
            _kill(process)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
    kills_after = _oom_kills()
    kills = None if kills_before is None or kills_after is None else kills_after - kills_before
    return Exit(code, timed_out, limit_s, phase[0], _tail(log_path), kills)


def _command(python):
    # A prefix lets the worker run under another loader, such as an emulator of an older CPU.
    prefix = shlex.split(os.environ.get("EDGEBENCH_WORKER_PREFIX", ""))
    program = os.path.abspath(sys.argv[0])
    if os.path.basename(program) == "__main__.py":
        return prefix + [python, "-m", "edgebench", "worker"]
    return prefix + [python, program, "worker"]


def _be_first_to_go(pid):
    """Make the kernel, when memory runs out, prefer the worker to this program and the host's services."""
    try:
        with open("/proc/{}/oom_score_adj".format(pid), "w") as handle:
            handle.write(_OOM_SCORE)
    except (IOError, OSError):
        pass


def _listen(process, job, limit_s, heard, on_tick):
    """Hear events until the worker closes its output; return whether it had to be killed at its limit."""
    deadline = time.monotonic() + limit_s
    try:
        process.stdin.write((json.dumps(job) + "\n").encode("utf-8"))
        process.stdin.flush()
    except BrokenPipeError:
        return False
    selector = selectors.DefaultSelector()
    selector.register(process.stdout, selectors.EVENT_READ)
    pending = b""
    try:
        while True:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                _kill(process)
                return True
            if selector.select(min(left_s, _TICK_S)):
                piece = os.read(process.stdout.fileno(), 65536)
                if not piece:
                    return False
                pending += piece
                *lines, pending = pending.split(b"\n")
                for line in lines:
                    heard(json.loads(line.decode("utf-8")))
            on_tick()
    finally:
        selector.close()


def _kill(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


def _tail(path):
    with open(path, "rb") as handle:
        handle.seek(0, os.SEEK_END)
        handle.seek(max(0, handle.tell() - _LOG_TAIL_BYTES))
        return handle.read().decode("utf-8", "replace")


def _oom_kills():
    """Return how many processes the kernel has killed for memory since boot; None before Linux 4.13 (/proc/vmstat)."""
    try:
        with open("/proc/vmstat") as handle:
            for line in handle:
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
    except (IOError, OSError):
        pass
    return None
