"""Calls of the queue, and what fills it, for its tests."""

import json
from collections.abc import Callable

import redis

from node.claims import Claim, Claims
from tinyllama.utils.queue.answers import Acceptance
from tinyllama.utils.queue.job_queue import JobQueue
from tinyllama.utils.queue.redis_keys import TURNS, WAITING, waiting_key

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
        "zset": lambda key: client.zrange(key, 0, -1),
        "list": lambda key: client.lrange(key, 0, -1),
        "hash": client.hgetall,
    }
    keys = sorted(str(key) for key in client.scan_iter())
    found = {key: read[str(client.type(key))](key) for key in keys}
    return {k: len(str(v).split()) if k.startswith("throttle:") else v for k, v in found.items()}


def fill(client: redis.Redis, count: int, accepted_ms: int, sub: str = "") -> None:
    """Let jobs wait since `accepted_ms`: each of a user of its own, or all of `sub`."""
    with client.pipeline() as pipeline:
        for number in range(count):
            owner = sub or f"user-{number}"
            pipeline.zadd(WAITING, {f"w{number} {owner}": accepted_ms})
            pipeline.rpush(waiting_key(owner), f"w{number}")
            pipeline.lrem(TURNS, 0, owner)
            pipeline.rpush(TURNS, owner)
            pipeline.set(f"job:w{number}", json.dumps({"sub": owner, "body": ""}))
        pipeline.execute()


def claimed(client: redis.Redis, consumer: str = "i-1") -> Claim:
    """The job that a worker gets next; there must be one."""
    claim = Claims(client, consumer, life_s=300).next()
    assert claim is not None
    return claim
