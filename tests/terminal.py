"""Programs as a person runs them: on a real terminal or into a pipe, with the time of each line and with Ctrl-C."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Line:
    """A line of output and when it was whole, in seconds from the start."""

    at_s: float
    text: str


class Program:
    """A program in a session of its own, whose output is read as it comes.

    On a terminal, it is the foreground process group of a real pty, so that ``interrupt`` is what Ctrl-C is. Otherwise
    its output is a pipe, as for ``| tee log``.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        folder: Path,
        environment: Mapping[str, str],
        *,
        on_terminal: bool,
    ) -> None:
        self.lines: list[Line] = []
        self.text = ""
        self._begun = time.monotonic()
        if on_terminal:
            own, other = pty.openpty()
        else:
            own, other = os.pipe()
        # What starts the tests may ignore SIGINT, as a shell makes its background jobs do, and children would as well.
        reset = (
            "import os, signal, sys; signal.signal(2, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])"
        )
        words = [sys.executable, "-c", reset, *(str(each) for each in command)]
        if on_terminal:
            # `setsid -c` makes the terminal the controlling one, without which Ctrl-C reaches nobody.
            words = ["setsid", "-c", "-w", *words]
        self.process = subprocess.Popen(
            words,
            cwd=folder,
            env=dict(environment),
            stdin=other if on_terminal else subprocess.DEVNULL,
            stdout=other,
            stderr=other,
            start_new_session=not on_terminal,
        )
        os.close(other)
        self._own = own
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        rest = b""
        with contextlib.suppress(OSError):
            while piece := os.read(self._own, 65536):
                now = time.monotonic() - self._begun
                self.text += piece.decode("utf-8", "replace")
                *whole, rest = (rest + piece).split(b"\n")
                self.lines += [Line(now, each.decode("utf-8", "replace").rstrip("\r")) for each in whole]

    @property
    def passed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._begun

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.write(self._own, b"\x03")

    def wait(self, timeout_s: float) -> int:
        """Return the exit code; its output has been read then."""
        code = self.process.wait(timeout_s)
        self._reader.join(10)
        return code

    def end(self) -> None:
        """Kill what is left of it."""
        for pid in [*tree(self.process.pid), self.process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def gaps(self) -> list[tuple[float, str]]:
        """Return for each line the seconds before it without one, and the line; the longest first."""
        moments = [0.0, *(line.at_s for line in self.lines)]
        found = [
            (after - before, line.text)
            for before, after, line in zip(moments, moments[1:], self.lines, strict=False)
        ]
        return sorted(found, reverse=True)


def processes() -> dict[int, tuple[int, int, str]]:
    """Return {PID: (its parent, its session, its command line)} of all processes that have not ended."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent, _, session = (path / "stat").read_text().rpartition(")")[2].split()[:4]
            if state != "Z":
                words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                found[int(path.name)] = (int(parent), int(session), words.strip())
    return found


def tree(root: int) -> list[int]:
    """Return the PIDs of all descendants of a process."""
    now = processes()
    found, todo = [], [root]
    while todo:
        parent = todo.pop()
        children = [pid for pid, (its_parent, _, _) in now.items() if its_parent == parent]
        found += children
        todo += children
    return found


def left_of(folder: Path, timeout_s: float) -> dict[int, str]:
    """Wait until no process works for a checkout, and return {PID: command line} of those that do after the timeout.

    Such a process has its folder in its command line, its working directory or its environment, whoever is its parent.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        now = processes()
        own, pid = set(), os.getpid()
        while pid in now and pid not in own:
            own.add(pid)
            pid = now[pid][0]
        found = {}
        for pid, (_, _, words) in now.items():
            if pid not in own and _works_for(pid, words, str(folder)):
                found[pid] = words
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def _works_for(pid: int, words: str, folder: str) -> bool:
    if folder in words:
        return True
    with contextlib.suppress(OSError):
        if os.readlink(f"/proc/{pid}/cwd").startswith(folder):
            return True
    with contextlib.suppress(OSError):
        return folder.encode() in Path(f"/proc/{pid}/environ").read_bytes()
    return False
