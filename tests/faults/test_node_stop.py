"""A worker that is asked to stop: it claims nothing more, says so, and loses nothing."""

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing

import pytest
import redis

from tests.faults.parts import ModelServer, Node
from tests.processes import RedisServer, until
from tinyllama.utils.queue.answers import JobState
from tinyllama.utils.queue.job_queue import JobQueue

MakeNode = Callable[..., Node]


def accept(jobs: JobQueue, job_id: str) -> None:
    """Accept a job whose prompt is its id."""
    jobs.accept(job_id=job_id, sub=job_id, prompt=job_id, idle=5, now_ms=0)


def started(node: Node, client: redis.Redis) -> Node:
    """The node, once it beats."""
    node.start()
    until(lambda: client.get("node:heartbeat") == node.node_id, what="a heartbeat")
    return node


def test_stop_while_idle(node: MakeNode, client: redis.Redis) -> None:
    """Exit 0 and no heartbeat, so that the next request wakes a node."""
    worker = started(node(), client)
    worker.terminate()
    assert worker.exit_code() == 0
    assert client.get("node:heartbeat") is None
    assert worker.events("stop")[0]["unfinished"] is False


PATIENT = """
import sys
from node import worker
from node.__main__ import main

worker.WAIT_S = 4.0
sys.exit(main())
"""


def test_stop_does_not_wait_for_the_bell(node: MakeNode, client: redis.Redis) -> None:
    """A worker that waits for a job has nothing to finish, so the machine is off sooner."""
    worker = started(node(command=[sys.executable, "-c", PATIENT], grace_s=0.5), client)
    worker.terminate()
    assert worker.exit_code() == 0
    assert worker.events("stop")[0]["unfinished"] is False


@pytest.mark.fault(
    fault="the node is stopped by hand",
    place="a job runs",
    user_sees="the reply, if it comes within 10 s; else a later one",
    lost="nothing",
    recovers="the job runs first after the next start, which jobs that wait bring about",
)
def test_stop_finishes_the_job_in_hand_and_claims_no_other(
    node: MakeNode, jobs: JobQueue, client: redis.Redis, model: ModelServer
) -> None:
    """The heartbeat goes at once; the running job is answered; the waiting one goes on waiting."""
    worker = started(node(), client)
    model.hold()
    accept(jobs, "running")
    until(lambda: model.calls["running"] == 1, what="the run")
    accept(jobs, "waiting")
    worker.terminate()
    until(lambda: client.get("node:heartbeat") is None, what="no heartbeat")
    assert worker.process is not None
    assert worker.process.poll() is None
    model.release()
    assert worker.exit_code() == 0
    assert jobs.state("running", "running") == JobState("done", reply="reply to running")
    assert jobs.state("waiting", "waiting") == JobState("queued")
    assert model.calls == {"running": 1}


@pytest.mark.fault(fault="the node is stopped by hand", place="a job runs")
def test_stop_leaves_a_long_job_for_the_next_start(
    node: MakeNode, jobs: JobQueue, client: redis.Redis, model: ModelServer
) -> None:
    """After the grace the worker ends with 0; the job waits again and is the first next time."""
    worker = started(node(grace_s=0.3), client)
    model.hold()
    accept(jobs, "long")
    until(lambda: model.calls["long"] == 1, what="the run")
    worker.terminate()
    assert worker.exit_code() == 0
    assert worker.events("stop")[0]["unfinished"] is True
    assert jobs.state("long", "long") == JobState("queued")
    assert jobs.withdraw("long") is False
    model.release()
    worker.start()
    until(lambda: jobs.state("long", "long") == JobState("done", reply="reply to long"))


def test_stop_while_the_cache_is_away(
    node: MakeNode, client: redis.Redis, cache: RedisServer
) -> None:
    """A worker that cannot reach its cache still stops, with 0."""
    worker = started(node(), client)
    cache.kill()
    worker.terminate()
    assert worker.exit_code() == 0


FAULTY = """
import sys
from node import model
from node.__main__ import main

def ask(address, prompt, deadline_s):
    raise RuntimeError(prompt)

model.ask = ask
sys.exit(main())
"""


def test_worker_that_fails_by_itself_ends_with_1(node: MakeNode, jobs: JobQueue) -> None:
    """A fault nobody foresaw ends the process, so that systemd starts it again; its place is logged
    and its message is not."""
    worker = node(command=[sys.executable, "-c", FAULTY])
    accept(jobs, "secret")
    worker.start()
    assert worker.exit_code() == 1
    [crash] = worker.events("crash")
    assert crash["error"] == "RuntimeError"
    assert str(crash["at"]).startswith("<string>:7 < handlers/node/worker.py:")
    assert "secret" not in worker.log.read_text()


def test_heartbeat_that_fails_by_itself_ends_with_1(node: MakeNode) -> None:
    """A worker that cannot be seen is as good as none: it ends, and is started again."""
    faulty = "import node.heartbeat\nnode.heartbeat.report = None\n"
    worker = node(command=[sys.executable, "-c", faulty + FAULTY])
    worker.start()
    assert worker.exit_code() == 1
    assert [line["error"] for line in worker.events("crash")] == ["TypeError"]


STALLED = """
import sys, threading
from node import model, worker
from node.__main__ import main

# Longer than an idle worker waits for the bell.
worker.STALL_S = 2.5

def ask(address, prompt, deadline_s):
    threading.Event().wait(60)

model.ask = ask
sys.exit(main())
"""


@pytest.mark.fault(
    fault="the worker hangs",
    place="a thread waits past every deadline",
    user_sees="job `queued`; then as a worker that was killed",
    lost="nothing",
    recovers="its heartbeat ends, then its process, and systemd starts another",
)
def test_worker_that_hangs_ends(node: MakeNode, jobs: JobQueue, client: redis.Redis) -> None:
    """A thread that waits for a model past every deadline is no worker: another takes the job."""
    worker = node(command=[sys.executable, "-c", STALLED], life_s=1, grace_s=0.1)
    worker.start()
    until(lambda: client.get("node:heartbeat") == worker.node_id, what="a heartbeat")
    accept(jobs, "hangs")
    assert worker.exit_code() == 1
    assert worker.events("stop")[0]["unfinished"] is True
    assert client.get("node:heartbeat") is None
    accept(jobs, "next")
    other = node()
    other.start()
    until(lambda: jobs.state("next", "next") == JobState("done", reply="reply to next"))


@pytest.mark.parametrize("stored", ['{"a secret, and no JSON', '{"a": "secret"}', '"secret"'])
def test_job_that_cannot_be_read_is_failed(
    stored: str, node: MakeNode, jobs: JobQueue, client: redis.Redis
) -> None:
    """What no version of ours wrote ends no worker; its owner is told, and the next job is run."""
    accept(jobs, "broken")
    client.set("job:broken", stored, ex=300)
    accept(jobs, "next")
    worker = node()
    worker.start()
    until(lambda: jobs.state("next", "next") == JobState("done", reply="reply to next"))
    until(lambda: client.exists("job:broken", "waiting", "running", "bell") == 0)
    assert jobs.state("broken", "broken") == JobState("failed", error="not_started")
    assert [line["id"] for line in worker.events("job_unreadable")] == ["broken"]
    assert "secret" not in worker.log.read_text()


@pytest.mark.fault(
    fault="the queue is switched off",
    place="the node",
    user_sees="nothing",
    lost="nothing",
    recovers="the worker ends; the watchdog stops the machine after 5 minutes",
)
def test_no_queue_ends_with_0(node: MakeNode) -> None:
    """While UseGpu=false there is nothing to do, which is no failure."""
    worker = node()
    text = worker.settings_file.read_text()
    start, end = text.index('"queue": {'), text.index("}")
    worker.settings_file.write_text(text[:start] + '"queue": null' + text[end + 1 :])
    worker.start()
    assert worker.exit_code() == 0
    assert worker.lines() == [{"level": "INFO", "event": "no_queue", "why": "UseGpu=false"}]


def test_journal_that_is_locked_ends_with_3(node: MakeNode) -> None:
    """Two workers on one journal are a mistake; the second one says so and ends."""
    worker = node()
    worker.state_dir.mkdir()
    with closing(sqlite3.connect(worker.state_dir / "journal.sqlite3")) as other:
        other.execute("BEGIN EXCLUSIVE")
        worker.start()
        assert worker.exit_code() == 3
    told = worker.log.read_text()
    assert told == f"node: the journal in {worker.state_dir}: database is locked\n"


def test_settings_that_are_wrong_end_with_2(node: MakeNode) -> None:
    """The field is named, its value is not."""
    worker = node()
    text = worker.settings_file.read_text()
    worker.settings_file.write_text(text.replace('"tiny"', '"two words"'))
    worker.start()
    assert worker.exit_code() == 2
    assert worker.log.read_text() == "node: model.name must be a model's name\n"
