"""What goes wrong in the lab, said in one sentence with the remedy."""


class LabError(Exception):
    """The lab cannot do what was asked; the text says why and what to do."""
