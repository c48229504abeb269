"""The data manifest: what each data set is made of and how to know its files."""

import json
import os
import pkgutil

from edgebench.errors import UsageError


def load():
    """Return the manifest as {data set name: entry}, from the zipapp or, in a checkout, from files/datasets.yml.

    Raises UsageError in a checkout without PyYAML.
    """
    try:
        text = pkgutil.get_data("edgebench.data", "datasets.json")
    except (IOError, OSError):
        text = None
    if text is not None:
        return json.loads(text.decode("utf-8"))["datasets"]
    return _load_from_checkout()


def _load_from_checkout():
    path = os.path.join(os.path.dirname(__file__), "..", "..", "..", "files", "datasets.yml")
    try:
        import yaml
    except ImportError:
        raise UsageError(
            "Run from a checkout, the runner needs PyYAML to read {}. Use the zipapp.".format(path)
        )
    with open(path) as handle:
        return yaml.safe_load(handle)["datasets"]
