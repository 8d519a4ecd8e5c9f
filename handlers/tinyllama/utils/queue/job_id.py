"""Job ids that name their owner without any storage.

An id is a version 8 UUID of 61 bits material and 61 bits tag. The tag binds the material to its
owner: after the cache lost everything, an owner still learns that their job is gone, while the id
of another owner's job is simply unknown. The tag is no secret and grants nothing: the owner stored
with a reply decides who may read it, the tag only separates "yours, and gone" from "not found".
The same Idempotency-Key gives the same material, hence the same id, without a look-up.
"""

import hashlib
import re
import secrets
from typing import NewType

JobId = NewType("JobId", str)

_FORM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_BITS = 61


def new_id(sub: str) -> JobId:
    """Make a new id that belongs to `sub`; two of a million collide with probability 2e-7."""
    return _id(secrets.randbits(_BITS), sub)


def id_for_key(sub: str, key: str) -> JobId:
    """Derive the id that belongs to `sub` and this Idempotency-Key: the same on every call."""
    return _id(_first_bits("key", sub, key), sub)


def parse(text: str) -> JobId | None:
    """Return `text` as an id if it has the form of our ids, else None."""
    return JobId(text) if _FORM.fullmatch(text) else None


def belongs_to(job_id: JobId, sub: str) -> bool:
    """True if this id was made for `sub`; true by chance for another owner with 2**-61."""
    bits = int(job_id.replace("-", ""), 16)
    value = (bits >> 80) << 74 | ((bits >> 64) & 0xFFF) << 62 | bits & (1 << 62) - 1
    material, tag = value >> _BITS, value & (1 << _BITS) - 1
    return tag == _tag(sub, material)


def _id(material: int, sub: str) -> JobId:
    value = material << _BITS | _tag(sub, material)
    high, middle, low = value >> 74, (value >> 62) & 0xFFF, value & (1 << 62) - 1
    # RFC 9562, section 5.8: version 8 and variant 10 stand between our 122 bits.
    bits = high << 80 | 0x8 << 76 | middle << 64 | 0b10 << 62 | low
    text = f"{bits:032x}"
    return JobId(f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")


def _tag(sub: str, material: int) -> int:
    return _first_bits("owner", sub, str(material))


def _first_bits(*fields: str) -> int:
    digest = hashlib.sha256()
    for field in fields:
        encoded = field.encode()
        # Each field carries its length, so that ("ab", "c") and ("a", "bc") differ.
        digest.update(len(encoded).to_bytes(4) + encoded)
    return int.from_bytes(digest.digest()[:8]) >> 64 - _BITS
