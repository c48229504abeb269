"""What pip says of a wheel with another hash, as one line."""

from collections.abc import Callable
from types import ModuleType

import pytest

from tests.messages import codes

HEAD = (
    "THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the package versions, "
    "please update the hashes. Otherwise, examine the package contents carefully; someone may have tampered with "
    "them.\n"
)
URL = "http://127.0.0.1:8766/tensorflow/tensorflow-9.9.9%2Bnv1-py3-none-any.whl"
ONE, OTHER, THIRD = "1" * 64, "2" * 64, "f" * 64
# As pip 18.1 to 24.2 print it, and the forms of other requirements.
PACKAGES = {
    "by an index": f"tensorflow==9.9.9+nv1 from {URL} (from -r lock.txt (line 1)):",
    "with a hash on its page": f"tensorflow==9.9.9+nv1 from {URL}#sha256={ONE} (from -r lock.txt (line 1)):",
    "with a marker": f'tensorflow==9.9.9+nv1; python_version < "3.7" from {URL} (from -r lock.txt (line 1)):',
}


@pytest.mark.parametrize("package", PACKAGES.values(), ids=PACKAGES)
@pytest.mark.parametrize("marked", ["", "ERROR: "])
def test_the_package_and_both_hashes_are_named(
    plugin: Callable[[str], ModuleType], package: str, marked: str
) -> None:
    text = f"{marked}{HEAD}    {package}\n        Expected sha256 {ONE}\n             Got        {THIRD}\n\n"
    told = plugin("filter/edgebench_hash_mismatch").hash_mismatch(
        {"rc": 1, "stderr": f"WARNING: x\n{text}"}, "Check"
    )
    first, *rest = told.splitlines()
    assert codes(first) == ["hash-differs"]
    assert first.startswith("tensorflow==9.9.9+nv1 ")
    assert first.index(ONE) < first.index(THIRD) < first.index("Check")
    assert "127.0.0.1" not in first
    assert URL in "".join(rest)


def test_the_first_of_several_hashes_is_shown(plugin: Callable[[str], ModuleType]) -> None:
    allowed = (
        f"        Expected sha256 {ONE}\n        Expected     or {OTHER}\n        Expected     or {OTHER}\n"
    )
    text = f"{HEAD}    {PACKAGES['by an index']}\n{allowed}             Got        {THIRD}\n"
    first = plugin("filter/edgebench_hash_mismatch").hash_mismatch({"stderr": text}, "Check").splitlines()[0]
    assert f"{ONE} or 2 more" in first
    assert THIRD in first
    assert len(first) < 300


@pytest.mark.parametrize(
    "result", [{}, {"rc": 0, "stderr": ""}, {"stderr": "ERROR: No matching distribution"}, None]
)
def test_other_failures_are_left_to_others(plugin: Callable[[str], ModuleType], result: object) -> None:
    assert plugin("filter/edgebench_hash_mismatch").hash_mismatch(result, "Check") == ""
