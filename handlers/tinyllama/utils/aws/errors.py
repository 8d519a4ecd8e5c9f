"""The base of every error that a call to AWS raises."""


class AwsError(Exception):
    """A call to AWS did not succeed. The message is for the log."""
