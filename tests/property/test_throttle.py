"""The throttle in Redis against a plain model: a list of the times at which requests passed."""

from contextlib import closing
from dataclasses import dataclass, field

from hypothesis import example, given
from hypothesis import strategies as st

from tests.processes import RedisServer
from tinyllama.utils.queue.answers import Acceptance
from tinyllama.utils.queue.errors import RateLimited
from tinyllama.utils.queue.job_queue import JobQueue

SECOND_US = 1_000_000
LIMITS = ((SECOND_US, 5), (60 * SECOND_US, 20))


@dataclass
class Model:
    """The rule itself, for one owner."""

    passed_us: list[int] = field(default_factory=list)

    def passes(self, now_us: int) -> bool:
        """At most 5 in any 1 s and 20 in any 60 s, the window open at its old end."""
        return all(
            sum(now_us - width_us < at_us <= now_us for at_us in self.passed_us) < most
            for width_us, most in LIMITS
        )

    def wait_s(self, now_us: int) -> int:
        """The fewest whole seconds after which one request passes."""
        return next(s for s in range(1, 62) if self.passes(now_us + s * SECOND_US))


@dataclass(frozen=True)
class Gap:
    """Time that passes before the next request."""

    us: int


@dataclass(frozen=True)
class Edge:
    """Go to where the n-th newest request leaves a window, or `off_us` beside that."""

    newest: int
    width_us: int
    off_us: int

    def at(self, model: Model, now_us: int) -> int:
        """The time of the request; never before `now_us`."""
        if self.newest > len(model.passed_us):
            return now_us
        return max(now_us, model.passed_us[-self.newest] + self.width_us + self.off_us)


steps = st.one_of(
    st.just(Gap(0)),
    st.builds(Gap, st.integers(0, 300_000)),
    st.builds(Gap, st.integers(0, 5 * SECOND_US)),
    st.builds(Edge, st.integers(1, 6), st.just(SECOND_US), st.integers(-1, 1)),
    st.builds(Edge, st.integers(18, 21), st.just(60 * SECOND_US), st.integers(-1, 1)),
)
owners = st.sampled_from(["ann", "ann", "ann", "bob"])
requests = st.lists(st.tuples(steps, owners), min_size=1, max_size=60)
# Twenty that the second's limit lets pass, so that the minute's is reached at once.
minute_used = [(Gap(0 if number % 5 else SECOND_US), "ann") for number in range(20)]
MINUTE_US = 60 * SECOND_US


def _edge(newest: int, width_us: int, off_us: int) -> list[tuple[Gap | Edge, str]]:
    return [(Edge(newest, width_us, off_us), "ann"), (Gap(0), "ann")]


@given(
    before=st.sampled_from([[], minute_used]),
    requests=requests,
    start_us=st.integers(10**15, 2 * 10**15),
)
@example(before=minute_used[:5], requests=_edge(5, SECOND_US, -1), start_us=10**15)
@example(before=minute_used[:5], requests=_edge(5, SECOND_US, 0), start_us=10**15)
@example(before=minute_used, requests=_edge(20, MINUTE_US, -1), start_us=10**15)
@example(before=minute_used, requests=_edge(20, MINUTE_US, 0), start_us=10**15)
@example(before=minute_used[:19], requests=_edge(19, MINUTE_US, -1), start_us=10**15)
def test_throttle_agrees_with_the_rule(
    redis_server: RedisServer,
    before: list[tuple[Gap | Edge, str]],
    requests: list[tuple[Gap | Edge, str]],
    start_us: int,
) -> None:
    """A request passes exactly when the rule lets it, owner by owner; one that is refused is told
    the fewest whole seconds to wait, and does not count."""
    now_us = [start_us]
    models = {"ann": Model(), "bob": Model()}
    with closing(redis_server.client()) as client:
        client.flushall()
        queue = JobQueue(client, clock_us=lambda: now_us[0])
        for number, (step, sub) in enumerate(before + requests):
            model = models[sub]
            match step:
                case Gap(us):
                    now_us[0] += us
                case Edge():
                    now_us[0] = step.at(model, now_us[0])
            expected = None if model.passes(now_us[0]) else model.wait_s(now_us[0])
            try:
                queue.accept(job_id=f"j{number}", sub=sub, prompt="p", idle=1, now_ms=0)
                assert queue.withdraw(f"j{number}")  # so that only the throttle refuses
                told = None
                model.passed_us.append(now_us[0])
            except RateLimited as refused:
                told = refused.retry_after_s
            assert told == expected


BURST_US = [0, 1, 199_999, 999_999, SECOND_US, 3 * SECOND_US]


@given(burst=st.lists(st.sampled_from(BURST_US), min_size=1, max_size=40))
@example(burst=[0] * 6)
@example(burst=[SECOND_US] * 21)
def test_throttle_keeps_its_word(redis_server: RedisServer, burst: list[int]) -> None:
    """After the wait that a refused request was told, one request passes."""
    now_us = [10**15]
    with closing(redis_server.client()) as client:
        client.flushall()
        queue = JobQueue(client, clock_us=lambda: now_us[0])
        for number, gap_us in enumerate(burst):
            now_us[0] += gap_us
            try:
                queue.accept(job_id=f"j{number}", sub="ann", prompt="p", idle=1, now_ms=0)
                assert queue.withdraw(f"j{number}")  # so that only the throttle refuses
            except RateLimited as refused:
                now_us[0] += refused.retry_after_s * SECOND_US
                again = queue.accept(job_id=f"k{number}", sub="ann", prompt="p", idle=1, now_ms=0)
                assert again == Acceptance(f"k{number}", node_awake=False, repeated=False)
                assert queue.withdraw(f"k{number}")
