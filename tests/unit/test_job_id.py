"""The form of job ids, fixed for good: ids that were given out must be recognised later."""

import pytest

from tests.tokens import SUB
from tinyllama.utils.queue.job_id import JobId, belongs_to, id_for_key, parse

KNOWN = JobId("f380d556-b601-8560-966e-d4d70f860e9c")


def test_id_of_a_key_never_changes() -> None:
    """A client that repeats its key after a deployment gets the id it knows."""
    assert id_for_key(SUB, "order-1") == KNOWN


def test_id_is_recognised_by_its_owner_only() -> None:
    """The tag in the id is the owner's."""
    assert belongs_to(KNOWN, SUB)
    assert not belongs_to(KNOWN, SUB.upper())
    assert not belongs_to(KNOWN, "")


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        lambda text: text.replace("-", ""),
        lambda text: f"{{{text}}}",
        lambda text: f"{text}\n",
        lambda text: f"{text[:14]}4{text[15:]}",
        lambda text: f"{text[:19]}c{text[20:]}",
        lambda text: text[:-1],
        lambda _: "",
    ],
)
def test_other_spellings_are_not_ids(change: object) -> None:
    """One job has one id: no upper case, no braces, no other version."""
    assert callable(change)
    assert parse(KNOWN) == KNOWN
    assert parse(change(KNOWN)) is None
