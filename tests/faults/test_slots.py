"""A worker with several slots: jobs run together, none runs twice at once, a crash loses none."""

import sys
from collections.abc import Callable
from functools import partial

import pytest
import redis

from tests.faults.parts import ModelServer, Node, TlsFront
from tests.processes import RedisServer, until
from tests.queue_time import change_lease
from tinyllama.utils.queue.answers import JobState
from tinyllama.utils.queue.job_queue import JobQueue

MakeNode = Callable[..., Node]
SLOTS = 3


def accept(jobs: JobQueue, *job_ids: str) -> None:
    """Accept jobs, each of a user of its own, whose prompt is its id."""
    for job_id in job_ids:
        jobs.accept(job_id=job_id, sub=job_id, prompt=job_id, idle=5, now_ms=0)


def full(node: MakeNode, jobs: JobQueue, model: ModelServer, **options: object) -> Node:
    """A worker whose model thinks about one job in every slot, until it is released."""
    worker = node(slots=SLOTS, **options)
    worker.start()
    model.hold()
    accept(jobs, *"abc")
    until(lambda: model.calls == dict.fromkeys("abc", 1), what="a run in every slot")
    return worker


def _is(jobs: JobQueue, job_id: str, wanted: JobState) -> bool:
    return jobs.state(job_id, job_id) == wanted


def done(jobs: JobQueue, *job_ids: str) -> None:
    """Wait until each is answered with its own reply."""
    for job_id in job_ids:
        wanted = JobState("done", reply=f"reply to {job_id}")
        until(partial(_is, jobs, job_id, wanted), what=f"the reply to {job_id}")


def test_as_many_jobs_run_as_there_are_slots(
    node: MakeNode, jobs: JobQueue, client: redis.Redis, model: ModelServer
) -> None:
    """Three run, the fourth waits for one of them; each owner gets their own reply."""
    full(node, jobs, model)
    accept(jobs, "d")
    until(lambda: client.lrange("bell", 0, -1) == ["1"], what="a bell that nobody hears")
    depth = jobs.depth()
    assert (depth.waiting, depth.in_flight) == (1, SLOTS)
    # The heartbeat that says that the model is ready may be 2 s away.
    until(lambda: jobs.state("d", "d") == JobState("queued"), what="a heartbeat of a ready node")
    assert {job_id: jobs.state(job_id, job_id) for job_id in "abcd"} == {
        **dict.fromkeys("abc", JobState("running")),
        "d": JobState("queued"),
    }
    model.release()
    done(jobs, *"abcd")
    assert model.calls == dict.fromkeys("abcd", 1)


@pytest.mark.fault(
    fault="the worker is killed",
    place="while the model works on several jobs",
    user_sees="later replies",
    lost="one run of the model for each",
    recovers="the same worker begins them all again, with fewer slots one after the other",
)
@pytest.mark.parametrize("slots_after", [SLOTS, 1])
def test_crash_with_several_jobs_loses_none(
    slots_after: int, node: MakeNode, jobs: JobQueue, model: ModelServer
) -> None:
    """They are held under the node's name, so any slot of the next start goes on with them."""
    worker = full(node, jobs, model)
    worker.kill()
    model.release()
    accept(jobs, "d")
    text = worker.settings_file.read_text()
    worker.settings_file.write_text(text.replace(f'"slots": {SLOTS}', f'"slots": {slots_after}'))
    worker.start()
    done(jobs, *"abcd")
    assert model.calls == {"a": 2, "b": 2, "c": 2, "d": 1}
    until(lambda: len(worker.events("job")) == 4, what="a line for each")
    order = [str(line["id"]) for line in worker.events("job")]
    assert sorted(order) == list("abcd")
    if slots_after == 1:
        assert order[-1] == "d", "what a crash left comes first"


@pytest.mark.fault(
    fault="a lease is lost",
    place="one of several running jobs",
    user_sees="nothing",
    lost="nothing",
    recovers="the other jobs go on; the one is answered by whoever is first",
)
def test_lost_lease_disturbs_no_other_job(
    node: MakeNode, jobs: JobQueue, client: redis.Redis, model: ModelServer
) -> None:
    """Another worker took one of three over: the beat says so, and renews the other two."""
    worker = full(node, jobs, model)
    change_lease(client, "b", consumer="i-2", until=2**53)
    for job_id in "ac":
        change_lease(client, job_id, until=1)
    until(lambda: jobs.depth().in_flight == SLOTS, what="renewed leases")
    until(lambda: [line["id"] for line in worker.events("lease_lost")] == ["b"], what="the loss")
    model.release()
    done(jobs, *"abc")
    assert model.calls == dict.fromkeys("abc", 1)


SILENT = """
import sys
from node import heartbeat
from node.__main__ import main

heartbeat.BEAT_S = 600
sys.exit(main())
"""


def test_job_does_not_run_twice_at_once_when_no_beat_renews_it(
    node: MakeNode, jobs: JobQueue, client: redis.Redis, model: ModelServer
) -> None:
    """Its lease has ended, a slot is free and asks for a job: it is not given what another runs."""
    worker = node(slots=SLOTS, command=[sys.executable, "-c", SILENT])
    worker.start()
    model.hold()
    accept(jobs, "a")
    until(lambda: model.calls["a"] == 1, what="the run")
    change_lease(client, "a", until=1)
    # The next claim of a free slot comes within a second, and its bell rings for this one.
    accept(jobs, "b")
    until(lambda: model.calls["b"] == 1, what="the run of the other")
    assert model.calls == {"a": 1, "b": 1}
    model.release()
    done(jobs, "a", "b")


@pytest.mark.fault(fault="the cache loses everything", place="while a job runs")
def test_job_that_is_sent_again_while_it_runs_runs_once(
    node: MakeNode, jobs: JobQueue, cache: RedisServer, model: ModelServer, client: redis.Redis
) -> None:
    """A free slot takes it, waits for the slot that runs it, and finds the answer."""
    worker = node(slots=SLOTS)
    worker.start()
    model.hold()
    accept(jobs, "a")
    until(lambda: model.calls["a"] == 1, what="the run")
    cache.kill()
    cache.start()
    accept(jobs, "a")
    until(lambda: client.hexists("running", "a"), what="another slot's claim")
    model.release()
    done(jobs, "a")
    until(lambda: len(worker.events("job")) == 2, what="the end of both")
    assert model.calls == {"a": 1}
    assert sorted(str(line["source"]) for line in worker.events("job")) == ["journal", "model"]


def test_stop_finishes_what_every_slot_runs(
    node: MakeNode, jobs: JobQueue, client: redis.Redis, model: ModelServer
) -> None:
    """Each running job is answered, and none is begun."""
    worker = full(node, jobs, model)
    worker.terminate()
    until(lambda: client.get("node:heartbeat") is None, what="no heartbeat")
    accept(jobs, "d")
    model.release()
    assert worker.exit_code() == 0
    done(jobs, *"abc")
    assert jobs.state("d", "d") == JobState("queued")
    assert worker.events("stop")[0]["unfinished"] is False


def test_stop_leaves_long_jobs_of_every_slot_for_the_next_start(
    node: MakeNode, jobs: JobQueue, model: ModelServer
) -> None:
    """The grace is one for all slots."""
    worker = full(node, jobs, model, grace_s=0.3)
    worker.terminate()
    assert worker.exit_code(within_s=10) == 0
    assert worker.events("stop")[0]["unfinished"] is True
    model.release()
    worker.start()
    done(jobs, *"abc")


ONE_HANGS = """
import sys, threading
from node import model, worker
from node.__main__ import main

# Longer than an idle worker waits for the bell.
worker.STALL_S = 2.5
ask = model.ask

def ask_or_hang(address, prompt, deadline_s):
    if prompt == "hangs":
        threading.Event().wait(60)
    return ask(address, prompt, deadline_s)

model.ask = ask_or_hang
sys.exit(main())
"""


@pytest.mark.fault(
    fault="the worker hangs",
    place="one slot of several waits past every deadline",
    user_sees="job `queued`; the jobs of the other slots are answered",
    lost="nothing",
    recovers="its process ends once the others have finished, and systemd starts another",
)
def test_slot_that_hangs_ends_the_worker(
    node: MakeNode, jobs: JobQueue, client: redis.Redis
) -> None:
    """A heartbeat means that every slot makes progress: the others finish, and another worker takes
    what waits."""
    worker = node(slots=2, life_s=1, grace_s=1.0, command=[sys.executable, "-c", ONE_HANGS])
    worker.start()
    until(lambda: client.get("node:heartbeat") == worker.node_id, what="a heartbeat")
    accept(jobs, "hangs")
    assert worker.exit_code() == 1
    assert client.get("node:heartbeat") is None
    accept(jobs, "waits")
    other = node(slots=2)
    other.start()
    done(jobs, "waits")


def test_answers_arrive_through_a_front_that_is_cut(
    node: MakeNode, jobs: JobQueue, model: ModelServer, front: TlsFront
) -> None:
    """Every slot's connection breaks while it waits for the model; each answer is stored once."""
    worker = full(node, jobs, model)
    front.cut()
    model.release()
    done(jobs, *"abc")
    assert model.calls == dict.fromkeys("abc", 1)
    until(lambda: len(worker.events("job")) == SLOTS, what="the end of each")
    assert all(line["published"] for line in worker.events("job"))
