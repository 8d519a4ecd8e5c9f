"""The claim protocol, step by step, on a real Redis: who holds a job, how long, how it ends.

Long because every way to claim, renew, lose and answer a job stands beside the others.
"""

import contextlib
import json
from typing import Any

import pytest
import redis

from node.claims import Answer, Claim, Claims
from tests.processes import RedisServer, access_string, until
from tinyllama.utils.queue.errors import QueueUnavailable
from tinyllama.utils.queue.job_queue import JobQueue, JobState
from tinyllama.utils.queue.redis_errors import translated_errors
from tinyllama.utils.queue.redis_keys import GROUP, STREAM


@pytest.fixture
def jobs(redis_client: redis.Redis) -> JobQueue:
    """The functions' side."""
    return JobQueue(redis_client)


def claims(client: redis.Redis, consumer: str = "i-1", lease_s: int = 60) -> Claims:
    """A worker's side, whose group exists."""
    made = Claims(client, consumer, life_s=300, lease_s=lease_s)
    made.next(1)
    return made


def accept(jobs: JobQueue, job_id: str, prompt: str = "p") -> None:
    """Accept a job of ann's."""
    jobs.accept(job_id=job_id, sub="ann", prompt=prompt, idle=5, now_ms=0)


def claimed(worker: Claims) -> Claim:
    """The next job; there must be one."""
    claim = worker.next(1)
    assert claim is not None
    return claim


def pending(client: redis.Redis) -> list[tuple[object, object]]:
    """(consumer, deliveries) of each entry that is held."""
    found = client.xpending_range(STREAM, GROUP, "-", "+", 10)
    return [(entry["consumer"], entry["times_delivered"]) for entry in found]


def test_next_makes_the_group_and_takes_what_came_before(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """Without a group nothing is lost: it begins at the stream's first entry."""
    accept(jobs, "j1")
    worker = Claims(redis_client, "i-1", life_s=300)
    assert worker.next(1) is None
    claim = claimed(worker)
    assert (claim.job_id, claim.sub, claim.prompt, claim.deliveries) == ("j1", "ann", "p", 1)
    assert jobs.state("j1", "ann") == JobState("running")
    ends_ms: list[int] = [
        redis_client.execute_command("PEXPIRETIME", key)  # type: ignore[no-untyped-call]
        for key in ("job:j1", "state:j1")
    ]
    # The script reads what is left of the one in ms, and gives that to the other.
    assert abs(ends_ms[0] - ends_ms[1]) <= 2


def test_next_two_workers_make_the_group_at_once(redis_client: redis.Redis) -> None:
    """A group that another has just made is no failure."""
    first, second = (Claims(redis_client, name, life_s=300) for name in ("i-1", "i-2"))
    first._make_group()
    second._make_group()
    assert second.next(1) is None


def test_next_gives_a_restarted_worker_its_own_first(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """What is pending under its name comes before what is new, and counts as another delivery."""
    worker = claims(redis_client)
    accept(jobs, "j1")
    claimed(worker)
    accept(jobs, "j2")
    again = Claims(redis_client, "i-1", life_s=300)
    claim = claimed(again)
    assert (claim.job_id, claim.deliveries) == ("j1", 2)
    again.answer(claim, Answer("done", "r"))
    assert claimed(again).job_id == "j2"


def test_next_takes_over_after_the_lease_only(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Another's job is taken when its lease has ended, and not before."""
    accept(jobs, "j1")
    claimed(claims(redis_client, "i-1"))
    assert claims(redis_client, "i-2").next(1) is None
    heir = Claims(redis_client, "i-2", life_s=300, lease_s=1)
    taken: list[Claim] = []

    def take() -> bool:
        heir._others_at_s = 0
        taken.extend(filter(None, [heir.next(1)]))
        return taken != []

    until(take, what="the end of the lease")
    assert (taken[0].job_id, taken[0].deliveries) == ("j1", 2)
    assert pending(redis_client) == [("i-2", 2)]


def test_renew_keeps_the_lease_and_counts_no_delivery(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """A renewed entry is as if just delivered."""
    worker = claims(redis_client)
    accept(jobs, "j1")
    claim = claimed(worker)

    def held_since_ms() -> int:
        """When the lease began, by the server's clock."""
        transaction: Any = redis_client.pipeline()
        [held], now = transaction.xpending_range(STREAM, GROUP, "-", "+", 1).time().execute()
        return int(now[0]) * 1000 + int(now[1]) // 1000 - int(held["time_since_delivered"])

    first_ms = held_since_ms()

    def idle_ms() -> int:
        [held] = redis_client.xpending_range(STREAM, GROUP, "-", "+", 1)
        return int(held["time_since_delivered"])

    until(lambda: idle_ms() > 30, what="an idle entry")
    assert worker.renew(claim) is True
    assert held_since_ms() > first_ms + 30
    assert pending(redis_client) == [("i-1", 1)]


def test_renew_does_not_steal_back(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Who has lost a job to another is told so, and leaves it there."""
    worker = claims(redis_client)
    accept(jobs, "j1")
    claim = claimed(worker)
    redis_client.xclaim(STREAM, GROUP, "i-2", 0, [claim.entry])
    assert worker.renew(claim) is False
    assert pending(redis_client) == [("i-2", 2)]


def test_renew_after_the_cache_lost_everything(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """No stream, no lease; and no failure."""
    worker = claims(redis_client)
    accept(jobs, "j1")
    claim = claimed(worker)
    redis_client.flushall()
    assert worker.renew(claim) is False


def test_answer_is_stored_once(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Of two workers that ran one job the first one's answer stands; the queue is empty."""
    worker = claims(redis_client)
    accept(jobs, "j1")
    claim = claimed(worker)
    assert worker.answer(claim, Answer("done", "first")) is True
    assert worker.answer(claim, Answer("failed", "model_timeout")) is False
    stored = json.loads(str(redis_client.get("reply:j1")))
    assert isinstance(stored.pop("ts"), int)
    assert stored == {"sub": "ann", "status": "done", "reply": "first", "body": claim.body}
    assert jobs.state("j1", "ann") == JobState("done", reply="first")
    assert [str(key) for key in redis_client.keys("job:*") + redis_client.keys("state:*")] == []
    assert pending(redis_client) == []
    assert redis_client.xlen(STREAM) == 0


def test_answer_reaches_the_owner_after_the_cache_lost_everything(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """No job, no stream, no group: the answer is stored all the same."""
    worker = claims(redis_client)
    accept(jobs, "j1")
    claim = claimed(worker)
    redis_client.flushall()
    assert worker.answer(claim, Answer("done", "r")) is True
    assert jobs.state("j1", "ann") == JobState("done", reply="r")


def test_answer_to_another_body_is_not_stored(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """The id was sent again with another prompt after a loss: that job waits for its own answer."""
    worker = claims(redis_client)
    accept(jobs, "j1")
    claim = claimed(worker)
    redis_client.flushall()
    accept(jobs, "j1", prompt="q")
    assert worker.answer(claim, Answer("done", "r")) is False
    assert jobs.state("j1", "ann") == JobState("queued")
    assert redis_client.xlen(STREAM) == 1


def test_answer_and_claim_pass_when_memory_is_used_up(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """At maxmemory answering goes on, because it is what frees memory."""
    worker = claims(redis_client)
    accept(jobs, "j1", prompt="p" * 6000)
    redis_client.config_set("maxmemory", "1")
    try:
        assert worker.answer(claimed(worker), Answer("done", "r")) is True
    finally:
        redis_client.config_set("maxmemory", "0")
    assert jobs.state("j1", "ann") == JobState("done", reply="r")


def test_next_drops_what_has_no_job(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """An expired, an answered and a trimmed job leave no entry, no state and nothing held."""
    claims(redis_client)
    for job_id in ("expired", "answered", "trimmed"):
        accept(jobs, job_id)
    redis_client.delete("job:expired")
    redis_client.set("reply:answered", "{}")
    redis_client.xreadgroup(GROUP, "i-1", {STREAM: ">"})
    redis_client.xdel(STREAM, json.loads(str(redis_client.get("job:trimmed")))["entry"])
    restarted = Claims(redis_client, "i-1", life_s=300)
    assert [restarted.next(1) for _ in range(4)] == [None] * 4
    assert pending(redis_client) == []
    assert redis_client.exists("job:answered", "state:answered", "state:expired") == 0


def test_next_drops_an_old_entry_and_not_the_job_that_was_sent_again(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """An expired job under the same id is another job: the old entry does not end it."""
    accept(jobs, "j1")
    claimed(claims(redis_client))
    redis_client.delete("job:j1", "state:j1")
    accept(jobs, "j1")
    restarted = Claims(redis_client, "i-1", life_s=300)
    assert restarted.next(1) is None
    assert jobs.state("j1", "ann") == JobState("queued")
    claim = claimed(restarted)
    assert (claim.job_id, claim.deliveries) == ("j1", 1)
    assert pending(redis_client) == [("i-1", 1)]


def test_next_leaves_an_entry_that_another_has_taken(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """Delivered, but claimed by another before it was begun: not ours to run."""
    worker = claims(redis_client)
    accept(jobs, "j1")
    read: Any = redis_client.xreadgroup(GROUP, "i-1", {STREAM: ">"})
    [(entry, fields)] = read[0][1]
    redis_client.xclaim(STREAM, GROUP, "i-2", 0, [entry])
    assert worker._begin(entry, fields) is None
    assert pending(redis_client) == [("i-2", 2)]


def test_next_after_a_failure_looks_for_what_did_not_arrive(
    redis_server: RedisServer, jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """A reply that was lost on its way leaves an entry delivered: the next read finds it."""
    pool = redis.ConnectionPool(port=redis_server.port, decode_responses=True, protocol=2)
    with contextlib.closing(redis.Redis.from_pool(pool)) as client:
        worker = claims(client)
        accept(jobs, "j1")
        begin = worker._claim
        worker._claim = redis_client.register_script("return redis.error_reply('LOST')")
        with pytest.raises(QueueUnavailable):
            worker.next(1)
        worker._claim = begin
        assert claimed(worker).job_id == "j1"


def test_every_step_works_with_the_template_s_commands(
    redis_server: RedisServer, redis_client: redis.Redis
) -> None:
    """The node's access string is enough for every step, and one command less is told as `auth`."""
    words = f"on nopass {access_string('NodeUser')}".split()
    needed = [word for word in words if word.startswith("+") and word != "+ping"]
    for missing in [None, *needed]:
        given = [word for word in words if word != missing]
        redis_client.flushall()
        redis_client.script_flush()
        redis_client.execute_command(  # type: ignore[no-untyped-call]
            "ACL", "SETUSER", "node", "reset", *given
        )
        accept(JobQueue(redis_client), "j1")
        pool = redis.ConnectionPool(
            port=redis_server.port, username="node", password="x", decode_responses=True, protocol=2
        )
        code = None
        with contextlib.closing(redis.Redis.from_pool(pool)) as client:
            try:
                every_step(client)
            except QueueUnavailable as error:
                code = error.code
        assert code == (None if missing is None else "auth"), missing
    redis_client.acl_deluser("node")


def every_step(client: redis.Redis) -> None:
    """All that a worker and its heartbeat ask of Redis."""
    worker = claims(client)
    claim = claimed(worker)
    JobQueue(client).depth()
    worker.renew(claim)
    worker.answer(claim, Answer("done", "r"))
    with translated_errors():
        client.set("node:heartbeat", "i-1", ex=10)
        client.delete("node:heartbeat")
