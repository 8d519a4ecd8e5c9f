"""Stops the node, so that it costs nothing but its volume."""

import os
import time
from functools import cache
from typing import TYPE_CHECKING

from tinyllama.utils.auth import authenticate
from tinyllama.utils.auth.key_store import KeyStore
from tinyllama.utils.aws import compute
from tinyllama.utils.http.responses import Event, Refusal, Response, answer, serve
from tinyllama.utils.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


def handler(event: Event, context: object) -> Response:
    """Answer one request; nothing is raised, one line is logged."""
    return serve(event, context, ROUTES)


def stop(event: Event) -> Response:
    """POST /stop: authenticate, find the node, stop it if it runs, answer its state."""
    settings, keys = setup()
    authenticate(event, settings=settings, store=keys, now=time.time())
    node = compute.find_node(ec2(), project=settings.project, stack=settings.stack)
    if node is None:
        raise compute.NodeUnavailable("none")
    if node.state == "stopped":
        return answer(200, {"status": "stopped"})
    if node.state == "pending":
        raise Refusal("node_starting")
    if node.state == "running":
        try:
            compute.stop(ec2(), node)
        except compute.WrongState as error:
            raise Refusal("node_starting", why="restarted meanwhile") from error
    return answer(202, {"status": "stopping"})


ROUTES = {"POST /stop": stop}


@cache
def setup() -> tuple[Settings, KeyStore]:
    """The settings, read once. Raises InvalidSetting."""
    settings = Settings.read(os.environ)
    return settings, KeyStore(settings.keys)


@cache
def ec2() -> "EC2Client":
    """The EC2 client, made by the first request whose token is good."""
    return compute.client(setup()[0].keys.region)
