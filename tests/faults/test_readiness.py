"""A node whose model is still loading: no job is claimed, and owners are told `loading`."""

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
import redis

from node import readiness
from node.readiness import Readiness
from node.settings import ModelAddress
from tests.faults.parts import ModelServer, Node
from tests.processes import until
from tinyllama.utils.queue.answers import JobState
from tinyllama.utils.queue.job_queue import JobQueue

MakeNode = Callable[..., Node]


@pytest.fixture
def model() -> Iterator[ModelServer]:
    """A model server that is loading."""
    with closing(ModelServer()) as server:
        server.is_loading = True
        yield server


def address(server: ModelServer) -> ModelAddress:
    """Where it listens."""
    return ModelAddress(server.url, "tiny")


@pytest.mark.fault(
    fault="the model is still loading",
    place="after a wake",
    user_sees="job `loading`",
    lost="nothing",
    recovers="the model answers a first word, then the jobs are claimed",
)
def test_job_is_loading_until_the_model_has_answered_a_first_word(
    node: MakeNode, jobs: JobQueue, client: redis.Redis, model: ModelServer
) -> None:
    """The worker beats and claims nothing; then one warm-up comes before the first claim."""
    worker = node(slots=2)
    worker.start()
    until(lambda: client.get("node:heartbeat") == "i-1 loading", what="a heartbeat")
    jobs.accept(job_id="j1", sub="ann", prompt="p", idle=5, now_ms=0)
    state = jobs.state("j1", "ann")
    assert state == JobState("loading")
    assert state.node_awake is True
    assert (model.warm_ups, client.hlen("running")) == (0, 0)
    model.is_loading = False
    until(lambda: jobs.state("j1", "ann") == JobState("done", reply="reply to p"))
    until(lambda: client.get("node:heartbeat") == "i-1", what="a heartbeat of a ready node")
    assert (model.warm_ups, model.calls) == (1, {"p": 1})
    [ready] = worker.events("model_ready")
    assert isinstance(ready["afterS"], float)


def test_stop_does_not_wait_for_a_model_that_loads(
    node: MakeNode, client: redis.Redis, model: ModelServer
) -> None:
    """Nothing is in hand, so nothing is unfinished."""
    worker = node(grace_s=0.5)
    worker.start()
    until(lambda: client.get("node:heartbeat") == "i-1 loading", what="a heartbeat")
    worker.terminate()
    assert worker.exit_code() == 0
    assert worker.events("stop")[0]["unfinished"] is False


def test_readiness_is_asked_again_after_it_was_lost(model: ModelServer) -> None:
    """Ready stays ready without a question, until the model server failed."""
    asked = Readiness(address(model))
    assert [asked.check(), asked.is_ready] == [False, False]
    model.is_loading = False
    assert [asked.check(), asked.is_ready] == [True, True]
    model.is_loading = True
    assert asked.check() is True
    asked.lost()
    assert [asked.is_ready, asked.check()] == [False, False]
    assert model.warm_ups == 1


def test_server_without_health_is_ready_and_a_refusal_too(model: ModelServer) -> None:
    """It answers, which is all that is asked; what is wrong with it each job tells."""
    model.is_loading, model.status = False, 400
    assert Readiness(address(model)).check() is True
    elsewhere = ModelAddress(model.url.replace("/v1", "/elsewhere"), "tiny")
    assert Readiness(elsewhere).check() is True
    assert Readiness(None).check() is True


def test_server_that_fails_or_does_not_listen_is_not_ready(
    model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody there, an error to the first word, an answer that breaks off."""
    model.is_loading, model.status = False, 500
    assert Readiness(address(model)).check() is False
    monkeypatch.setattr(http.client.HTTPConnection, "getresponse", _broken)
    assert Readiness(address(model)).check() is False
    model.close()
    assert Readiness(address(model)).check() is False


def _broken(*_: object) -> None:
    raise http.client.RemoteDisconnected("gone")


def test_silent_server_is_given_up(model: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """/health has its own limit, far below a stall."""
    monkeypatch.setattr(readiness, "HEALTH_S", 0.0)
    began_s = time.monotonic()
    assert Readiness(address(model)).check() is False
    assert time.monotonic() - began_s < 30
