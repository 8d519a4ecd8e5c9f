"""Authentication: access tokens, the signing keys that verify them, and the store of those keys.

Imports aws, decoding and settings. `verify_jwt` is pure; `key_store` does the I/O.
"""

from tinyllama.utils.auth.access_token import Claims, InvalidToken, Reason, verify_jwt
from tinyllama.utils.auth.keys import Keys

__all__ = ["Claims", "InvalidToken", "Keys", "Reason", "verify_jwt"]
