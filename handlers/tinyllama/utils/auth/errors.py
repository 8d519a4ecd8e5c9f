"""The base of every error that authentication raises."""


class AuthError(Exception):
    """A token, a key set or the key store is not usable. The message is for the log."""
