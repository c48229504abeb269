"""Loads the Ansible plugins, which are files and no package, by their paths."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tests import ansible_core


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ansible_core.ROOT


@pytest.fixture(scope="session")
def plugin() -> Callable[[str], ModuleType]:
    """The function that loads a plugin by its name, such as filter/edgebench_gate."""
    return ansible_core.load_plugin
