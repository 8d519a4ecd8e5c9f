"""The meter's laws: nothing is counted twice, and less than one interval is missed."""

from hypothesis import given
from hypothesis import strategies as st

from tinyllama.stop_build_box.meter import HOUR_S, Running, Sight, month_began, spent_since

START_S = month_began(1_796_000_000)
steps = st.lists(st.integers(0, 4000), min_size=1, max_size=30)
runs = st.lists(st.tuples(st.integers(0, 40_000), st.integers(1, 20_000)), max_size=5)
PRICE = 0.6


def counted(times: list[int], spans: list[tuple[int, int]]) -> float:
    """What samples at `times` count of machines that run in `spans`; a duplicate counts again
    from what was written, as a second delivery does."""
    sampled: float | None = None
    usd = 0.0
    for now in times:
        machines = [Running(PRICE, begin) for begin, end in spans if begin <= now < end]
        for _ in range(2):
            usd += spent_since(sampled, now, Sight(machines, 0.0))
            sampled = now
    return usd


@given(steps, runs)
def test_nothing_is_counted_twice_and_less_than_an_interval_is_missed(
    gaps: list[int], spans: list[tuple[int, int]]
) -> None:
    """At most what ran; at least that, less one interval for each machine that stopped unseen."""
    times, now = [], START_S
    for gap in gaps:
        now += gap
        times.append(now)
    ran = [(START_S + at, START_S + at + length) for at, length in spans]
    truth = sum(max(0, min(end, now) - begin) for begin, end in ran) * PRICE / HOUR_S
    seen = counted(times, ran)
    assert seen <= truth + 1e-6
    longest = max([times[0] - START_S, *gaps])
    assert seen >= truth - len(ran) * longest * PRICE / HOUR_S - 1e-6


@given(steps, st.floats(0, 2))
def test_what_has_no_start_is_counted_from_the_first_sample_to_the_last(
    gaps: list[int], usd_hour: float
) -> None:
    """However many samples there are between them."""
    sampled: float | None = None
    usd, now = 0.0, START_S
    for gap in gaps:
        now += gap
        usd += spent_since(sampled, now, Sight([], usd_hour))
        sampled = now
    assert abs(usd - usd_hour * sum(gaps[1:]) / HOUR_S) < 1e-6
