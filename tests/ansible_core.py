"""How tests reach the plugins of the checkout, and what differs between the releases of ansible-core."""

import importlib.util
import runpy
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import ansible
import ansible.template
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.utils.collection_loader import AnsibleCollectionConfig

ROOT = Path(__file__).resolve().parents[1]
UTILS = "ansible_collections.edgebench.edge.plugins.module_utils"
_FILTER = ROOT / "plugins/filter/edgebench_managed_pythons.py"
# The oldest Pythons that modules must run on: 2.7 and 3.6, or one newer release.
OLDEST_PYTHONS: list[str] = runpy.run_path(str(_FILTER))["managed_pythons"]("")


def find_collection() -> None:
    """Let Ansible, and Python's imports, find the collection edgebench.edge in this checkout."""
    # Ansible warns of a second time.
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader([str(ROOT / "collections")])


def load_plugin(name: str) -> ModuleType:
    """Return a new module from a file of plugins/, by its name such as filter/edgebench_gate."""
    find_collection()
    spec = importlib.util.spec_from_file_location(name.replace("/", "_"), ROOT / "plugins" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_library(folder: Path) -> None:
    """Link into the folder what a host gets of Ansible and of this collection, for Pythons from 2.7 on."""
    source = Path(ansible.__file__).parent
    own = folder / UTILS.replace(".", "/")
    own.mkdir(parents=True)
    # Without these, Python 2.7 finds no packages.
    for package in (own, *own.parents[:4]):
        (package / "__init__.py").touch()
    for part in (ROOT / "plugins/module_utils").glob("*.py"):
        (own / part.name).symlink_to(part)
    (folder / "ansible/module_utils").mkdir(parents=True)
    (folder / "ansible/__init__.py").touch()
    for part in (source / "module_utils").iterdir():
        (folder / "ansible/module_utils" / part.name).symlink_to(part)
    text = (source / "release.py").read_text()
    (folder / "ansible/release.py").write_text(text.replace("from __future__ import annotations", ""))


def evaluate(template: str, variables: Mapping[str, Any], **options: Any) -> Any:
    """Return the value of the template; strings among the variables are templates too."""
    find_collection()
    templar = ansible.template.Templar(DataLoader(), variables=_trusted(variables))
    return templar.template(_trusted(template), **options)


def _trusted(value: Any) -> Any:
    """Return a copy of the value with the strings in it marked as templates, which ansible-core wants since 2.19."""
    mark = getattr(ansible.template, "trust_as_template", lambda text: text)
    if isinstance(value, str):
        return mark(value)
    if isinstance(value, Mapping):
        return {key: _trusted(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_trusted(each) for each in value]
    return value
