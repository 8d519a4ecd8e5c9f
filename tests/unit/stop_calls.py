"""Requests to POST /stop, and the node that they are about."""

import json
import time
from typing import Any, Final

from tests import contract, tokens
from tests.events import event
from tests.unit.test_compute import launched
from tinyllama.stop import app
from tinyllama.utils.aws import compute
from tinyllama.utils.queue.answers import JobState

STOPPED: Final = JobState("failed", error="node_stopped")
FORCE: Final = '{"force": true}'
Told = tuple[int, dict[str, Any]]


def stopped(token: str | None = None, body: str | None = None, **changes: Any) -> Told:
    """Status and body, held to the contract."""
    made = token or user()
    response = app.handler(event("post_stop", token=made, body=body, **changes), None)
    assert contract.faults("POST /stop", response) == []
    return response["statusCode"], json.loads(response["body"])


def user(**claims: Any) -> str:
    """The token of a user in no group."""
    return tokens.token(payload=tokens.claims(int(time.time()), **claims))


def admin() -> str:
    """The token of another user, in the group `admins`."""
    return user(sub="admin-1", **{"cognito:groups": ["admins"]})


def running() -> str:
    """A running node."""
    return launched(compute.client("eu-central-1"))


def node() -> compute.Node | None:
    """The node as EC2 has it."""
    ec2 = compute.client("eu-central-1")
    return compute.find_node(ec2, project="tinyllama", stack="tinyllama-dev")
