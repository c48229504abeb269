"""Starts the sampler for the time of a run, and ends it. Nothing that goes wrong here ever ends a benchmark."""

import json
import os
import select
import subprocess
import sys

from edgebench.telemetry.sampler import INTERVAL_S

# Meters are waited for, one after the other; a slow board needs seconds for the import alone.
_READY_LIMIT_S = 30.0
_END_LIMIT_S = 5.0

# Not by the command line, which imports all that a benchmark needs: this is up in a tenth of the time and memory.
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from edgebench.telemetry import sampler; sys.exit(sampler.main())"
)


class Sampling:
    """A series being taken, as a context manager: from ``start`` to ``stop``.

    path: file to write, which must not be there. interval_s: seconds. pid: the
    benchmark's first process, this one unless told. meters: commands of
    external meters. root: of the tree the sources are looked for in. After
    ``start``, ``reason`` says in words why there is no series, or is None.
    """

    def __init__(self, path, interval_s=INTERVAL_S, pid=None, meters=(), root="/"):
        self.path = path
        self.reason = None
        self._job = {
            "path": path,
            "interval_s": interval_s,
            "pid": os.getpid() if pid is None else pid,
            "meters": list(meters),
            "root": root,
        }
        self._process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exception):
        self.stop()

    def start(self):
        """Start the sampler and wait until its first sample is written; return ``reason``."""
        try:
            process = subprocess.Popen(
                command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # Ctrl-C is for this program to handle.
                start_new_session=True,
            )
            self._process = process
            process.stdin.write((json.dumps(self._job) + "\n").encode("utf-8"))  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            answer = _answer(process)
        except OSError as error:
            answer = "the sampler cannot be started: {}".format(error)
        if answer != "ready":
            self.reason = answer
            self.stop()
        return self.reason

    def stop(self):
        """Let the sampler take a last sample and end; kill one that does not."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.stdin.close()
        except OSError:
            pass
        try:
            process.wait(_END_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _answer(process):
    output = process.stdout.fileno()
    if not select.select([output], [], [], _READY_LIMIT_S)[0]:
        return "the sampler did not answer within {:g} s".format(_READY_LIMIT_S)
    answer = os.read(output, 4096).decode("utf-8", "replace").strip()
    return answer or "the sampler ended with exit code {}".format(process.wait())


def command():
    """Return the command of a sampler, from this checkout or zipapp, without the site's packages and settings."""
    folder = os.path.abspath(__file__)
    for _ in range(3):
        folder = os.path.dirname(folder)
    return [sys.executable, "-I", "-S", "-c", _PROGRAM, folder, "edgebench telemetry-sampler"]
