"""Whatever dies and whenever: an accepted job is answered, once, or its owner learns it is gone.

Long because each crash is a story of its own in the same house: cache, model, nodes, and a queue.
"""

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from typing import get_args

import pytest
import redis

from node.claims import Claims
from tests.faults.parts import ModelServer, Node, TlsFront
from tests.processes import RedisServer, expires_after, until
from tinyllama.utils.observability.logs import Level
from tinyllama.utils.queue.answers import JobState
from tinyllama.utils.queue.job_id import JobId, id_for_key
from tinyllama.utils.queue.job_queue import JobQueue
from tinyllama.utils.queue.redis_keys import RUNNING

MakeNode = Callable[..., Node]
KEYED = id_for_key("ann", "key-1")


def accept(jobs: JobQueue, job_id: JobId = KEYED, prompt: str = "p", sub: str = "ann") -> bool:
    """Accept a job; True if it was known already."""
    return jobs.accept(job_id=job_id, sub=sub, prompt=prompt, idle=5, now_ms=0).repeated


def answered(jobs: JobQueue, job_id: str = KEYED, sub: str = "ann") -> JobState:
    """Wait for the job's answer."""

    def is_answered() -> bool:
        state = jobs.state(job_id, sub)
        return state is not None and state.status in ("done", "failed")

    until(is_answered, what=f"an answer to {job_id}")
    state = jobs.state(job_id, sub)
    assert state is not None
    return state


def is_empty(client: redis.Redis) -> bool:
    """True when no job is left, and nothing that held or ordered them."""
    answered = ("reply:", "throttle:", "node:heartbeat")
    return [str(key) for key in client.scan_iter() if not str(key).startswith(answered)] == []


def journal_has(node: Node, job_id: str) -> bool:
    """True once the node's journal holds an answer to the job."""
    with closing(sqlite3.connect(node.state_dir / "journal.sqlite3")) as database:
        found = database.execute("SELECT count(*) FROM answers WHERE id = ?", (job_id,)).fetchone()
    return bool(found == (1,))


def mid_job(node: MakeNode, jobs: JobQueue, model: ModelServer) -> Node:
    """A worker whose model thinks about the first job, until it is released."""
    worker = node()
    worker.start()
    model.hold()
    accept(jobs)
    until(lambda: model.calls["p"] == 1, what="the first run")
    return worker


def test_node_answers_its_owner(
    node: MakeNode, jobs: JobQueue, client: redis.Redis, model: ModelServer
) -> None:
    """The plain way: over TLS, with a token, as a user with the node's rights only."""
    worker = node()
    worker.start()
    until(lambda: client.get("node:heartbeat") == "i-1", what="a heartbeat")
    assert accept(jobs, prompt="grüß dich") is False
    reply = f"reply:{KEYED}"
    assert expires_after(client, reply, 600, lambda: answered(jobs))
    assert jobs.state(KEYED, "ann") == JobState("done", reply="reply to grüß dich")
    assert jobs.state(KEYED, "bob") is None
    assert is_empty(client)
    assert accept(jobs, prompt="grüß dich") is True
    assert model.calls == {"grüß dich": 1}


def test_node_never_logs_prompt_or_reply(
    node: MakeNode, jobs: JobQueue, client: redis.Redis, model: ModelServer
) -> None:
    """One line a job with its id, a line in embedded metric format, and nothing of the content."""
    worker = node()
    worker.start()
    accept(jobs, prompt="a secret question")
    answered(jobs)
    until(lambda: bool(worker.events("job")), what="the job's line")
    [line] = worker.events("job")
    assert isinstance(line.pop("elapsedMs"), float)
    assert line == {
        "level": "INFO",
        "event": "job",
        "id": KEYED,
        "status": "done",
        "source": "model",
        "attempts": 1,
        "published": True,
    }
    until(lambda: bool(worker.events("queue")), what="a report")
    report = worker.events("queue")[0]
    assert report["_aws"]["CloudWatchMetrics"] == [  # type: ignore[index]
        {
            "Namespace": "TinyLlama/test",
            "Dimensions": [[]],
            "Metrics": [
                {"Name": "QueueDepth", "Unit": "Count"},
                {"Name": "QueueAgeSeconds", "Unit": "Seconds"},
            ],
        }
    ]
    levels = {line["level"] for line in worker.lines()}
    assert levels <= set(get_args(Level)), "the node writes the levels of the functions"
    assert "secret question" not in worker.log.read_text()


@pytest.mark.fault(
    fault="the worker is killed",
    place="while the model works",
    user_sees="a later reply",
    lost="one run of the model",
    recovers="the same worker begins its job again, another one once the lease ends",
)
def test_worker_killed_mid_job_answers_once_after_restart(
    node: MakeNode, jobs: JobQueue, client: redis.Redis, model: ModelServer
) -> None:
    """The job is held under the node's name, so the same node begins with it again."""
    worker = mid_job(node, jobs, model)
    assert jobs.state(KEYED, "ann") == JobState("running")
    worker.kill()
    model.release()
    worker.start()
    assert answered(jobs) == JobState("done", reply="reply to p")
    until(lambda: is_empty(client), what="an empty queue")
    assert model.calls == {"p": 2}


@pytest.mark.fault(
    fault="the worker is killed",
    place="between journal and publishing",
    user_sees="a later reply",
    lost="nothing",
    recovers="the journal's answer is published; the model is not asked again",
)
def test_worker_killed_between_journal_and_publish_asks_the_model_once(
    node: MakeNode, jobs: JobQueue, client: redis.Redis, model: ModelServer, front: TlsFront
) -> None:
    """What the journal has is published and not run again."""
    worker = mid_job(node, jobs, model)
    front.hold()
    model.release()
    until(lambda: journal_has(worker, KEYED), what="the journal's entry")
    worker.kill()
    front.cut()
    assert jobs.state(KEYED, "ann") == JobState("running")
    worker.start()
    assert answered(jobs) == JobState("done", reply="reply to p")
    until(lambda: is_empty(client), what="an empty queue")
    assert model.calls == {"p": 1}
    until(lambda: bool(worker.events("job")), what="the job's line")
    assert [line["source"] for line in worker.events("job")] == ["journal"]


@pytest.mark.fault(
    fault="the cache loses everything",
    place="while a job runs",
    user_sees="410 `job_gone` until the reply comes",
    lost="nothing",
    recovers="the reply of the one run is stored for its owner, sent again or not",
)
def test_cache_lost_while_a_job_runs_and_sent_again_runs_once(
    node: MakeNode, jobs: JobQueue, client: redis.Redis, cache: RedisServer, model: ModelServer
) -> None:
    """The owner is told that the job is gone, sends it again, and gets the reply of the one run."""
    mid_job(node, jobs, model)
    cache.kill()
    cache.start()
    assert jobs.state(KEYED, "ann") is None
    assert accept(jobs) is False
    assert jobs.state(KEYED, "ann") == JobState("queued")
    model.release()
    assert answered(jobs) == JobState("done", reply="reply to p")
    until(lambda: is_empty(client), what="an empty queue")
    assert model.calls == {"p": 1}


@pytest.mark.fault(fault="the cache loses everything", place="while a job runs")
def test_cache_lost_while_a_job_runs_and_not_sent_again_keeps_the_reply(
    node: MakeNode, jobs: JobQueue, cache: RedisServer, model: ModelServer
) -> None:
    """The worker knows the owner, so the reply arrives although the job is gone."""
    worker = mid_job(node, jobs, model)
    cache.kill()
    model.release()
    until(lambda: journal_has(worker, KEYED), what="the journal's entry")
    cache.start()
    assert answered(jobs) == JobState("done", reply="reply to p")
    assert accept(jobs) is True


@pytest.mark.fault(
    fault="the cache loses everything", place="while a job waits or after its answer"
)
def test_cache_lost_after_the_answer_is_answered_from_the_journal(
    node: MakeNode, jobs: JobQueue, cache: RedisServer, model: ModelServer
) -> None:
    """An answered job that is sent again after the loss is not run again; another body is."""
    worker = node()
    worker.start()
    accept(jobs)
    answered(jobs)
    cache.kill()
    cache.start()
    assert accept(jobs) is False
    assert answered(jobs) == JobState("done", reply="reply to p")
    assert model.calls == {"p": 1}
    cache.kill()
    cache.start()
    assert accept(jobs, prompt="q") is False
    assert answered(jobs) == JobState("done", reply="reply to q")


def test_cache_lost_and_key_used_for_another_body_gets_its_own_answer(
    node: MakeNode, jobs: JobQueue, client: redis.Redis, cache: RedisServer, model: ModelServer
) -> None:
    """The answer to the first body is not given to the second."""
    mid_job(node, jobs, model)
    cache.kill()
    cache.start()
    assert accept(jobs, prompt="q") is False
    model.release()
    assert answered(jobs) == JobState("done", reply="reply to q")
    until(lambda: is_empty(client), what="an empty queue")
    assert model.calls == {"p": 1, "q": 1}


@pytest.mark.fault(
    fault="the cache loses everything",
    place="under a worker that waits",
    user_sees="nothing",
    lost="nothing",
    recovers="the next job makes every structure anew",
)
def test_cache_emptied_under_a_waiting_worker_goes_on(
    node: MakeNode, jobs: JobQueue, client: redis.Redis, model: ModelServer
) -> None:
    """Nothing has to be made again: the next job makes all there is."""
    worker = node()
    worker.start()
    accept(jobs)
    answered(jobs)
    client.flushall()
    assert accept(jobs, prompt="q") is False
    assert answered(jobs) == JobState("done", reply="reply to q")


@pytest.mark.fault(
    fault="the cache is down",
    place="a worker starts",
    user_sees="503 `queue_unavailable` until it is back",
    lost="nothing",
    recovers="the worker asks again until the cache answers",
)
def test_cache_away_is_waited_for(
    node: MakeNode, jobs: JobQueue, cache: RedisServer, model: ModelServer
) -> None:
    """A worker that starts before its cache works once the cache is there."""
    cache.kill()
    worker = node()
    worker.start()
    until(lambda: bool(worker.events("queue_unavailable")), what="a failed claim")
    cache.start()
    accept(jobs)
    assert answered(jobs) == JobState("done", reply="reply to p")
    assert worker.process is not None
    assert worker.process.poll() is None


def test_heartbeat_keeps_the_lease_and_reports_what_waits(
    node: MakeNode, jobs: JobQueue, client: redis.Redis, model: ModelServer
) -> None:
    """While a job runs its lease moves on, and a change of the depth is reported."""
    worker = mid_job(node, jobs, model)
    began_s = time.monotonic()
    accept(jobs, JobId("waits"), "q")

    def end_of_lease() -> int:
        return int(json.loads(str(client.hget(RUNNING, KEYED)))["until"])

    first = end_of_lease()

    def is_renewed() -> bool:
        return end_of_lease() > first

    until(is_renewed, what="a renewed lease")

    def reported() -> dict[str, object]:
        return (worker.events("queue") or [{}])[-1]

    def is_reported() -> bool:
        report = reported()
        return (report.get("QueueDepth"), report.get("inFlight")) == (1, 1)

    until(is_reported, what="a report")
    age_s = reported()["QueueAgeSeconds"]
    assert isinstance(age_s, float)
    assert 0 < age_s < time.monotonic() - began_s


def test_two_workers_answer_each_job_once(
    node: MakeNode, jobs: JobQueue, client: redis.Redis, model: ModelServer
) -> None:
    """Two workers on one queue: every job is run by one of them."""
    workers = [node("i-1"), node("i-2")]
    prompts = {JobId(f"job-{number}"): f"p{number}" for number in range(20)}
    for number, (job_id, prompt) in enumerate(prompts.items()):
        accept(jobs, job_id, prompt, sub=f"user-{number}")
    for worker in workers:
        worker.start()
    for number, (job_id, prompt) in enumerate(prompts.items()):
        assert answered(jobs, job_id, f"user-{number}").reply == f"reply to {prompt}"
    until(lambda: is_empty(client), what="an empty queue")
    assert model.calls == dict.fromkeys(prompts.values(), 1)
    # And both did work, or this test shows nothing.
    model.hold()
    for number in (1, 2):
        accept(jobs, JobId(f"both-{number}"), f"both {number}", sub="both")
    until(lambda: model.calls["both 1"] + model.calls["both 2"] == 2, what="two runs at a time")


@pytest.mark.fault(
    fault="the worker is killed",
    place="three times by the same job",
    user_sees="job `failed`, `worker_crashed`",
    lost="that job",
    recovers="the next job runs",
)
def test_job_that_kills_its_worker_three_times_fails(
    node: MakeNode, jobs: JobQueue, client: redis.Redis, model: ModelServer
) -> None:
    """A poisonous job is begun three times, then failed, and the next job is run."""
    worker = node()
    model.hold()
    accept(jobs, prompt="poison")
    for run in (1, 2, 3):
        worker.start()
        until(lambda run=run: model.calls["poison"] == run, what=f"run {run}")  # type: ignore[misc]
        worker.kill()
    model.release()
    accept(jobs, JobId("next"), "fine")
    worker.start()
    assert answered(jobs) == JobState("failed", error="worker_crashed")
    assert answered(jobs, "next") == JobState("done", reply="reply to fine")
    assert model.calls == {"poison": 3, "fine": 1}


def test_expired_job_is_failed_and_never_run(
    node: MakeNode, jobs: JobQueue, client: redis.Redis, model: ModelServer
) -> None:
    """After its life a job is not begun: its owner is told."""
    accept(jobs)
    until(lambda: jobs.depth().oldest_age_ms > 1100, what="the end of the job's life")
    worker = node(life_s=1)
    worker.start()
    until(lambda: is_empty(client), what="an empty queue")
    assert jobs.state(KEYED, "ann") == JobState("failed", error="not_started")
    assert model.calls == {}


def test_withdrawn_job_is_never_run(
    node: MakeNode, jobs: JobQueue, client: redis.Redis, model: ModelServer
) -> None:
    """What was taken back before a worker came leaves nothing to run."""
    accept(jobs, JobId("taken-back"), "no")
    accept(jobs, prompt="yes")
    assert jobs.withdraw("taken-back") is True
    node().start()
    assert answered(jobs) == JobState("done", reply="reply to yes")
    assert model.calls == {"yes": 1}


@pytest.mark.fault(
    fault="the model refuses",
    place="a job runs",
    user_sees="job `failed`, `model_refused`",
    lost="that job",
    recovers="the worker goes on with the next job",
)
def test_model_that_refuses_fails_the_job_once(
    node: MakeNode, jobs: JobQueue, model: ModelServer
) -> None:
    """A 4xx of the model server is the job's public failure; the worker goes on."""
    model.status = 400
    worker = node()
    worker.start()
    accept(jobs)
    assert answered(jobs) == JobState("failed", error="model_refused")
    model.status = 200
    accept(jobs, JobId("next"), "q")
    assert answered(jobs, "next") == JobState("done", reply="reply to q")
    assert model.calls == {"p": 1, "q": 1}


@pytest.mark.fault(fault="the model drips or says nothing", place="a job runs")
def test_model_that_is_too_slow_fails_the_job_at_the_end_of_its_life(
    node: MakeNode, jobs: JobQueue, client: redis.Redis, model: ModelServer
) -> None:
    """`model_timeout`, although the job itself has expired: its owner is told.

    A machine that needs a job's whole life to begin it drops the job; its owner sends it again.
    """
    model.hold()
    worker = node(life_s=1)
    worker.start()
    until(lambda: client.get("node:heartbeat") == "i-1", what="a heartbeat")

    def is_answered() -> bool:
        state = jobs.state(KEYED, "ann")
        if state is None:
            accept(jobs)
        return state is not None and state.status == "failed"

    until(is_answered, what="an answer")
    assert jobs.state(KEYED, "ann") == JobState("failed", error="model_timeout")


@pytest.mark.fault(
    fault="the journal cannot be opened",
    place="a worker starts",
    user_sees="nothing",
    lost="that replies survive a loss of the cache",
    recovers="the worker opens it at a later use",
)
def test_worker_without_a_journal_answers(
    node: MakeNode, jobs: JobQueue, model: ModelServer
) -> None:
    """A journal that cannot be opened ends no worker: it is logged, and used once it can be."""
    worker = node()
    journal = worker.state_dir / "journal.sqlite3"
    journal.mkdir(parents=True)
    worker.start()
    accept(jobs)
    assert answered(jobs) == JobState("done", reply="reply to p")
    assert [line["level"] for line in worker.events("journal_not_opened")] == ["ERROR"]
    journal.rmdir()
    accept(jobs, JobId("next"), "q")
    assert answered(jobs, "next") == JobState("done", reply="reply to q")
    assert journal_has(worker, "next")


@pytest.mark.fault(
    fault="the worker is killed",
    place="the reply to its claim is lost",
    user_sees="nothing: the job is answered",
    lost="nothing",
    recovers="only what was begun counts as an attempt",
)
def test_claim_whose_reply_is_lost_is_no_attempt(
    node: MakeNode, jobs: JobQueue, client: redis.Redis, model: ModelServer
) -> None:
    """What a lost reply leaves is a job under the worker's name that was never begun: after four of
    them it is run, as its first attempt."""
    worker = node()
    accept(jobs)
    for _ in range(4):
        assert Claims(client, "i-1", life_s=300).next() is not None
    worker.start()
    assert answered(jobs) == JobState("done", reply="reply to p")
    until(lambda: bool(worker.events("job")), what="the job's line")
    assert [line["attempts"] for line in worker.events("job")] == [1]
    assert model.calls == {"p": 1}
