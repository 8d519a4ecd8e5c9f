"""A run takes the same steps on Redis and on the model, and compares them after each.

Long because each step is done to both in one place.
"""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from unittest import mock

import redis

from node.claims import Answer, Claim, Claims
from tests.processes import RedisServer
from tests.property.queue_model import (
    MOST,
    MOST_OWN,
    OLD_MS,
    PASSED,
    SLOTS,
    USERS,
    WORKERS,
    Model,
    Step,
)
from tests.queue_time import end_lease, expire, make_older
from tinyllama.utils.queue import job_queue
from tinyllama.utils.queue.answers import JobState
from tinyllama.utils.queue.errors import QueueFull, TooManyWaiting
from tinyllama.utils.queue.job_queue import JobQueue


class Run:
    """The same steps on Redis and on the model, compared after each."""

    def __init__(self, client: redis.Redis, model: Model, workers: tuple[str, ...]) -> None:
        self.client, self.model = client, model
        # Each request comes a minute after the last, so that the throttle decides nothing here.
        self.now_us = 10**15
        self.queue = JobQueue(client, clock_us=self._clock)
        self.claims = {name: Claims(client, name, life_s=300) for name in workers}
        self.in_hand: dict[str, list[Claim]] = {}
        self.answers: list[str] = []
        self.claimed: list[str] = []
        self.accepted = 0

    def _clock(self) -> int:
        self.now_us += 61_000_000
        return self.now_us

    def take(self, step: Step) -> None:
        """Do it to both. Every branch asserts that both say the same."""
        sub = USERS[step.who % len(USERS)]
        worker = sorted(self.claims)[step.who % len(self.claims)]
        match step.kind:
            case "accept":
                self.accept(f"j{self.accepted}", sub)
            case "repeat":
                self.repeat(step.which)
            case "again" if self.forgotten():
                job_id = _chosen(self.forgotten(), step.which)
                self.accept(job_id, self.model.owner[job_id])
            case "claim too" if len(self.in_hand.get(worker, ())) == SLOTS:
                pass
            case "claim" | "claim too" | "lost claim" | "crash":
                # A crashed worker forgets what it holds; a lost reply never tells it.
                if step.kind != "claim too":
                    self.in_hand.pop(worker, None)
                if step.kind != "crash":
                    self.claim(worker, is_lost=step.kind == "lost claim")
            case "begin" if worker in self.in_hand:
                self.begin(worker, step.which)
            case "answer" | "fail" if worker in self.in_hand:
                self.answer(worker, step.kind == "answer", step.which)
            case "end lease" if self.model.held:
                job_id = _chosen(self.model.held, step.which)
                self.model.held[job_id][2] = True
                end_lease(self.client, job_id)
            case "expire held" if self.model.held.keys() - self.model.expired:
                job_id = _chosen(self.model.held.keys() - self.model.expired, step.which)
                self.client.delete(f"job:{job_id}")
                self.model.expired.add(job_id)
                self.model.gone.add(job_id)
            case "expire" | "age" | "withdraw":
                self.pass_time(step)
            case "sweep":
                self.sweep()
            case "stop" | "force":
                self.stop(sub, force=step.kind == "force")

    def accept(self, job_id: str, sub: str) -> bool:
        """Once known to the server, accepting is one script whatever it answers."""
        expected = self.model.accept(job_id, sub)
        self.accepted += 1
        with _commands(self.client) as sent:
            try:
                found = self.queue.accept(job_id=job_id, sub=sub, prompt="p", idle=1, now_ms=0)
                assert not found.repeated
                refused = None
            except (TooManyWaiting, QueueFull) as error:
                refused = type(error)
        assert refused == expected
        assert sent == ["EVALSHA"]
        return refused is None

    def forgotten(self) -> set[str]:
        """Ids of which Redis and the workers know nothing any more."""
        in_hand = {claim.job_id for claims in self.in_hand.values() for claim in claims}
        return self.model.gone - self.model.held.keys() - in_hand

    def repeat(self, which: int) -> None:
        """An id that waits, runs or was answered is not queued again."""
        known = [job_id for job_id in self.model.owner if job_id not in self.model.gone]
        if known:
            job_id = known[which % len(known)]
            given = {"job_id": job_id, "sub": self.model.owner[job_id]}
            assert self.queue.accept(**given, prompt="p", idle=1, now_ms=0).repeated
            self.model.promised.add(job_id)

    def claim(self, worker: str, *, is_lost: bool) -> None:
        """The model says which job, and how often it was begun."""
        running = tuple(claim.job_id for claim in self.in_hand.get(worker, ()))
        expected = self.model.claim(worker, running, self.oldest_first())
        found = self.claims[worker].next(running)
        assert (found and (found.job_id, found.begun)) == expected
        if found is not None and not is_lost:
            assert found.sub == self.model.owner[found.job_id]
            self.in_hand.setdefault(worker, []).append(found)
            self.claimed.append(found.job_id)

    def oldest_first(self) -> list[str]:
        """What is held, by the server's time of acceptance; of one millisecond, by id."""
        leases = {
            str(key): json.loads(text) for key, text in self.client.hgetall("running").items()
        }
        return sorted(leases, key=lambda job_id: (leases[job_id]["accepted"], job_id))

    def begin(self, worker: str, which: int) -> None:
        """Only who holds the job may begin it; twice is once."""
        claim = self.in_hand[worker][which % len(self.in_hand[worker])]
        lease = self.model.held.get(claim.job_id)
        holds = lease is not None and lease[0] == worker
        assert self.claims[worker].begin(claim) is self.claims[worker].begin(claim) is holds
        if lease is not None and holds:
            lease[1], lease[2] = max(lease[1], claim.begun + 1), False

    def answer(self, worker: str, is_done: bool, which: int = 0) -> None:
        """The first answer stands; an owner was told one thing at most."""
        claims = self.in_hand[worker]
        claim = claims.pop(which % len(claims))
        if not claims:
            del self.in_hand[worker]
        job_id = claim.job_id
        answer = Answer("done", worker) if is_done else Answer("failed", "model_timeout")
        is_first = self.claims[worker].answer(claim, answer)
        # A job that expired while it was held: the answer still reaches its owner.
        assert is_first is (job_id not in self.model.told)
        state = JobState("done", worker) if is_done else JobState("failed", error="model_timeout")
        if job_id in self.model.held:
            self.model.end(job_id, state)
            self.model.gone.discard(job_id)
            self.model.expired.discard(job_id)
        elif is_first:
            self.model.told[job_id] = state
            self.model.gone.discard(job_id)
        self.answers.append(job_id)

    def pass_time(self, step: Step) -> None:
        """A waiting job is withdrawn unless it was sent twice, its 300 s end, or it grows old."""
        waiting = self.model.waiting()
        if not waiting:
            return
        job_id = _chosen(waiting, step.which)
        sub = self.model.owner[job_id]
        match step.kind:
            case "withdraw":
                may_leave = job_id not in self.model.promised
                assert self.queue.withdraw(job_id) is may_leave
                if may_leave:
                    self.model.end(job_id, None)
            case "expire":
                expire(self.client, job_id, sub)
                self.model.end(job_id, None)
                self.model.old.discard(job_id)
                # Whatever comes next forgets it; nothing may count it before.
                assert self.queue.depth().waiting == len(self.model.waiting()) + self.abandoned()
                self.queue.sweep(older_than_ms=10**9, error="unused")
            case _ if job_id not in self.model.old:
                make_older(self.client, job_id, sub, OLD_MS)
                self.model.old.add(job_id)

    def abandoned(self) -> int:
        """Held jobs whose lease has ended."""
        return sum(lease[2] for lease in self.model.held.values())

    def sweep(self) -> None:
        """Old jobs that nobody works on are failed, with the reason."""
        ended = [job_id for job_id, lease in self.model.held.items() if lease[2]]
        for job_id in [job_id for job_id in ended if job_id in self.model.old & self.model.expired]:
            ended.remove(job_id)
            self.model.expired.remove(job_id)
            del self.model.held[job_id]
        due = [job_id for job_id in self.model.waiting() + ended if job_id in self.model.old]
        for job_id in due:
            self.model.end(job_id, JobState("failed", error="not_started", reason="none"))
        found = self.queue.sweep(older_than_ms=OLD_MS, error="not_started", reason="none")
        waiting = len(self.model.waiting()) + self.abandoned()
        seen = (found.failed, found.waiting, found.in_flight)
        assert seen == (len(due), waiting, len(self.model.held) - self.abandoned())

    def stop(self, sub: str, *, force: bool) -> None:
        """Refused while a job of others waits or runs; else the jobs it ends are failed."""
        jobs = [*self.model.waiting(), *self.model.held]
        is_in_use = not force and any(self.model.owner[job_id] != sub for job_id in jobs)
        assert self.queue.stop_request(sub, force=force) is not is_in_use
        # The owner's own jobs end also if a job of others came meanwhile.
        ended = [job_id for job_id in jobs if force or self.model.owner[job_id] == sub]
        unexpired = [job_id for job_id in ended if job_id not in self.model.expired]
        assert self.queue.stop_jobs(sub, force=force) == len(unexpired)
        for job_id in ended:
            stopped = JobState("failed", error="node_stopped")
            self.model.end(job_id, stopped if job_id in unexpired else None)
            self.model.expired.discard(job_id)

    def compare(self) -> None:
        """Redis holds what the model holds, and no more."""
        client, model = self.client, self.model
        waiting, held = model.waiting(), list(model.held)
        expected = {f"job:{job_id}" for job_id in waiting + held if job_id not in model.expired}
        expected |= {f"waiting:{sub}" for sub in model.lines}
        expected |= {"waiting", "turns"} if waiting else set()
        expected |= {"running"} if held else set()
        found = {str(key) for key in client.scan_iter() if not str(key).startswith(PASSED)}
        # The bell may wait to be heard while jobs wait, and never after.
        assert found - ({"bell"} if waiting else set()) == expected
        members = {f"{job_id} {model.owner[job_id]}" for job_id in waiting}
        assert set(client.zrange("waiting", 0, -1)) == members
        assert client.lrange("turns", 0, -1) == list(model.turns)
        for sub, line in model.lines.items():
            assert client.lrange(f"waiting:{sub}", 0, -1) == list(line)
        assert set(client.hkeys("running")) == set(held)
        assert len(waiting) <= MOST
        assert all(len(line) <= MOST_OWN for line in model.lines.values())
        for job_id, sub in model.owner.items():
            state = self.queue.state(job_id, sub)
            if job_id in model.told:
                assert state == model.told[job_id]
            else:
                assert (state is None) is (job_id in model.gone)

    def finish(self, worker: str) -> None:
        """Let the leases end and one worker answer all that is left."""
        for job_id in self.model.held:
            self.model.held[job_id][2] = True
            end_lease(self.client, job_id)
        self.in_hand.clear()
        while self.model.held or self.model.turns:
            self.claim(worker, is_lost=False)
            if worker in self.in_hand:
                self.answer(worker, is_done=True)


def _chosen(among: Any, which: int) -> str:
    chosen: str = sorted(among)[which % len(among)]
    return chosen


@contextmanager
def _commands(client: redis.Redis) -> Iterator[list[str]]:
    """The commands that the client sends meanwhile."""
    sent: list[str] = []
    plain: Any = client.execute_command

    def counted(*words: Any, **options: Any) -> Any:
        sent.append(str(words[0]))
        return plain(*words, **options)

    with mock.patch.object(client, "execute_command", counted):
        yield sent


@contextmanager
def running(server: RedisServer, workers: tuple[str, ...]) -> Iterator[Run]:
    small = mock.patch.multiple(job_queue, MAX_JOBS=MOST, MAX_WAITING_PER_USER=MOST_OWN)
    with small, closing(server.client()) as client:
        client.flushall()
        run = Run(client, Model(), workers)
        # Redis knows the script from here on.
        run.queue.accept(job_id="first", sub="first", prompt="p", idle=1, now_ms=0)
        assert run.queue.withdraw("first") is True
        yield run


def check_agreement(server: RedisServer, taken: list[Step]) -> None:
    """Take the steps, then answer all that is left; both say the same all along."""
    with running(server, WORKERS) as run:
        for step in taken:
            run.take(step)
            run.compare()
        run.finish("i-1")
        run.compare()
        left = {str(key) for key in run.client.scan_iter()}
        assert {key for key in left if not key.startswith(("throttle:", "reply:"))} == set()
        assert set(run.model.told) | run.model.gone == set(run.model.owner)


def check_turns(server: RedisServer, before: list[Step], after: list[Step]) -> None:
    """Send one prompt of a user of its own, and count the jobs that are answered until it is."""
    with running(server, ("i-1",)) as run:
        for step in before:
            run.take(step)
        if not run.accept("the-one", "zoe"):
            assert len(run.model.waiting()) == MOST
            return
        users_waiting = len(run.model.turns)
        answered = len(run.answers)
        for step in after:
            run.take(step)
        while "the-one" not in run.answers:
            run.in_hand.pop("i-1", None)
            run.claim("i-1", is_lost=False)
            run.answer("i-1", is_done=True)
        jobs = run.answers[answered : run.answers.index("the-one") + 1]
        assert len(jobs) <= users_waiting + 1


def check_turns_of_slots(server: RedisServer, before: list[Step], after: list[Step]) -> None:
    """Send one prompt of a user of its own, and count the jobs that a worker with several slots
    takes into its hands until it takes that one."""
    with running(server, ("i-1",)) as run:
        for step in before:
            run.take(step)
        if not run.accept("the-one", "zoe"):
            assert len(run.model.waiting()) == MOST
            return
        users_waiting = len(run.model.turns)
        earlier = len(run.claimed)
        for step in after:
            run.take(step)
        while "the-one" not in run.claimed:
            run.take(Step("answer", 0, 0))
            run.take(Step("claim too", 0, 0))
        taken = run.claimed[earlier : run.claimed.index("the-one") + 1]
        # After a crash the worker takes what it held once more.
        assert len(set(taken)) <= users_waiting + SLOTS
