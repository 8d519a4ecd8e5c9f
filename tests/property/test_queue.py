"""The queue in Redis against a plain model: lines of users, a ring of turns, jobs that are held."""

from hypothesis import example, given
from hypothesis import strategies as st

from tests.processes import RedisServer
from tests.property.queue_model import KINDS, TELLING, Step
from tests.property.queue_run import check_agreement, check_turns, check_turns_of_slots

BUSY = ("accept", "accept", "accept", "claim", "lost claim", "begin", "answer", "answer", "crash")
BUSY_SLOTS = (*BUSY, "claim too", "claim too", "claim too")


def steps(kinds: tuple[str, ...], most: int) -> st.SearchStrategy[list[Step]]:
    """Up to `most` steps of these kinds."""
    step = st.builds(Step, st.sampled_from(kinds), st.integers(0, 3), st.integers(0, 7))
    return st.lists(step, max_size=most)


@given(taken=st.sampled_from(TELLING) | steps(KINDS, 60))
def test_queue_agrees_with_the_model(redis_server: RedisServer, taken: list[Step]) -> None:
    """Whatever happens in whatever order: the next job is the one whose turn it is, no job is lost,
    none is answered twice, the bounds hold, accepting is one script; and when all jobs have ended
    nothing is left but replies and throttles."""
    check_agreement(redis_server, taken)


@given(before=steps(BUSY, 40), after=steps(BUSY, 40))
@example(before=[Step("accept", 0, 0)] * 3, after=[Step("accept", 1, 0)] * 3)
def test_one_prompt_waits_for_one_job_of_each_user(
    redis_server: RedisServer, before: list[Step], after: list[Step]
) -> None:
    """The law of turns: while k users wait, who sends one prompt is answered after at most k + 1
    jobs, whatever the others send before and after, and however often the worker crashes."""
    check_turns(redis_server, before, after)


@given(before=steps(BUSY_SLOTS, 40), after=steps(BUSY_SLOTS, 40))
@example(
    before=[Step("accept", 0, 0)] * 3 + [Step("claim too", 0, 0)] * 2,
    after=[Step("accept", 1, 0)] * 3,
)
def test_one_prompt_waits_for_one_job_of_each_user_with_slots(
    redis_server: RedisServer, before: list[Step], after: list[Step]
) -> None:
    """The law of turns with s slots: while k users wait, who sends one prompt is begun after at
    most k + s jobs, those in hand included."""
    check_turns_of_slots(redis_server, before, after)
