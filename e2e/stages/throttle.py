"""Throttle: the router limits one user's burst, and another user's requests pass."""

from concurrent.futures import ThreadPoolExecutor

from e2e import metrics
from e2e.run import Run, StageFailed, expect, wait_until


def run(run: Run) -> str:
    """Eight requests of one user at once: five are accepted, three refused; another user passes."""
    cleo, dora = run.users["cleo"].token, run.users["dora"].token
    with ThreadPoolExecutor(9) as pool:
        burst = [pool.submit(run.api.infer, cleo, f"burst {i}") for i in range(8)]
        other = pool.submit(run.api.infer, dora, "not in the burst")
    statuses = sorted(f.result().status for f in burst)
    logs = (run.function_log("router"),)
    expect(statuses, [202] * 5 + [429] * 3, "a burst of eight by one user", logs=logs)
    expect(other.result().status, 202, "another user meanwhile", logs=logs)
    refused = [f.result() for f in burst if f.result().status == 429]
    for answer in refused:
        expect(answer.json, {"error": "rate_limited"}, "the refusal", logs=logs)
        if int(answer.headers.get("retry-after", "0")) < 1:
            raise StageFailed("the refusal has no Retry-After", logs=logs)

    def breaches() -> float | None:
        total = sum(value for _, value in metrics.emitted(run, "router", "ApiRateLimitBreaches"))
        return total if total >= len(refused) else None

    counted = wait_until(breaches, run.target.patience.logs_s, "ApiRateLimitBreaches", logs=logs)
    expect(counted, float(len(refused)), "ApiRateLimitBreaches", logs=logs)
    return "5 × 202, 3 × 429, other user 202"
