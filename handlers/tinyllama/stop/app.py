"""Stops the node on request, so that only its volume costs money."""

import os
import time
from functools import cache
from typing import TYPE_CHECKING

from tinyllama.utils.auth.key_store import KeyStore
from tinyllama.utils.aws import compute
from tinyllama.utils.http.authentication import authenticate
from tinyllama.utils.http.errors import ApiError
from tinyllama.utils.http.responses import Event, Response, respond, serve
from tinyllama.utils.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


def handler(event: Event, context: object) -> Response:
    """Answer a request; log one line, raise nothing."""
    return serve(event, context, ROUTES)


def stop(event: Event) -> Response:
    """POST /stop: authenticate, find the node, stop it if it runs, answer its state."""
    settings, keys = setup()
    authenticate(event, settings=settings, store=keys, now=time.time())
    node = compute.find_node(ec2(), project=settings.project, stack=settings.stack)
    if node is None:
        raise compute.NodeUnavailable("none")
    if node.state == "stopped":
        return respond(200, {"status": "stopped"})
    if node.state == "pending":
        raise ApiError("node_starting")
    if node.state == "running":
        try:
            compute.stop(ec2(), node)
        except compute.WrongState as error:
            raise ApiError("node_starting", why="restarted meanwhile") from error
    return respond(202, {"status": "stopping"})


ROUTES = {"POST /stop": stop}


@cache
def setup() -> tuple[Settings, KeyStore]:
    """Read the settings, once. Raises InvalidSetting."""
    settings = Settings.read(os.environ)
    return settings, KeyStore(settings.keys)


@cache
def ec2() -> "EC2Client":
    """Make the EC2 client, at the first request with a valid token."""
    return compute.client(setup()[0].keys.region)
