"""The queue in a real Redis: what each call leaves, answers and refuses."""

import json
import time

import pytest
import redis

from tests.processes import expires_after, until
from tests.unit.queue_calls import NOW_MS, accept, contents, fill_with_expired
from tinyllama.utils.queue import job_queue
from tinyllama.utils.queue.errors import KeyReused, QueueFull, RateLimited
from tinyllama.utils.queue.job_queue import Acceptance, JobQueue, JobState
from tinyllama.utils.queue.redis_keys import GROUP, HEARTBEAT, STREAM


@pytest.fixture
def jobs(redis_client: redis.Redis) -> JobQueue:
    """A queue on the session's Redis, which is empty."""
    return JobQueue(redis_client)


def test_accept_writes_job_and_entry(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """An accepted job is one key of 300 s with all fields, and one stream entry that it knows."""
    assert expires_after(redis_client, "job:j1", 300, lambda: accept(jobs))

    found = contents(redis_client)
    assert sorted(found) == ["job:j1", "jobs", "throttle:ann"]
    entries = found["jobs"]
    assert isinstance(entries, list)
    [(entry, fields)] = entries
    assert fields == {"id": "j1"}
    assert json.loads(str(found["job:j1"])) == {
        "id": "j1",
        "prompt": 'hé\n"}',
        "idle": 5,
        "sub": "ann",
        "reply": "reply:j1",
        "ts": NOW_MS,
        "body": "2a373b952877edc22771bcd6e2fcc3c0",
        "entry": entry,
    }
    assert expires_after(redis_client, "throttle:ann", 61, lambda: accept(jobs, "j2"))


def test_accept_says_whether_a_worker_is_present(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """`node_awake` is the heartbeat's presence."""
    redis_client.set(HEARTBEAT, "i-1", ex=10)
    assert accept(jobs) == Acceptance("j1", node_awake=True, repeated=False)


def test_accept_repeat_returns_the_job_and_queues_nothing(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """A known id with the same body is `repeated`, while it waits and after it was answered."""
    accept(jobs)
    before = contents(redis_client)
    assert accept(jobs) == Acceptance("j1", node_awake=False, repeated=True)
    assert contents(redis_client) == before | {"throttle:ann": 2}

    body = json.loads(str(redis_client.get("job:j1")))["body"]
    redis_client.delete("job:j1", "jobs")
    redis_client.set("reply:j1", json.dumps({"sub": "ann", "status": "done", "body": body}))
    assert accept(jobs) == Acceptance("j1", node_awake=False, repeated=True)
    assert redis_client.exists("job:j1", "jobs") == 0


@pytest.mark.parametrize(("prompt", "idle"), [("other", 5), ('hé\n"}', 6)])
def test_accept_known_id_with_another_body_is_refused(
    jobs: JobQueue, redis_client: redis.Redis, prompt: str, idle: int
) -> None:
    """An id says one thing only: prompt and idle both belong to it."""
    accept(jobs)
    before = contents(redis_client)
    with pytest.raises(KeyReused):
        accept(jobs, prompt=prompt, idle=idle)
    assert contents(redis_client) == before | {"throttle:ann": 2}


def test_accept_after_everything_is_gone_queues_again(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """After a cache that lost all, the same id is a new job, whatever its body was."""
    accept(jobs)
    redis_client.flushall()
    assert accept(jobs, prompt="other") == Acceptance("j1", node_awake=False, repeated=False)


def test_accept_throttles_each_owner_alone(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """The sixth request within a second is refused and leaves nothing; another owner passes."""
    frozen = JobQueue(redis_client, clock_us=lambda: 1_000_000_000)
    for number in range(5):
        accept(frozen, f"j{number}")
    before = contents(redis_client)
    with pytest.raises(RateLimited) as refused:
        accept(frozen, "j5")
    assert refused.value.retry_after_s == 1
    assert contents(redis_client) == before
    assert accept(frozen, "k0", sub="bob").repeated is False


def test_accept_passes_a_clock_that_was_set_back(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Requests from a future that no longer is do not count, and are forgotten."""
    now_us = [10_000_000_000]
    clocked = JobQueue(redis_client, clock_us=lambda: now_us[0])
    for number in range(5):
        accept(clocked, f"j{number}")
    now_us[0] -= 3_600_000_000
    accept(clocked, "j5")
    assert contents(redis_client)["throttle:ann"] == 1


def test_accept_refuses_when_the_queue_is_full(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """At `MAX_JOBS` entries nothing more is queued and nothing is written."""
    with redis_client.pipeline() as pipeline:
        for number in range(job_queue.MAX_JOBS):
            pipeline.xadd(STREAM, {"id": f"w{number}"})
        pipeline.execute()
    with pytest.raises(QueueFull) as refused:
        accept(jobs)
    assert refused.value.code == "error"
    assert sorted(contents(redis_client)) == ["jobs"]


def test_accept_lets_expired_entries_make_room(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Entries older than a job's life have no job; a queue full of them is not full."""
    fill_with_expired(redis_client)
    accept(jobs)
    entries = redis_client.xrange(STREAM) or []
    assert [fields for _, fields in entries] == [{"id": "j1"}]


def test_withdraw_leaves_nothing(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Neither job nor entry remain, with and without a worker group; the request still counted."""
    accept(jobs, "j1")
    assert jobs.withdraw("j1") is True
    redis_client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    accept(jobs, "j2")
    assert jobs.withdraw("j2") is True
    assert jobs.withdraw("j2") is False
    assert contents(redis_client) == {"jobs": [], "throttle:ann": 2}


def test_withdraw_leaves_a_job_that_a_worker_holds(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """A claimed job is answered, so it is not taken away."""
    accept(jobs)
    redis_client.xgroup_create(STREAM, GROUP, id="0")
    redis_client.xreadgroup(GROUP, "i-1", {STREAM: ">"})
    assert jobs.withdraw("j1") is False
    assert sorted(contents(redis_client)) == ["job:j1", "jobs", "throttle:ann"]


def test_right_to_start_is_one_callers_until_it_says_what_came_of_it(
    jobs: JobQueue, redis_client: redis.Redis
) -> None:
    """The others learn that somebody looks, then the outcome; an empty one lets the next look."""
    said: list[str | None] = []
    assert expires_after(redis_client, "node:start", 10, lambda: said.append(jobs.begin_start()))
    assert [*said, jobs.begin_start()] == [None, ""]
    assert expires_after(redis_client, "node:start", 2, lambda: jobs.end_start("no_capacity"))
    jobs.end_start("no_capacity")
    assert jobs.begin_start() == "no_capacity"
    jobs.end_start("")
    assert jobs.begin_start() is None


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({}, None),
        ({"job:j1": {"sub": "ann"}}, JobState("queued")),
        ({"job:j1": {"sub": "bob"}}, None),
        ({"job:j1": {"sub": "ann"}, "state:j1": "running"}, JobState("running")),
        ({"state:j1": "running"}, None),
        (
            {"reply:j1": {"sub": "ann", "status": "done", "reply": "hi"}},
            JobState("done", reply="hi"),
        ),
        ({"reply:j1": {"sub": "bob", "status": "done", "reply": "hi"}}, None),
        (
            {"job:j1": {"sub": "ann"}, "reply:j1": {"sub": "bob", "status": "done", "reply": "x"}},
            None,
        ),
        (
            {"reply:j1": {"sub": "ann", "status": "failed", "error": "model_timeout"}},
            JobState("failed", error="model_timeout"),
        ),
    ],
)
def test_state_answers_only_the_owner(
    jobs: JobQueue,
    redis_client: redis.Redis,
    stored: dict[str, object],
    expected: JobState | None,
) -> None:
    """State and reply go to the owner stored with them; a foreign and an unknown id look alike."""
    for key, value in stored.items():
        redis_client.set(key, json.dumps(value))
    assert jobs.state("j1", "ann") == expected


def test_depth_tells_waiting_from_held(jobs: JobQueue, redis_client: redis.Redis) -> None:
    """Without a stream, without a group and with one: what waits, what is held, and since when."""
    assert jobs.depth() == job_queue.QueueDepth(0, 0, 0)
    accept(jobs, "j1")
    accept(jobs, "j2")
    assert (jobs.depth().waiting, jobs.depth().in_flight) == (2, 0)
    redis_client.xgroup_create(STREAM, GROUP, id="0")
    redis_client.xreadgroup(GROUP, "i-1", {STREAM: ">"}, count=1)
    first = jobs.depth()
    assert (first.waiting, first.in_flight) == (1, 1)
    until(lambda: jobs.depth().oldest_age_ms > first.oldest_age_ms, what="the age grows")
    redis_client.xreadgroup(GROUP, "i-1", {STREAM: ">"})
    assert jobs.depth() == job_queue.QueueDepth(0, 2, 0)


def test_health_times_a_ping_and_counts(jobs: JobQueue) -> None:
    """The health has depth and jobs in flight beside the time of a PING."""
    accept(jobs)
    began_s = time.perf_counter()
    health = jobs.health()
    assert (health.depth, health.in_flight) == (1, 0)
    assert 0 < health.latency_ms < (time.perf_counter() - began_s) * 1000
