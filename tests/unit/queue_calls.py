"""Calls of the queue, for its tests."""

from collections.abc import Callable

import redis

from tinyllama.utils.queue import job_queue
from tinyllama.utils.queue.job_queue import Acceptance, JobQueue
from tinyllama.utils.queue.redis_keys import STREAM

NOW_MS = 1_700_000_000_000


def accept(
    jobs: JobQueue,
    job_id: str = "j1",
    *,
    sub: str = "ann",
    prompt: str = 'hé\n"}',
    idle: int = 5,
) -> Acceptance:
    """Accept with defaults."""
    return jobs.accept(job_id=job_id, sub=sub, prompt=prompt, idle=idle, now_ms=NOW_MS)


def contents(client: redis.Redis) -> dict[str, object]:
    """All that Redis holds, as {key: value}; of a throttle only how many requests it counts."""
    read: dict[str, Callable[[str], object]] = {
        "string": client.get,
        "stream": client.xrange,
    }
    keys = sorted(str(key) for key in client.scan_iter())
    found = {key: read[str(client.type(key))](key) for key in keys}
    return {k: len(str(v).split()) if k.startswith("throttle:") else v for k, v in found.items()}


def fill_with_expired(client: redis.Redis) -> None:
    """As many entries as the queue holds, all older than a job can be."""
    with client.pipeline() as pipeline:
        for number in range(job_queue.MAX_JOBS):
            pipeline.xadd(STREAM, {"id": f"w{number}"}, id=f"{NOW_MS}-{number}")
        pipeline.execute()
