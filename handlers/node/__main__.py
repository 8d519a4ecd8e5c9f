"""Start the worker, and end it well.

A stop signal deletes the heartbeat, claims nothing more and gives the job in hand a grace; a job
that needs longer stays pending and is the first one after the next start.

Exit codes: 0 stopped as asked, or there is no queue; 1 the worker ended by itself; 2 usage or
settings; 3 what the instance should say cannot be had, or the journal not be used.
"""

import argparse
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from node import instance, settings
from tinyllama.utils.observability import logs

if TYPE_CHECKING:
    from tinyllama.utils.queue.job_queue import QueueAddress

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_CLIENT_TIMEOUT_S = 5.0


def main(arguments: list[str] | None = None) -> int:
    """Run until stopped; returns the exit code."""
    given = _parser().parse_args(arguments)
    try:
        if given.settings_file is not None:
            document = given.settings_file.read_text("utf-8")
        else:
            document = instance.read_parameter(given.settings_parameter)
        found = settings.parse(document)
        if found.queue is None:
            logs.write("info", event="no_queue", why="UseGpu=false")
            return 0
        node_id = given.node_id or instance.instance_id()
        return _work(found, found.queue, node_id, given.state_dir, given.grace_s)
    except (settings.SettingsError, OSError, UnicodeError) as error:
        print(f"node: {error}", file=sys.stderr)
        return 2
    except instance.InstanceError as error:
        print(f"node: {error}", file=sys.stderr)
        return 3
    except sqlite3.Error as error:
        print(f"node: the journal in {given.state_dir}: {error}", file=sys.stderr)
        return 3


def _work(
    found: settings.NodeSettings,
    address: "QueueAddress",
    node_id: str,
    state_dir: Path,
    grace_s: float,
) -> int:
    # Here and not above: --help and a node without a queue need none of it.
    from node import model
    from node.claims import Claims
    from node.heartbeat import Heartbeat
    from node.journal import Journal
    from node.worker import Worker
    from tinyllama.utils.queue.job_queue import connect

    state_dir.mkdir(parents=True, exist_ok=True)
    client = connect(
        address,
        instance.credentials(),
        found.region,
        timeout_s=_CLIENT_TIMEOUT_S,
        connect_timeout_s=_CLIENT_TIMEOUT_S,
    )
    # Waited for below, never delivered: a handler could run while a lock is held. Before any
    # thread is started, as threads inherit it.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    stopping = threading.Event()
    claims = Claims(client, node_id, life_s=found.life_s)
    journal = Journal(state_dir / "journal.sqlite3")
    worker = Worker(claims, journal, partial(model.ask, found.model), stopping)
    heartbeat = Heartbeat(client, node_id, found.stack, claims, worker, stopping)
    logs.write("info", event="start", node=node_id, stack=found.stack)
    working, beating = _started(worker.run), _started(heartbeat.run)
    while working.is_alive() and beating.is_alive():
        if signal.sigtimedwait(_SIGNALS, 0.5) is not None:
            break
    ended_by_itself = not (working.is_alive() and beating.is_alive())
    stopping.set()
    beating.join(_CLIENT_TIMEOUT_S)
    working.join(grace_s)
    logs.write("info", event="stop", node=node_id, unfinished=working.is_alive())
    # A worker that still waits for the model must not hold up the end.
    os._exit(1 if ended_by_itself else 0)


def _started(run: Callable[[], None]) -> threading.Thread:
    """A thread that ends with one line in the log, whatever ends it."""

    def run_logged() -> None:
        try:
            run()
        except Exception as error:
            logs.write("error", event="crash", error=type(error).__name__, place=logs.place(error))
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
    run = parser.add_subparsers(dest="command", required=True).add_parser(
        "run", help="work until stopped"
    )
    source = run.add_mutually_exclusive_group(required=True)
    source.add_argument("--settings-parameter", metavar="NAME", help="SSM parameter, JSON")
    source.add_argument("--settings-file", metavar="FILE", type=Path, help="the same, in a file")
    run.add_argument("--node-id", metavar="ID", help="instead of the instance's own id")
    run.add_argument(
        "--state-dir",
        metavar="DIR",
        type=Path,
        default=Path("/var/lib/tinyllama"),
        help="where the journal of answers is kept (%(default)s)",
    )
    run.add_argument(
        "--grace-s",
        metavar="SECONDS",
        type=float,
        default=10.0,
        help="what the job in hand gets after a stop signal (%(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
