"""The claim protocol, step by step, on a real Redis: who holds a job, how long, how it ends.

Long because every way to claim, renew, lose and answer a job stands beside the others.
"""

import contextlib
import json
import time
from typing import Any

import pytest
import redis

from node.claims import Answer, Claim, Claims
from tests.processes import RedisServer, until
from tests.queue_time import change_lease, make_older
from tinyllama.utils.queue.answers import JobState, QueueDepth
from tinyllama.utils.queue.errors import QueueUnavailable
from tinyllama.utils.queue.job_queue import JobQueue
from tinyllama.utils.queue.redis_keys import RUNNING


@pytest.fixture
def jobs(redis_client: redis.Redis) -> JobQueue:
    """The functions' side."""
    return JobQueue(redis_client)


def claims(client: redis.Redis, consumer: str = "i-1", lease_s: int = 60) -> Claims:
    """A worker's side."""
    return Claims(client, consumer, life_s=300, lease_s=lease_s)


def accept(jobs: JobQueue, job_id: str, prompt: str = "p", sub: str = "ann") -> None:
    """Accept a job."""
    jobs.accept(job_id=job_id, sub=sub, prompt=prompt, idle=5, now_ms=0)


def claimed(worker: Claims) -> Claim:
    """The next job; there must be one."""
    claim = worker.next()
    assert claim is not None
    return claim


def lease(client: redis.Redis, job_id: str = "j1") -> dict[str, Any]:
    """The lease of a job that is held."""
    found: dict[str, Any] = json.loads(str(client.hget(RUNNING, job_id)))
    return found


def held(client: redis.Redis) -> dict[str, tuple[str, int]]:
    """(consumer, times begun) of each job that is held."""
    found: dict[str, tuple[str, int]] = {}
    for job_id in map(str, client.hkeys(RUNNING)):
        read = lease(client, job_id)
        found[job_id] = (read["consumer"], read["begun"])
    return found


def structures(client: redis.Redis) -> list[str]:
    """All keys that are neither throttle nor reply."""
    keys = map(str, client.scan_iter())
    return sorted(key for key in keys if not key.startswith(("throttle:", "reply:")))


def test_next_takes_what_came_before_the_first_worker(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """Nothing has to exist before the first job: accept makes all there is."""
    accept(jobs, "j1")
    claim = claimed(claims(redis_client))
    assert (claim.job_id, claim.sub, claim.prompt, claim.begun) == ("j1", "ann", "p", 0)
    assert structures(redis_client) == ["job:j1", "running"]


def test_next_serves_users_in_turns(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Of a user with many jobs one is taken, then those of the users who came after."""
    for job_id, sub in [("a1", "ann"), ("a2", "ann"), ("a3", "ann"), ("b1", "bob"), ("e1", "eve")]:
        accept(jobs, job_id, sub=sub)
    worker = claims(redis_client)
    order = []
    for _ in range(5):
        claim = claimed(worker)
        order.append(claim.job_id)
        if claim.job_id == "b1":
            accept(jobs, "b2", sub="bob")
        worker.answer(claim, Answer("done", "r"))
    assert order == ["a1", "b1", "e1", "a2", "b2"]


def test_next_waits_for_the_bell(
    redis_server: RedisServer, jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """An empty queue is not asked in a loop: the worker waits until accept rings."""
    with contextlib.closing(redis_server.client()) as client:
        worker = claims(client)
        assert worker.next() is None
        accept(jobs, "j1")
        assert redis_client.lrange("bell", 0, -1) == ["1"]
        assert claimed(worker).job_id == "j1"
        assert redis_client.exists("bell") == 0


def test_next_gives_a_restarted_worker_its_own_first(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """What it held comes before what is new; only what it began counts."""
    worker = claims(redis_client)
    accept(jobs, "j1")
    assert worker.begin(claimed(worker)) is True
    accept(jobs, "j2", sub="bob")
    again = claims(redis_client)
    claim = claimed(again)
    assert (claim.job_id, claim.begun) == ("j1", 1)
    again.answer(claim, Answer("done", "r"))
    assert claimed(again).job_id == "j2"


def test_next_counts_no_reply_that_was_lost(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """However often the reply to a claim is lost, the job was never begun, and is the next."""
    accept(jobs, "j1")
    for _ in range(5):
        claim = claimed(claims(redis_client))
        assert (claim.job_id, claim.begun) == ("j1", 0)
    assert held(redis_client) == {"j1": ("i-1", 0)}


def test_begin_counts_an_attempt_once(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """`begin` may be sent again when its reply is lost; the next claim is the next attempt."""
    worker = claims(redis_client)
    accept(jobs, "j1")
    for attempt in (1, 2, 3):
        claim = claimed(worker)
        assert claim.begun == attempt - 1
        assert [worker.begin(claim), worker.begin(claim)] == [True, True]
        assert held(redis_client) == {"j1": ("i-1", attempt)}


def test_begin_tells_who_lost_the_job(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Taken over, answered, or forgotten with the cache: it may not be begun."""
    worker = claims(redis_client)
    accept(jobs, "j1")
    claim = claimed(worker)
    change_lease(redis_client, "j1", consumer="i-2")
    assert worker.begin(claim) is False
    assert held(redis_client) == {"j1": ("i-2", 0)}
    redis_client.flushall()
    assert worker.begin(claim) is False
    assert redis_client.dbsize() == 0


@pytest.mark.fault(fault="the worker is killed", place="while the model works")
def test_next_takes_over_after_the_lease_only(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Another's job is taken when its lease has ended, and not before; what was begun counts on."""
    accept(jobs, "j1")
    first = claims(redis_client, "i-1", lease_s=1)
    assert first.begin(claimed(first)) is True
    heir = claims(redis_client, "i-2")
    assert heir.next() is None
    taken: list[Claim] = []

    def take() -> bool:
        taken.extend(filter(None, [heir.next()]))
        return taken != []

    until(take, what="the end of the lease")
    assert (taken[0].job_id, taken[0].begun) == ("j1", 1)
    assert held(redis_client) == {"j1": ("i-2", 1)}


def test_beat_keeps_the_lease(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """A beat shows the worker, and moves the end of the lease; it begins nothing."""
    worker = claims(redis_client)
    accept(jobs, "j1")
    claim = claimed(worker)
    end = lease(redis_client)["until"]
    change_lease(redis_client, "j1", until=end - 30_000)
    assert worker.beat("i-1", [claim.job_id]) == []
    assert lease(redis_client)["until"] >= end
    assert held(redis_client) == {"j1": ("i-1", 0)}
    assert redis_client.get("node:heartbeat") == "i-1"
    assert 9 <= redis_client.ttl("node:heartbeat") <= 10
    assert worker.beat("i-1") == []


def test_beat_does_not_steal_back(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Who has lost a job to another is told so, and leaves it there; the beat itself counts."""
    worker = claims(redis_client)
    accept(jobs, "j1")
    claim = claimed(worker)
    change_lease(redis_client, "j1", consumer="i-2")
    assert worker.beat("i-1", [claim.job_id]) == [claim.job_id]
    assert held(redis_client) == {"j1": ("i-2", 0)}
    redis_client.flushall()
    assert worker.beat("i-1", [claim.job_id]) == [claim.job_id]
    assert redis_client.keys() == ["node:heartbeat"]


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
    assert structures(redis_client) == []


def test_answer_reaches_the_owner_after_the_cache_lost_everything(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """No job and no lease: the answer is stored all the same, also for a job that was sent again
    and waits."""
    worker = claims(redis_client)
    for is_sent_again in (False, True):
        redis_client.flushall()
        accept(jobs, "j1")
        claim = claimed(worker)
        redis_client.flushall()
        if is_sent_again:
            accept(jobs, "j1")
        assert worker.answer(claim, Answer("done", "r")) is True
        assert jobs.state("j1", "ann") == JobState("done", reply="r")
        assert structures(redis_client) == []


def test_answer_to_another_body_is_not_stored(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """The id was sent again with another prompt after a loss: that job waits for its own answer,
    also while another worker holds it."""
    worker = claims(redis_client)
    accept(jobs, "j1")
    claim = claimed(worker)
    redis_client.flushall()
    accept(jobs, "j1", prompt="q")
    assert worker.answer(claim, Answer("done", "r")) is False
    assert jobs.state("j1", "ann") == JobState("queued")
    other = claimed(claims(redis_client, "i-2"))
    assert worker.answer(claim, Answer("done", "r")) is False
    assert held(redis_client) == {"j1": ("i-2", 0)}
    assert other.prompt == "q"


def test_answer_that_failed_does_not_end_a_later_job(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """The job's life ended while the model thought, and its owner sent it again: the time-out of
    the first is not the answer to the second, which a reply would be."""
    worker = claims(redis_client)
    accept(jobs, "j1")
    claim = claimed(worker)
    redis_client.delete("job:j1")
    until(lambda: _is_later(redis_client, claim), what="another millisecond")
    accept(jobs, "j1")
    assert worker.answer(claim, Answer("failed", "model_timeout")) is False
    assert held(redis_client) == {}
    assert jobs.state("j1", "ann") == JobState("queued")
    assert worker.answer(claim, Answer("done", "r")) is True
    assert structures(redis_client) == []


def _is_later(client: redis.Redis, claim: Claim) -> bool:
    seconds, microseconds = client.time()
    return seconds * 1000 + microseconds // 1000 > claim.accepted_ms


@pytest.mark.fault(
    fault="the cache is full",
    place="jobs wait or run",
    user_sees="nothing: they are answered",
    lost="nothing",
    recovers="claims, replies and failures free memory",
)
def test_waiting_jobs_are_claimed_and_answered_when_memory_is_used_up(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """At maxmemory no job is accepted, and everything else goes on, because it frees memory: from
    the first worker that ever comes to the last answer, the start of a node included."""
    for number in range(3):
        accept(jobs, f"j{number}", prompt="p" * 6000)
    accept(jobs, "b1", sub="bob")
    redis_client.config_set("maxmemory", "1")
    try:
        with pytest.raises(QueueUnavailable) as refused:
            accept(jobs, "j9")
        assert refused.value.outcome == "none"
        assert jobs.begin_start() is None
        worker = claims(redis_client)
        assert worker.beat("i-1") == []
        crashed = claimed(worker)
        assert worker.begin(crashed) is True
        for _ in range(4):
            claim = claimed(worker)
            assert worker.begin(claim) is True
            assert worker.beat("i-1", [claim.job_id]) == []
            assert worker.answer(claim, Answer("done", "r")) is True
        assert worker.next() is None
    finally:
        redis_client.config_set("maxmemory", "0")
    states = [jobs.state("b1", "bob"), *(jobs.state(f"j{n}", "ann") for n in range(3))]
    assert states == [JobState("done", reply="r")] * 4
    assert structures(redis_client) == ["node:heartbeat", "node:start"]


@pytest.mark.fault(fault="the cache is full", place="jobs wait or run")
def test_owners_are_told_when_memory_is_used_up(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Sweep and stop answer for waiting and held jobs at maxmemory too."""
    for number in range(4):
        accept(jobs, f"j{number}", sub=f"user-{number}")
    claimed(claims(redis_client))
    change_lease(redis_client, "j0", until=0)
    make_older(redis_client, "j1", "user-1", 1000)
    redis_client.config_set("maxmemory", "1")
    try:
        assert jobs.sweep(older_than_ms=1000, error="not_started").failed == 1
        assert jobs.stop_request("eve", force=True) is True
        assert jobs.stop_jobs("eve", force=True) == 3
    finally:
        redis_client.config_set("maxmemory", "0")
    assert structures(redis_client) == []
    assert jobs.depth() == QueueDepth(0, 0, 0)


def test_next_drops_what_has_no_job(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Expired and answered jobs, waiting or held, leave no place and no lease; nor does what cannot
    be read."""
    worker = claims(redis_client)
    for job_id in ("held-expired", "held-answered", "expired", "answered"):
        accept(jobs, job_id)
        if job_id.startswith("held"):
            claimed(claims(redis_client, job_id))
    for job_id in ("held-expired", "held-answered"):
        change_lease(redis_client, job_id, until=0)
    redis_client.delete("job:held-expired", "job:expired")
    redis_client.set("reply:held-answered", "{}")
    redis_client.set("reply:answered", "{}")
    redis_client.hset(RUNNING, "garbled", "{")
    assert worker.next() is None
    assert structures(redis_client) == []


def test_next_drops_a_lease_and_not_the_job_that_was_sent_again(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """An expired job under the same id is another job: the lease of the first does not end it."""
    accept(jobs, "j1")
    worker = claims(redis_client)
    assert worker.begin(claimed(worker)) is True
    redis_client.delete("job:j1")
    accept(jobs, "j1")
    claim = claimed(worker)
    assert (claim.job_id, claim.begun) == ("j1", 0)
    assert structures(redis_client) == ["job:j1", "running"]


def test_next_takes_no_job_whose_life_has_ended(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """`life_s` counts from the acceptance, whatever Redis still holds; the owner is told."""
    accept(jobs, "j1")
    make_older(redis_client, "j1", "ann", 1000)
    accept(jobs, "j2")
    short = Claims(redis_client, "i-1", life_s=1)
    assert claimed(short).job_id == "j2"
    assert jobs.state("j1", "ann") == JobState("failed", error="not_started")


def test_job_that_cannot_be_read_does_not_hold_up_the_next(
    redis_client: redis.Redis, jobs: JobQueue
) -> None:
    """One claim refuses it and gives the job behind it: no bell rings for that job again."""
    accept(jobs, "broken")
    redis_client.set("job:broken", "{", ex=300)
    accept(jobs, "next", sub="bob")
    assert claimed(claims(redis_client)).job_id == "next"
    assert held(redis_client) == {"next": ("i-1", 0)}


@pytest.mark.parametrize(
    "entry",
    ["", "{", "[]", '{"accepted": 1}', '{"accepted": null, "until": 1, "begun": 0}',
     '{"accepted": 1, "until": "1", "begun": 0, "sub": "ann", "consumer": "i-1"}'],
)  # fmt: skip
def test_lease_that_cannot_be_read_is_over(
    entry: str, redis_client: redis.Redis, jobs: JobQueue
) -> None:
    """It stops neither claims nor counts nor the waker's sweep."""
    redis_client.hset(RUNNING, "strange", entry)
    accept(jobs, "j1")
    assert (jobs.depth().waiting, jobs.depth().in_flight) == (1, 0)
    assert jobs.sweep(older_than_ms=2**40, error="unused").waiting == 1
    assert jobs.stop_request("ann", force=False) is True
    assert claimed(claims(redis_client)).job_id == "j1"
    assert set(held(redis_client)) == {"j1"}


def test_clock_that_is_set_back_lengthens_no_life(
    redis_client: redis.Redis, jobs: JobQueue
) -> None:
    """A job that was accepted an hour ahead of the cache's clock has 300 s, as every other."""
    accept(jobs, "j1")
    make_older(redis_client, "j1", "ann", -3_600_000)
    assert claimed(claims(redis_client)).deadline_s <= time.monotonic() + 300
