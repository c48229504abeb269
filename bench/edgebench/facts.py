"""The facts of ``files/`` that the runner reads: data sets and published tables."""

import json
import os
import pkgutil

from edgebench.errors import UsageError


def read(name):
    """Return files/NAME.yml: from the zipapp, which has it as JSON, or from the checkout.

    Raises UsageError in a checkout without PyYAML.
    """
    try:
        text = pkgutil.get_data("edgebench", "files/{}.json".format(name))
    except (IOError, OSError):
        text = None
    if text is not None:
        return json.loads(text.decode("utf-8"))
    path = os.path.join(os.path.dirname(__file__), "..", "..", "files", name + ".yml")
    try:
        import yaml
    except ImportError:
        raise UsageError(
            "PyYAML is not installed, and the runner needs it to read {} from a checkout. Use the zipapp, or run "
            "pip install pyyaml.".format(path),
            "pyyaml-missing",
        )
    with open(path) as handle:
        return yaml.safe_load(handle)
