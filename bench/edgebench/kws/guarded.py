"""Runs what may be killed by its CPU in a child, so that somebody is left to say why it ended."""

import os
import signal
import sys
import threading
import traceback

from edgebench.errors import EdgebenchError, UnsupportedError, with_code

_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_CPU_DEATHS = (signal.SIGILL, signal.SIGABRT)


def run(function, what):
    """Run ``function()``, which returns an exit code, in a child; return that code.

    what: its name in a message. Call it before anything has started a thread.
    Signals that end a program are passed on, and a child outlives no parent.
    Raises UnsupportedError where the child dies of an instruction its CPU does
    not have (signals 4 and 6), EdgebenchError where it is killed otherwise.
    """
    lifeline, held = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(held)
        # The keyboard's signals come through the parent, once.
        os.setsid()
        threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
        _leave(function)
    os.close(lifeline)
    # What is ignored, as the hang-up is under nohup, stays so.
    heard = [number for number in _FORWARDED if signal.getsignal(number) is not signal.SIG_IGN]
    before = {
        number: signal.signal(number, lambda number, frame: _pass_on(child, number)) for number in heard
    }
    try:
        status = os.waitpid(child, 0)[1]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(held)
    if not os.WIFSIGNALED(status):
        return os.WEXITSTATUS(status)
    death = os.WTERMSIG(status)
    if death in _CPU_DEATHS:
        raise UnsupportedError(
            "{} does not run on this CPU: signal {} ended it, as with programs that are compiled for newer CPUs. "
            "Choose another engine with --engine.".format(what, death),
            "cpu-unsupported",
        )
    raise EdgebenchError("Signal {} ended {}".format(death, what), "child-killed")


def _leave(function):
    code = 1
    try:
        code = function()
    except KeyboardInterrupt:
        code = 130
    except (EdgebenchError, OSError) as error:
        sys.stderr.write("edgebench: {}\n".format(with_code(error, getattr(error, "code", None))))
        code = 2
    except Exception:  # noqa: BLE001 - the child ends here, and nobody else is left to tell of it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _end_with_parent(lifeline):
    os.read(lifeline, 1)
    os._exit(70)


def _pass_on(child, number):
    try:
        os.kill(child, number)
    except ProcessLookupError:
        pass
