"""Errors that a user can do something about."""


class ReportError(Exception):
    """Bad input or an output that cannot be written; the message says what to do."""
