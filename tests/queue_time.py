"""What time does to jobs in Redis, done at once: tests do not wait for minutes to pass."""

import json

import redis

from tinyllama.utils.queue.redis_keys import RUNNING, WAITING, job_key


def expire(client: redis.Redis, job_id: str, sub: str) -> None:
    """What 480 s do to a waiting job, if nobody tells its owner before."""
    client.delete(job_key(job_id))
    make_older(client, job_id, sub, 480_000)


def make_older(client: redis.Redis, job_id: str, sub: str, by_ms: int) -> None:
    """Let a waiting job have been accepted earlier."""
    client.zincrby(WAITING, -by_ms, f"{job_id} {sub}")


def end_lease(client: redis.Redis, job_id: str) -> None:
    """What 60 s without a beat do to a job that a worker holds."""
    change_lease(client, job_id, until=1)


def change_lease(client: redis.Redis, job_id: str, **changes: object) -> None:
    """Set what time or another worker would have made of the lease."""
    lease = json.loads(str(client.hget(RUNNING, job_id)))
    client.hset(RUNNING, job_id, json.dumps(lease | changes))
