"""The node's commands: `run` starts the worker, and stops it on a signal; `watchdog` watches both.

After a stop signal the worker deletes the heartbeat, claims no more jobs and gives the running jobs
`--grace-s`; a job that needs longer stays pending and is among the first after the next start.

Exit codes: 0 stopped by a signal, or the stack has no queue; 1 the worker ended by itself; 2 usage
or settings; 3 the instance does not provide its settings, id or credentials, or another worker
uses the journal.
"""

import argparse
import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from node import boot, instance, settings, watchdog_command
from node.activity import Recorder
from tinyllama.utils.observability import logs

if TYPE_CHECKING:
    from node.worker import Worker
    from tinyllama.utils.settings import QueueAddress

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_CLIENT_TIMEOUT_S = 5.0
_JOIN_S = 0.02


def main(arguments: list[str] | None = None) -> int:
    """Run until stopped; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.command == "watchdog":
        return watchdog_command.run(options)
    try:
        if options.settings_file is not None:
            document = options.settings_file.read_text("utf-8")
        else:
            document = instance.read_parameter(options.settings_parameter)
        node_settings = settings.parse(document)
        if node_settings.queue is None:
            logs.write("INFO", event="no_queue", why="UseGpu=false")
            return 0
        node_id = options.node_id or instance.instance_id()
        recorder = Recorder(options.state_dir, options.boot or boot.current())
        return _work(
            node_settings,
            node_settings.queue,
            node_id,
            options.state_dir,
            options.grace_s,
            recorder,
        )
    except (settings.SettingsError, OSError, UnicodeError) as error:
        print(f"node: {error}", file=sys.stderr)
        return 2
    except instance.InstanceError as error:
        print(f"node: {error}", file=sys.stderr)
        return 3
    except sqlite3.Error as error:
        print(f"node: the journal in {options.state_dir}: {error}", file=sys.stderr)
        return 3


def _work(
    node_settings: settings.NodeSettings,
    address: "QueueAddress",
    node_id: str,
    state_dir: Path,
    grace_s: float,
    recorder: Recorder,
) -> int:
    # Imported here because --help and a node without a queue need none of these.
    from node import model
    from node.claims import Claims
    from node.heartbeat import Heartbeat
    from node.journal import Journal
    from node.readiness import Readiness
    from node.slots import Slots
    from node.worker import Worker
    from tinyllama.utils.queue.client import connect

    state_dir.mkdir(parents=True, exist_ok=True)
    client = connect(
        address,
        instance.credentials(),
        node_settings.region,
        timeout_s=_CLIENT_TIMEOUT_S,
        connect_timeout_s=_CLIENT_TIMEOUT_S,
    )
    # The loop below waits for the signals instead of a handler, which could run while a lock is
    # held. Block them before any thread starts, as threads inherit the mask.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    stopping = threading.Event()
    claims = Claims(client, node_id, life_s=node_settings.life_s)
    journal = Journal(state_dir / "journal.sqlite3")
    slots = Slots(Readiness(node_settings.model))
    ask = partial(model.ask, node_settings.model)
    workers = [
        Worker(claims, journal, ask, stopping, recorder, slots) for _ in range(node_settings.slots)
    ]
    heartbeat = Heartbeat(client, node_id, node_settings.stack, claims, slots, stopping)
    logs.write(
        "INFO", event="start", node=node_id, stack=node_settings.stack, slots=node_settings.slots
    )
    working = {_started(worker.run): worker for worker in workers}
    beating = _started(heartbeat.run)
    threads = (*working, beating)
    ended_by_itself = False
    while not ended_by_itself and signal.sigtimedwait(_SIGNALS, 0.5) is None:
        # systemd starts another: a thread that hangs would answer nobody until the watchdog comes.
        ended_by_itself = slots.is_stalled or not all(thread.is_alive() for thread in threads)
    stopping.set()
    beating.join(_CLIENT_TIMEOUT_S)
    logs.write("INFO", event="stop", node=node_id, unfinished=not _end(working, grace_s))
    # A worker that still waits for the model must not delay the exit.
    os._exit(1 if ended_by_itself else 0)


def _end(working: "dict[threading.Thread, Worker]", grace_s: float) -> bool:
    """Wait for the running jobs; a slot that waits for the bell holds none, and begins none.

    False if one of them needs longer than `grace_s`.
    """
    deadline_s = time.monotonic() + grace_s
    for thread, worker in working.items():
        while thread.is_alive() and not worker.is_waiting:
            if time.monotonic() > deadline_s:
                return False
            thread.join(_JOIN_S)
    return True


def _started(run: Callable[[], None]) -> threading.Thread:
    """Start a thread that logs one line if an exception ends it."""

    def run_logged() -> None:
        try:
            run()
        except Exception as error:
            logs.write("ERROR", event="crash", error=type(error).__name__, at=logs.place(error))
            raise SystemExit from error

    thread = threading.Thread(target=run_logged, daemon=True)
    thread.start()
    return thread


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="node",
        description="The worker of the compute node. It takes jobs from the queue, asks the model "
        "server, stores each reply for its owner, and stops on SIGTERM.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="work until stopped")
    watchdog = commands.add_parser("watchdog", help="stop the machine when it is of no use")
    for command in (run, watchdog):
        source = command.add_mutually_exclusive_group(required=True)
        source.add_argument("--settings-parameter", metavar="NAME", help="SSM parameter, JSON")
        source.add_argument(
            "--settings-file", metavar="FILE", type=Path, help="the same, in a file"
        )
        command.add_argument("--node-id", metavar="ID", help="instead of the instance's own id")
        command.add_argument(
            "--state-dir",
            metavar="DIR",
            type=Path,
            default=Path("/var/lib/tinyllama"),
            help="where the worker keeps its journal and its activity (%(default)s)",
        )
        command.add_argument(
            "--boot",
            metavar="ID@SECONDS",
            type=boot.simulated,
            help="on a machine that is played: its boot, and when it began by CLOCK_BOOTTIME",
        )
    run.add_argument(
        "--grace-s",
        metavar="SECONDS",
        type=float,
        default=10.0,
        help="time for the running jobs after a stop signal (%(default)s)",
    )
    watchdog_command.add_options(watchdog)
    return parser


if __name__ == "__main__":
    sys.exit(main())
