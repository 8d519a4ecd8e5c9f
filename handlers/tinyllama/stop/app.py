"""Stops the node on request, unless others use it, so that only its volume costs money.

The queue says whether others use it, before EC2 is asked, and the owners of the jobs that the stop
ends are told, after EC2 has agreed: whoever is refused has changed nothing. While UseGpu is false
there is no queue to ask, and the node is just stopped.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from tinyllama.utils.auth.key_store import KeyStore
from tinyllama.utils.aws import compute
from tinyllama.utils.aws.sigv4 import from_environment
from tinyllama.utils.http import body
from tinyllama.utils.http.authentication import ADMINS, authenticate
from tinyllama.utils.http.errors import ApiError
from tinyllama.utils.http.node_in_use import refuse_while_in_use, tell_owners
from tinyllama.utils.http.responses import Event, Response, respond, serve
from tinyllama.utils.queue.client import connect
from tinyllama.utils.queue.job_queue import JobQueue
from tinyllama.utils.settings import Settings, read_queue

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

QUEUE_TIMEOUT_S = 0.5
"""Longer than the router's: a stop that waits half a second is better than one that is refused."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What an execution environment keeps between requests; `queue` is None while there is none."""

    settings: Settings
    keys: KeyStore
    queue: JobQueue | None


def handler(event: Event, context: object) -> Response:
    """Answer a request; log one line, raise nothing."""
    return serve(event, context, ROUTES)


def stop(event: Event) -> Response:
    """POST /stop: authenticate, ask the queue, stop the node if it runs, tell the owners of the
    jobs that this ends, answer the node's state."""
    current = setup()
    claims = authenticate(event, settings=current.settings, store=current.keys, now=time.time())
    force = body.parse_stop(event.get("body"), event.get("isBase64Encoded") is True)
    if force and ADMINS not in claims.groups:
        raise ApiError("forbidden")
    ask = partial(
        refuse_while_in_use, current.queue, current.settings.stack, claims.sub, force=force
    )
    ask()
    # Finding the node takes up to some seconds, in which somebody may have sent a prompt.
    is_stopped = _is_stopped(current.settings, partial(ask, is_counted=False))
    tell_owners(current.queue, claims.sub, force=force, route="POST /stop")
    return respond(200 if is_stopped else 202, {"status": "stopped" if is_stopped else "stopping"})


ROUTES = {"POST /stop": stop}


@cache
def setup() -> Setup:
    """Read the settings, once; the queue's client connects on first use. Raises InvalidSetting."""
    settings = Settings.read(os.environ)
    address = read_queue(os.environ)
    region = settings.keys.region
    queue = (
        None
        if address is None
        else JobQueue(connect(address, from_environment, region, timeout_s=QUEUE_TIMEOUT_S))
    )
    return Setup(settings, KeyStore(settings.keys), queue)


@cache
def ec2() -> "EC2Client":
    """Make the EC2 client, at the first request that may stop the node."""
    return compute.client(setup().settings.keys.region)


def _is_stopped(settings: Settings, ask_again: Callable[[], None]) -> bool:
    """Stop the node if it runs; True if it was stopped already.

    Args:
        ask_again: called directly before EC2 is; raises if others use the node now.

    Raises:
        NodeUnavailable: there is no node, EC2 refused, or it did not say what it does.
        ApiError: `node_starting`, as a node cannot be stopped until it runs.
    """
    node = compute.require_node(ec2(), project=settings.project, stack=settings.stack)
    if node.state == "pending":
        raise ApiError("node_starting")
    if node.state == "running":
        ask_again()
        try:
            compute.stop(ec2(), node)
        except compute.WrongState as error:
            raise ApiError("node_starting", why="restarted meanwhile") from error
        except compute.Unclear as error:
            now = compute.require_node(ec2(), project=settings.project, stack=settings.stack)
            if now.state in ("running", "pending"):
                raise compute.NodeUnavailable("unconfirmed", str(error)) from error
    return node.state == "stopped"
