"""The watchdog as a process beside real workers: each reason stops the machine, and no job does.

Long because each reason to stop is a story of one machine: worker, queue, watchdog and power.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from node.activity import FILE, Recorder
from node.boot import Boot
from node.settings import ModelAddress, NodeSettings
from node.stopping import Stopper
from node.verdict import Limits, Reason
from node.watchdog import Watchdog
from tests.faults.parts import HANDLERS, ModelServer, Node
from tests.processes import RedisServer, free_port, until
from tinyllama.utils.queue.answers import JobState
from tinyllama.utils.queue.job_queue import JobQueue

MakeNode = Callable[..., Node]
FOR_EVER = ("--idle-min", "9999", "--queue-gone-min", "9999", "--stuck-min", "9999")


@dataclass
class Machine:
    """A machine that is played: a boot, a worker that is started apart, a watchdog."""

    folder: Path
    node: Node
    aws: int
    watchdog: subprocess.Popen[bytes] | None = None
    booted: str = field(
        default_factory=lambda: f"boot-{os.getpid()}@{time.clock_gettime(time.CLOCK_BOOTTIME)}"
    )

    def watch(self, *options: str, poweroff: str | None = None) -> None:
        """Start the watchdog, with a minute of 0.1 s; a slow start meets no limit of uptime."""
        self.node.state_dir.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "node", "watchdog", "--boot", self.booted]
        command += ["--settings-file", str(self.node.settings_file), "--node-id", "i-1"]
        command += ["--state-dir", str(self.node.state_dir), "--minute-s", "0.1"]
        command += ["--poweroff", poweroff or shlex.join(["touch", str(self.folder / "off")])]
        if "--uptime-min" not in options:
            command += ["--uptime-min", "99999"]
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(HANDLERS),
            "SSL_CERT_FILE": str(self.node.authority_file),
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.aws}",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        with self.log.open("ab") as log:
            self.watchdog = subprocess.Popen(
                [*command, *options], env=environment, stdout=log, stderr=log
            )

    @property
    def log(self) -> Path:
        """What the watchdog has printed."""
        return self.folder / "watchdog.log"

    def lines(self, event: str) -> list[dict[str, object]]:
        """Its log lines of one event."""
        text = self.log.read_text()
        parsed = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return [line for line in parsed if line["event"] == event]

    def is_off(self) -> bool:
        """Whether it has been powered off."""
        return (self.folder / "off").exists()

    def reasons(self) -> set[object]:
        """Why the watchdog has stopped it."""
        return {line["reason"] for line in self.lines("auto_stop")}

    def stays_on(self, seconds: float) -> bool:
        """Whether it is on all this time."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            if self.is_off():
                return False
            time.sleep(0.02)
        return True


@pytest.fixture
def machine(node: MakeNode, tmp_path: Path) -> Iterator[Machine]:
    """A machine without AWS: nothing listens at its address."""
    made = Machine(tmp_path, node(), free_port())
    made.node.boot = made.booted
    yield made
    if made.watchdog is not None:
        made.watchdog.kill()
        made.watchdog.wait()


def answered(machine: Machine, jobs: JobQueue, idle: int = 5) -> None:
    """Start the worker, and let it answer one job."""
    machine.node.start()
    jobs.accept(job_id="j1", sub="ann", prompt="p", idle=idle, now_ms=0)
    until(lambda: jobs.state("j1", "ann") == JobState("done", reply="reply to p"))


def test_idle_machine_is_stopped(machine: Machine, jobs: JobQueue) -> None:
    """The last job's own minutes after its end, and not the five from the boot."""
    machine.watch("--queue-gone-min", "9999", "--stuck-min", "9999", "--idle-min", "9999")
    answered(machine, jobs, idle=12)
    ended_s = time.monotonic()
    until(machine.is_off, what="power off")
    assert time.monotonic() - ended_s >= 1.1
    assert machine.reasons() == {"idle"}


def test_running_job_keeps_the_machine_on(
    machine: Machine, jobs: JobQueue, model: ModelServer
) -> None:
    """A job that runs longer than every limit but the uptime; idle begins at its end."""
    model.hold()
    machine.node.start()
    jobs.accept(job_id="j1", sub="ann", prompt="p", idle=1, now_ms=0)
    until(lambda: model.calls["p"] == 1, what="the run")
    machine.watch("--idle-min", "1", "--queue-gone-min", "1", "--stuck-min", "1")
    until(lambda: bool(machine.lines("watch")), what="the watchdog")
    assert machine.stays_on(1.5)
    model.release()
    until(machine.is_off, what="power off")
    assert jobs.state("j1", "ann") == JobState("done", reply="reply to p")


@pytest.mark.fault(
    fault="the machine is up for too long",
    place="a job runs",
    user_sees="a later reply, after another start",
    lost="one run of the model",
    recovers="the watchdog stops the machine after `MaxUptimeHours`, whatever runs",
)
def test_uptime_ends_whatever_runs(machine: Machine, jobs: JobQueue, model: ModelServer) -> None:
    """Also a machine in the middle of a job."""
    model.hold()
    machine.node.start()
    jobs.accept(job_id="j1", sub="ann", prompt="p", idle=5, now_ms=0)
    until(lambda: model.calls["p"] == 1, what="the run")
    machine.watch("--uptime-min", "1", *FOR_EVER)
    until(machine.is_off, what="power off")
    assert machine.reasons() == {"uptime"}


@pytest.mark.fault(
    fault="the cache is down",
    place="the node runs",
    user_sees="503 `queue_unavailable`",
    lost="nothing",
    recovers="the watchdog stops the machine after 5 minutes",
)
def test_machine_whose_queue_is_gone_is_stopped(
    machine: Machine, jobs: JobQueue, cache: RedisServer
) -> None:
    """The cache crashes and does not come back."""
    answered(machine, jobs, idle=30)
    machine.watch("--idle-min", "9999", "--stuck-min", "9999")
    cache.kill()
    until(machine.is_off, what="power off")
    assert machine.reasons() == {"queue_gone"}


@pytest.mark.fault(fault="the queue is switched off", place="the node")
def test_machine_without_a_queue_is_stopped(machine: Machine) -> None:
    """UseGpu=false: the settings have none."""
    settings = json.loads(machine.node.settings_file.read_text())
    machine.node.settings_file.write_text(json.dumps(settings | {"queue": None}))
    machine.watch("--idle-min", "9999", "--stuck-min", "9999")
    until(machine.is_off, what="power off")
    assert machine.reasons() == {"queue_gone"}


@pytest.mark.fault(
    fault="the worker hangs",
    place="its whole process",
    user_sees="job `failed`, `not_started`",
    lost="that job",
    recovers="the watchdog stops the machine after 15 minutes; the next job starts it again",
)
def test_machine_whose_worker_hangs_is_stopped(machine: Machine, jobs: JobQueue) -> None:
    """The worker's process lives and does nothing, while a job waits."""
    machine.node.start()
    until((machine.node.state_dir / FILE).exists, what="a record")
    assert machine.node.process is not None
    machine.node.process.send_signal(signal.SIGSTOP)
    jobs.accept(job_id="j1", sub="ann", prompt="p", idle=30, now_ms=0)
    machine.watch("--idle-min", "9999", "--queue-gone-min", "9999")
    until(machine.is_off, what="power off")
    assert machine.reasons() == {"stuck"}


def test_machine_whose_installation_hangs_is_stopped(machine: Machine, jobs: JobQueue) -> None:
    """No worker has come up in this boot, although a job waits for it."""
    jobs.accept(job_id="j1", sub="ann", prompt="p", idle=30, now_ms=0)
    machine.watch("--queue-gone-min", "9999")
    until(machine.is_off, what="power off")
    assert machine.reasons() == {"installation"}


@pytest.mark.fault(
    fault="the worker's record is garbled",
    place="the watchdog",
    user_sees="nothing",
    lost="nothing: no job is cut off",
    recovers="the queue tells whether a job runs",
)
def test_garbled_record_stops_no_job(machine: Machine, jobs: JobQueue, model: ModelServer) -> None:
    """The queue tells that a worker holds a job; without one the machine does not run for ever."""
    model.hold()
    machine.node.start()
    jobs.accept(job_id="j1", sub="ann", prompt="p", idle=5, now_ms=0)
    until(lambda: model.calls["p"] == 1, what="the run")
    (machine.node.state_dir / FILE).write_text("{")
    machine.watch("--queue-gone-min", "9999")
    until(lambda: len(machine.lines("watchdog")) > 20, what="a time that is over every limit")
    assert {line["why"] for line in machine.lines("watchdog")} == {"garbled"}
    assert not machine.is_off()
    machine.node.kill()
    model.release()


class Aws:
    """An endpoint of every AWS service, which answers as it is told and keeps what it is asked."""

    def __init__(self) -> None:
        self.status = 200
        self.asked: list[tuple[str, bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.asked.append((self.path, body))
                refusal = b"<Response><Errors><Error><Code>UnauthorizedOperation</Code></Error>"
                refusal += b"</Errors></Response>"
                content = b"<R/>" if outer.status == 200 else refusal
                if self.path != "/":
                    content = b"\xa0"
                self.send_response(outer.status)
                self.send_header("smithy-protocol", "rpc-v2-cbor")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02])
        self._thread.start()

    def metrics(self) -> list[bytes]:
        """Every metric that was sent."""
        return [body for _, body in list(self.asked) if b"AutoStops" in body]

    def stops(self) -> list[bytes]:
        """Every request to stop an instance."""
        return [body for _, body in list(self.asked) if b"StopInstances" in body]

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def aws() -> Iterator[Aws]:
    """AWS."""
    with closing(Aws()) as endpoint:
        yield endpoint


@pytest.mark.fault(
    fault="powering off fails",
    place="the watchdog",
    user_sees="nothing",
    lost="nothing",
    recovers="EC2 is asked to stop the instance, each minute again",
)
def test_power_off_that_fails_is_followed_by_a_stop(machine: Machine, aws: Aws) -> None:
    """EC2 is asked to stop this instance, each minute again; the stop counts once."""
    machine.aws = aws.port
    machine.watch("--uptime-min", "1", *FOR_EVER, poweroff="false")
    until(lambda: len(aws.stops()) >= 3, what="three attempts")
    assert all(b"InstanceId.1=i-1" in body for body in aws.stops())
    [metric] = aws.metrics()
    assert all(word in metric for word in (b"TinyLlama/test", b"Reason", b"uptime"))
    assert {line["step"] for line in machine.lines("auto_stop_failed")} == {"poweroff"}


@pytest.mark.fault(fault="powering off fails", place="the watchdog")
def test_refused_stop_is_logged_and_tried_again(machine: Machine, aws: Aws) -> None:
    """No permission for anything: a line for each failure, an attempt a minute, and no hurry."""
    machine.aws, aws.status = aws.port, 403
    started_s = time.monotonic()
    machine.watch("--uptime-min", "1", *FOR_EVER, poweroff="/nonexistent")
    until(lambda: len(aws.stops()) >= 3, what="three attempts")
    assert len(aws.stops()) <= (time.monotonic() - started_s) / 0.1
    failed = {(line["step"], line["error"]) for line in machine.lines("auto_stop_failed")}
    assert ("stop_instance", "UnauthorizedOperation") in failed
    assert ("poweroff", "FileNotFoundError") in failed
    assert "metric" in {step for step, _ in failed}


def test_metric_that_cannot_be_sent_delays_no_stop(machine: Machine) -> None:
    """Nothing listens where AWS should be; the machine goes off all the same."""
    machine.watch("--uptime-min", "1", *FOR_EVER)
    until(machine.is_off, what="power off")
    assert machine.lines("auto_stop_failed")[0]["step"] == "metric"


def test_power_off_that_hangs_has_failed(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that does not end is given up, and so is an instance without an id."""

    def no_metadata() -> str:
        raise OSError("no metadata service")

    Stopper(["sleep", "60"], no_metadata, limit_s=0.1).stop(Reason.IDLE, None, lambda: True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line.get("step"), line.get("error")) for line in lines] == [
        (None, None),
        ("poweroff", "TimeoutExpired"),
        ("stop_instance", "OSError"),
    ]


def _call(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process call that AWS."""
    for name, value in (
        ("AWS_ENDPOINT_URL", f"http://127.0.0.1:{aws.port}"),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ):
        monkeypatch.setenv(name, value)


def test_prompt_that_comes_while_the_stop_is_counted_keeps_the_machine_on(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counting takes seconds: an idle machine looks again before it powers off. The stop that was
    dropped is the one that is counted when the machine is idle again."""
    _call(aws, monkeypatch)
    off = tmp_path / "off"
    stopper = Stopper(["touch", str(off)], lambda: "i-1")
    stopper.stop(Reason.IDLE, "test", lambda: not aws.metrics())
    assert (len(aws.metrics()), off.exists()) == (1, False)
    stopper.stay()
    stopper.stop(Reason.IDLE, "test", lambda: True)
    assert (len(aws.metrics()), off.exists()) == (1, True)


def _up_for(seconds: float) -> Boot:
    """A boot that began so long ago."""
    return Boot("this", time.clock_gettime(time.CLOCK_BOOTTIME) - seconds)


@pytest.mark.parametrize(("jobs", "is_stopped"), [((0, 0), True), ((0, 1), False), ((1, 0), False)])
def test_watchdog_looks_again_before_an_idle_stop(
    jobs: tuple[int, int],
    is_stopped: bool,
    aws: Aws,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the queue's word of that moment."""
    _call(aws, monkeypatch)
    off = tmp_path / "off"
    Recorder(tmp_path, _up_for(60)).end(5)
    seen = iter([(0, 0), jobs])
    stopper = Stopper(["touch", str(off)], lambda: "i-1")
    settings = NodeSettings(
        "test", "eu-central-1", None, ModelAddress("http://127.0.0.1:1", "tiny"), 300
    )
    ask, limits = (lambda _: next(seen)), Limits()
    Watchdog(_up_for(361), tmp_path, lambda: settings, ask, stopper, limits).look()
    assert off.exists() is is_stopped


def test_watchdog_that_can_read_nothing_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No settings, no libraries, no record: each is logged, and the machine has its 15 minutes.

    The wall clock meanwhile jumps by ten hours either way, which nothing notices.
    """
    machine = Clock()
    stopped: list[Reason] = []

    def unknown(*_: object) -> NodeSettings:
        raise ImportError("boto3")

    class Hand(Stopper):
        def stop(self, reason: Reason, stack: str | None, _: Callable[[], bool]) -> None:
            stopped.append(reason)

    watchdog = Watchdog(machine, tmp_path, unknown, unknown, Hand([], str), Limits())  # type: ignore[arg-type]
    for minute in range(1, 16):
        jump_s = 36_000 * (-1) ** minute
        monkeypatch.setattr(time, "time", lambda jump_s=jump_s: 1.8e9 + jump_s)
        machine.up_s = 60.0 * minute
        watchdog.look()
        assert stopped == ([Reason.INSTALLATION] if minute == 15 else [])
    unknown_things = [json.loads(line)["unknown"] for line in capsys.readouterr().out.splitlines()]
    assert unknown_things[:2] == ["settings", "activity"]


class Clock:
    """A boot whose time the test sets."""

    boot_id = "this"
    up_s = 0.0

    def now_s(self) -> float:
        """How long it is up."""
        return self.up_s
