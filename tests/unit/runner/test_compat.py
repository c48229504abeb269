"""What compat decides from version numbers alone; what it does with them, tests/stacks runs for real."""

import pytest
from edgebench.compat import Framework
from edgebench.errors import UnsupportedError


@pytest.mark.parametrize("version", [(2, 0), (2, 3)])
def test_float16_is_refused_between_floatx_and_mixed_precision(version: tuple[int, int]) -> None:
    framework = Framework.__new__(Framework)
    framework._tf, framework.tensorflow_version = version, ".".join(map(str, version))
    with pytest.raises(UnsupportedError, match=rf"\b{framework.tensorflow_version}\b.*\b2\.4\b") as caught:
        framework.set_precision("float16")
    assert caught.value.code == "float16-unsupported"
