"""Where the lab keeps things."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
# Hosts outlive the command that starts them, so what they are made of lies outside any checkout.
STATE = Path("/var/lib/edgebench-lab")
RUN = Path("/run/edgebench-lab")


def cache() -> Path:
    """Return the folder for images and packages, kept from one lab to the next."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgebench" / "lab"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def keys(lab: str) -> Path:
    """Return the folder with the keys of one lab, where its inventory looks for them."""
    return CHECKOUT / ".edgebench" / "lab" / lab


def left_out(lab: str) -> Path:
    """Return the file with the names of the hosts that a lab does without, which its inventory leaves out, too."""
    return keys(lab) / "left-out"
