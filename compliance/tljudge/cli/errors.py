"""What an operator can put right: shown as one line, without a traceback."""


class UsageError(Exception):
    """Wrong usage or configuration: where, what was found, what to do. Exit code 2."""


class CouldNotFinish(Exception):
    """What was asked for could not be done to its end: what, why, what to do. Exit code 3."""
