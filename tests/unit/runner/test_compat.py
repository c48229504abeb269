"""What compat decides from version numbers alone; what it does with them, tests/stacks runs for real."""

import pytest
from edgebench.compat import Framework
from edgebench.errors import UnsupportedError


@pytest.mark.parametrize("version", [(2, 0), (2, 3)])
def test_float16_is_refused_between_floatx_and_mixed_precision(version: tuple[int, int]) -> None:
    framework = Framework.__new__(Framework)
    framework._tf, framework.tensorflow_version = version, ".".join(map(str, version))
    with pytest.raises(UnsupportedError, match=r"float16 needs mixed precision \(TensorFlow 2.4 or newer\)"):
        framework.set_precision("float16")
