"""The data manifest: what each data set is made of and how to know its files."""

from edgebench import facts


def load():
    """Return the manifest, files/datasets.yml, as {data set name: entry}."""
    return facts.read("datasets")["datasets"]
