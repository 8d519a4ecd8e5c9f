"""Errors that a user can correct: `tl` prints them in a line, without a traceback."""


class UsageError(Exception):
    """Wrong usage or configuration: where, what was found, what to do. Exit code 2."""


class CouldNotFinish(Exception):
    """The command started, but could not finish: what failed, why, what to do. Exit code 3."""
