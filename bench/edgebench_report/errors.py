"""Errors that a user can do something about."""

from edgebench.errors import with_code

__all__ = ["ReportError", "with_code"]


class ReportError(Exception):
    """Bad input or an output that cannot be written; the message says what to do.

    ``code`` identifies the error for scripts and tests ("baseline-unknown"); it stays when the text is reworded.
    """

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code
