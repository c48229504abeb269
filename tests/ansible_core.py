"""What differs between the releases of ansible-core that the tests run on: templates, and Pythons of hosts."""

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ansible.template
from ansible.parsing.dataloader import DataLoader

_FILTER = Path(__file__).parents[1] / "plugins/filter/edgebench_managed_pythons.py"
# The oldest Pythons that modules must run on: 2.7 and 3.6, or one newer release.
OLDEST_PYTHONS: list[str] = runpy.run_path(str(_FILTER))["managed_pythons"]("")


def evaluate(template: str, variables: Mapping[str, Any], **options: Any) -> Any:
    """Return the value of the template; strings among the variables are templates too."""
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
