"""What the lab refuses: by the code of the error and the words that it names."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.errors import LabError


@contextmanager
def refused(code: str, *named: str) -> Iterator[None]:
    """Expect a LabError with this code, whose message has these words."""
    with pytest.raises(LabError) as refusal:
        yield
    assert refusal.value.code == code
    for each in named:
        assert each in str(refusal.value)
