"""The meter's laws: nothing is missed, and less than an interval is too much for each end."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from tinyllama.stop_build_box.meter import HOUR_S, Machine, Sight, month_began, spent_since

START_S = month_began(1_796_000_000)
steps = st.lists(st.integers(0, 4000), min_size=1, max_size=30)
runs = st.lists(st.tuples(st.integers(0, 40_000), st.integers(1, 20_000)), max_size=5)
PRICE = 0.6


def counted(times: list[int], spans: list[tuple[int, int]], *, is_end_told: bool) -> float:
    """What samples at `times` count of machines that run in `spans`; a duplicate counts again
    from what was written, as a second delivery does."""
    sampled: float | None = None
    ran: set[int] = set()
    usd = 0.0
    for now in times:
        for _ in range(2):
            machines = [
                Machine(
                    PRICE,
                    begin,
                    None if now < end else end if is_end_told else inf,
                    own in ran,
                )
                for own, (begin, end) in enumerate(spans)
                if begin <= now
            ]
            usd += spent_since(sampled, now, Sight(machines, 0.0))
            sampled = now
            ran = {own for own, (begin, end) in enumerate(spans) if begin <= now < end}
    return usd


@given(steps, runs, st.booleans())
def test_nothing_is_missed_and_less_than_an_interval_is_too_much(
    gaps: list[int], spans: list[tuple[int, int]], is_end_told: bool
) -> None:
    """Exactly what ran, where EC2 says when it ended; else at most an interval more for each."""
    times, now = [], START_S
    for gap in gaps:
        now += gap
        times.append(now)
    ran = [(START_S + at, START_S + at + length) for at, length in spans]
    truth = sum(max(0, min(end, now) - begin) for begin, end in ran) * PRICE / HOUR_S
    seen = counted(times, ran, is_end_told=is_end_told)
    longest = 0 if is_end_told else max([times[0] - START_S, *gaps])
    assert truth - 1e-6 <= seen <= truth + len(ran) * longest * PRICE / HOUR_S + 1e-6


@given(st.integers(1, 4000), st.integers(0, 4000), st.integers(0, 4000))
def test_restart_between_two_samples_is_counted_through(ran: int, off: int, runs: int) -> None:
    """Only the last start is told; the pause is too much, and what ran before it is not missed."""
    now = START_S + ran + off + runs
    machine = Machine(PRICE, START_S + ran + off, None, ran_before=True)
    seen = spent_since(START_S, now, Sight([machine], 0.0))
    assert abs(seen - (ran + off + runs) * PRICE / HOUR_S) < 1e-6


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
