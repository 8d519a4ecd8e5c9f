"""Laws of job ids."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from tests.property.strategies import PRINTABLE, subs
from tinyllama.utils.queue.job_id import JobId, belongs_to, id_for_key, new_id, parse

KEYS = st.text(PRINTABLE, min_size=1, max_size=128)


def made(sub: str, key: str | None) -> JobId:
    """An id made either way."""
    return new_id(sub) if key is None else id_for_key(sub, key)


@given(subs(), st.none() | KEYS)
def test_id_belongs_to_its_owner(sub: str, key: str | None) -> None:
    """An owner always recognises an id of theirs, with nothing but the id."""
    assert belongs_to(made(sub, key), sub)


@given(subs(), subs(), st.none() | KEYS)
def test_id_does_not_belong_to_others(sub: str, other: str, key: str | None) -> None:
    """Nobody else owns it; the chance is 2**-61."""
    assert belongs_to(made(sub, key), other) is (sub == other)


@given(subs(), subs(), KEYS, KEYS)
def test_key_decides_the_id(sub: str, other: str, key: str, other_key: str) -> None:
    """The same user and key give the same id; another user or key gives another."""
    assert id_for_key(sub, key) == id_for_key(sub, key)
    same = (sub, key) == (other, other_key)
    assert (id_for_key(sub, key) == id_for_key(other, other_key)) is same


@given(st.text(PRINTABLE, min_size=2, max_size=20), st.data())
def test_where_the_sub_ends_matters(text: str, data: st.DataObject) -> None:
    """Moving a character from the key to the sub makes another id."""
    at = data.draw(st.integers(1, len(text) - 1))
    sub, key = text[:at], text[at:]
    assert id_for_key(sub, key) != id_for_key(sub + key[0], key[1:])


@given(subs(), st.none() | KEYS)
def test_id_has_the_form_of_a_uuid(sub: str, key: str | None) -> None:
    """Every id is a version 8 UUID of RFC 9562 in its canonical text, and parses to itself."""
    job_id = made(sub, key)
    read = uuid.UUID(job_id)
    assert (str(read), read.version, read.variant) == (job_id, 8, uuid.RFC_4122)
    assert parse(job_id) == job_id


@given(subs(), st.integers(0, 127))
def test_any_changed_bit_disowns_the_id(sub: str, bit: int) -> None:
    """An id with one bit changed is not an id, or nobody's."""
    changed = str(uuid.UUID(int=uuid.UUID(new_id(sub)).int ^ (1 << bit)))
    read = parse(changed)
    assert read is None or not belongs_to(read, sub)


@given(st.text(max_size=60), subs())
def test_any_text_is_an_id_or_not(text: str, sub: str) -> None:
    """Parsing and the question of the owner are total."""
    read = parse(text)
    assert read is None or read == text
    assert read is None or belongs_to(read, sub) in (True, False)


@given(subs())
def test_new_ids_differ(sub: str) -> None:
    """A hundred ids of one owner are a hundred ids."""
    assert len({new_id(sub) for _ in range(100)}) == 100
