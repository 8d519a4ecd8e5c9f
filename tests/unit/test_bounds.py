"""Numbers that other tests take from the code, so that one that grows is noticed here."""

from tinyllama.utils.auth import access_token
from tinyllama.utils.queue import job_queue


def test_bounds_are_those_of_the_plan() -> None:
    """A token's characters, the seconds by which clocks may differ, and the jobs of a queue."""
    assert access_token.MAX_TOKEN_LENGTH == 8192
    assert access_token.LEEWAY_S == 5
    assert job_queue.MAX_JOBS == 1000
