"""Throttle: the router limits one user's burst, and another user's requests pass."""

import time
from concurrent.futures import ThreadPoolExecutor

from e2e import metrics
from e2e.api import Answer
from e2e.run import Run, StageFailed, expect, wait_until

BURST = 8
PER_SECOND, PER_MINUTE = 5, 20


def run(run: Run) -> str:
    """Send eight requests at once, again until one is refused; another user's always pass.

    Eight within a second are three too many. A machine that needs longer for eight meets the limit
    of a minute with the third burst at the latest.
    """
    logs = (run.function_log("router"),)
    before = _breaches(run)
    cleo, dora = run.users["cleo"].token, run.users["dora"].token
    with ThreadPoolExecutor(BURST + 1) as pool:
        other = pool.submit(run.api.send, dora, "not in the burst", key="not-in-the-burst")
        answers = _until_refused(run, cleo, pool, logs)
    expect(other.result().status, 202, "another user meanwhile", logs=logs)
    refused = [answer for answer in answers if answer.status == 429]
    for answer in refused:
        expect(answer.json, {"error": "rate_limited"}, "the refusal", logs=logs)
        if int(answer.headers.get("retry-after", "0")) < 1:
            raise StageFailed("the refusal has no Retry-After", logs=logs)

    def counted() -> float | None:
        total = _breaches(run) - before
        return total if total >= len(refused) else None

    seen = wait_until(counted, run.target.patience.logs_s, "ApiRateLimitBreaches", logs=logs)
    expect(seen, float(len(refused)), "ApiRateLimitBreaches", logs=logs)
    passed = sum(answer.status == 202 for answer in answers)
    return f"{passed} × 202, {len(refused)} × 429, other user 202"


def _until_refused(
    run: Run, token: str, pool: ThreadPoolExecutor, logs: tuple[str, ...]
) -> list[Answer]:
    """Bursts of one user up to the first that is refused, checked by how long they took."""
    answers: list[Answer] = []
    began = time.monotonic()

    def burst() -> bool:
        first = len(answers)
        burst_began = time.monotonic()
        sent = [pool.submit(run.api.infer, token, f"burst {first + i}") for i in range(BURST)]
        answers.extend(one.result() for one in sent)
        now = time.monotonic()
        _within(answers[first:], PER_SECOND, now - burst_began, 1, logs)
        _within(answers, PER_MINUTE, now - began, 60, logs)
        return any(answer.status == 429 for answer in answers)

    wait_until(burst, run.target.patience.reply_s, "a burst is refused", logs=logs)
    odd = {answer.status for answer in answers} - {202, 429, 503}
    expect(odd, set(), "other answers to a burst", logs=logs)
    # 503 is no answer about the user: such a request may have counted, or not.
    taken = sum(answer.status != 429 for answer in answers)
    if taken < PER_SECOND:
        raise StageFailed(f"{taken} of a first burst passed, not {PER_SECOND}", logs=logs)
    return answers


def _within(
    answers: list[Answer], limit: int, took_s: float, window_s: int, logs: tuple[str, ...]
) -> None:
    """No window holds more than its limit, so this time cannot have let more pass."""
    passed = sum(answer.status == 202 for answer in answers)
    most = limit * (1 + int(took_s / window_s))
    if passed > most:
        raise StageFailed(
            f"{passed} of {len(answers)} requests passed within {took_s:.2f} s, and {most} may",
            logs=logs,
        )


def _breaches(run: Run) -> float:
    return sum(value for _, value in metrics.emitted(run, "router", "ApiRateLimitBreaches"))
