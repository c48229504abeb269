"""The lab's error: each message names the reason and the remedy."""


class LabError(Exception):
    """The lab cannot do what was asked: the text gives the reason and the remedy, `code` identifies the error."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code
