"""Which messages a program printed: by their codes, so that tests do not depend on wording."""

import re

# A code has a hyphen at least, which tells it from a table's mark [a] and a counter [3/25].
_CODE = re.compile(r"\[([a-z0-9]+(?:-[a-z0-9]+)+)\]")


def codes(text: str) -> list[str]:
    """Return the codes of all messages in a text, in their order: ["data-dir-missing"]."""
    return _CODE.findall(text)
