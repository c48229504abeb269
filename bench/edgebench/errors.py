"""The runner's own errors: each message names the value, what was expected and what to do."""


class EdgebenchError(Exception):
    """Any error whose text is meant for the person at the keyboard.

    ``code`` identifies the error for scripts and tests ("data-dir-missing"); it stays when the text is reworded.
    """

    code = None

    def __init__(self, message="", code=None):
        super().__init__(message)
        if code is not None:
            self.code = code


def with_code(message, code):
    """Return the message with its code in brackets at the end, as every command prints errors."""
    return "{} [{}]".format(message, code) if code else str(message)


class UsageError(EdgebenchError):
    """Wrong arguments or an unusable environment: nothing was run (exit code 2)."""


class DataError(EdgebenchError):
    """A data set cannot be had, or what was found is not what it should be."""


class WrongDataError(DataError):
    """What was given is the wrong data, so that not even a synthetic stand-in may take its place."""


class UnsupportedError(EdgebenchError):
    """This host, framework or precision cannot do what was asked, through nobody's fault."""


class RecordError(EdgebenchError):
    """A record does not follow the schema, or a records file cannot be trusted."""
