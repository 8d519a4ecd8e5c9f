"""`node watchdog`: its options, and the watchdog made of them.

The limits are options for a machine that is played on a test's own: a "minute" of 0.1 s and a
command that ends a process show every reason within a second or two. The node itself uses none.
"""

import argparse
import shlex
import sys

from node import boot, gpu, instance, settings
from node.queue_view import QueueView
from node.settings import NodeSettings
from node.stopping import POWER_OFF, Stopper
from node.verdict import Limits
from node.watchdog import Watchdog
from tinyllama.utils.observability import logs


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what `run` has not."""
    limits = Limits()
    parser.add_argument(
        "--poweroff",
        metavar="COMMAND",
        type=shlex.split,
        default=list(POWER_OFF),
        help=f"powers the machine off ({shlex.join(POWER_OFF)})",
    )
    parser.add_argument(
        "--packages",
        metavar="DIR",
        help="a folder with the AWS libraries, which may come only after the watchdog's start",
    )
    for name, default, text in (
        ("--minute-s", limits.minute_s, "length of a minute, for every limit and between looks"),
        ("--idle-min", limits.idle_min, "after the boot, until a job has ended"),
        ("--queue-gone-min", limits.queue_gone_min, "without an answer of the queue"),
        ("--stuck-min", limits.stuck_min, "without progress of the worker"),
    ):
        parser.add_argument(
            name, metavar="N", type=_positive, default=default, help=f"{text} (%(default)s)"
        )
    parser.add_argument(
        "--uptime-min",
        metavar="N",
        type=_positive,
        help="since the boot, whatever happens (the settings' maxUptimeHours)",
    )


def run(options: argparse.Namespace) -> int:
    """Watch until the machine is off."""
    if options.packages:
        sys.path.append(options.packages)

    def read_settings() -> NodeSettings:
        if options.settings_file is not None:
            return settings.parse(options.settings_file.read_text("utf-8"))
        return settings.parse(instance.read_parameter(options.settings_parameter))

    watchdog = Watchdog(
        options.boot or boot.current(),
        options.state_dir,
        read_settings,
        QueueView(),
        Stopper(options.poweroff, lambda: options.node_id or instance.instance_id()),
        Limits(
            idle_min=options.idle_min,
            queue_gone_min=options.queue_gone_min,
            stuck_min=options.stuck_min,
            minute_s=options.minute_s,
        ),
        uptime_min=options.uptime_min,
        measure=gpu.report,
    )
    logs.write("INFO", event="watch", minuteS=options.minute_s)
    watchdog.run()
    return 0


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < 1e6:
        raise ValueError("not a positive number")
    return number
