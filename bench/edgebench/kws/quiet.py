"""Keeps what libraries print on standard error away from the person at the keyboard, as long as all goes well."""

import contextlib
import os
import sys
import tempfile


@contextlib.contextmanager
def quiet():
    """Hold back what is written to standard error, by C++ code too; write it where the block ends with an exception."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            _restore(kept)
            held_back.seek(0)
            os.write(2, held_back.read())
            raise
        else:
            _restore(kept)


def _restore(kept):
    sys.stderr.flush()
    os.dup2(kept, 2)
    os.close(kept)
