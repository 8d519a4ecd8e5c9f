"""Base64url in its one canonical spelling (RFC 7515, section 2)."""

import base64
import binascii


def decode(text: str) -> bytes | None:
    """Decode unpadded base64url; None where another text would mean the same bytes.

    No padding, no line breaks, no foreign characters; unused bits are zero.
    """
    try:
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
    encoded = base64.urlsafe_b64encode(decoded).rstrip(b"=").decode()
    return decoded if encoded == text else None
