"""A device on a pty: the real program's line, protocol and process, with an engine of the tests."""

import contextlib
import functools
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from edgebench.commands.kws import shared
from edgebench.kws import device, guarded
from edgebench.kws.protocol import READY, Protocol
from edgebench.kws.serial_line import SerialLine

from tests.conftest import hear_signals
from tests.unit.runner.kws_engine import Engine

ROOT = Path(__file__).parents[3]


class Peer:
    """A scripted host at the master end of a pty whose other end lies at ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.master = -1
        self.appear()

    def appear(self) -> None:
        self.master, slave = os.openpty()
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(slave))
        self._slave = slave

    def device_has_opened(self) -> None:
        """Leave the slave to the device alone, so that it goes with the master."""
        os.close(self._slave)
        self._slave = -1

    def disappear(self) -> None:
        self.path.unlink()
        os.close(self.master)

    def send(self, data: bytes) -> None:
        os.write(self.master, data)

    def receive(self, until: bytes = READY, timeout_s: float = 60.0) -> bytes:
        """What comes up to and with ``until``; all that came where it does not come in time."""
        data = b""
        deadline_s = time.monotonic() + timeout_s
        while not data.endswith(until) and time.monotonic() < deadline_s:
            if select.select([self.master], [], [], 0.05)[0]:
                data += os.read(self.master, 65536)
        return data

    def ask(self, command: bytes) -> bytes:
        self.send(command)
        return self.receive()

    def ask_until_answered(self, command: bytes) -> bytes:
        """Ask again while the device has not opened its port yet; what it did not see, it does not answer."""
        for _ in range(100):
            if select.select([self.master], [], [], 0)[0]:
                os.read(self.master, 65536)
            self.send(command)
            reply = self.receive(timeout_s=0.3)
            if reply.endswith(READY) and command not in reply:
                return reply
        raise AssertionError("the device does not answer")


@contextlib.contextmanager
def running(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A device as a process; killed where the test has not ended it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.runner.kws_line", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/bench"},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_signals,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """``PORT MODE BOOT WAIT SECONDS-AN-INFERENCE [SECONDS-A-WRITE]``."""
    port, mode, boot, wait, invoke_s, *write_s = sys.argv[1:]
    if write_s:
        device.SerialLine = functools.partial(SerialLine, write_s=float(write_s[0]))  # type: ignore[misc,assignment]
    signal.signal(signal.SIGTERM, _interrupt)

    def serve() -> int:
        protocol = Protocol(
            Engine(float(invoke_s)),
            time.perf_counter,
            mode,
            (lambda: None) if mode == "energy" else None,
            say=shared.tell,
        )
        protocol.warm()
        device.serve(protocol, port, device.default_baud(mode), boot == "boot", wait == "wait")
        return 0

    return int(guarded.run(serve, "the engine of the tests"))


if __name__ == "__main__":
    sys.exit(main())
