"""The state that the stages of one smoke share: target, deployed stack, signed-in users."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from e2e.api import Api
from e2e.gaps.gap import Gap
from e2e.gaps.outside import NO_LIFE
from e2e.targets.target import Servers, Target
from tools.deploy import stack
from tools.deploy.inventory import Inventory
from tools.programs import check_interrupt

POLL_S = 0.02

T = TypeVar("T")


class StageFailed(Exception):
    """A stage saw something other than it must.

    `logs` names the target's servers or the log groups whose last lines explain it; `look` is a
    command that shows more.
    """

    def __init__(self, cause: str, *, logs: tuple[str, ...] = (), look: str = "") -> None:
        """Take the cause: what the stage expected, and what it saw."""
        super().__init__(cause)
        self.logs = logs
        self.look = look


@dataclass(slots=True)
class User:
    """A user of the pool; `token` is the access token, which is never printed."""

    name: str
    password: str = field(repr=False)
    token: str = field(default="", repr=False)
    id_token: str = field(default="", repr=False)


@dataclass(slots=True)
class Run:
    """The state of one smoke. Stages fill it in the order in which they run.

    `name` is the stack's. `is_deployed` says that the stack was there before the smoke: it stays,
    and the smoke deletes only what it added. `mark` makes the names of its users unique.
    """

    target: Target
    name: str
    source: Path
    handlers_python: Path
    environment: str = "dev"
    is_deployed: bool = False
    mark: str = field(default_factory=lambda: secrets.token_hex(3))
    began_s: float = field(default_factory=time.time)
    zips: dict[str, Path] = field(default_factory=dict)
    packaged: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    before: Inventory | None = None
    users: dict[str, User] = field(default_factory=dict)
    jobs: dict[str, tuple[str, str]] = field(default_factory=dict)
    metric_data: list[dict[str, Any]] = field(default_factory=list)

    @property
    def template(self) -> Path:
        """The root template of the tree that is deployed."""
        return self.source / "cloudformation" / "stack.yaml"

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The differences between this smoke's target and AWS."""
        return (*self.target.gaps, *((NO_LIFE,) if self.is_deployed else ()))

    @property
    def servers(self) -> Servers:
        """The inside of the target.

        Raises:
            StageFailed: its servers are not ours; stages that need them do not run there.
        """
        if self.target.servers is None:
            raise StageFailed(f"the servers of {self.target.name} are not ours")
        return self.target.servers

    def settings(self) -> tuple[dict[str, str], dict[str, str]]:
        """Parameters and stack tags of the environment."""
        return stack.parameters(self.template.parent / "parameters" / f"{self.environment}.json")

    @property
    def api(self) -> Api:
        """The deployed HTTP API."""
        return Api(self.target.api_url(self.outputs["ApiEndpoint"]))

    def client(self, service: str) -> Any:
        """A boto3 client of the operator's account."""
        return self.target.client(service)

    def function_log(self, name: str) -> str:
        """The log group of the stack's function of this name."""
        return f"/aws/lambda/{self.name}-{name}"

    def node_state(self) -> str:
        """The compute node's state as EC2 reports it."""
        answer = self.client("ec2").describe_instances(InstanceIds=[self.outputs["NodeId"]])
        state: str = answer["Reservations"][0]["Instances"][0]["State"]["Name"]
        return state


def wait_until(
    check: Callable[[], T | None], limit_s: float, what: str, *, logs: tuple[str, ...] = ()
) -> T:
    """Call `check` until it returns something that is neither None nor False, and return that.

    Raises:
        StageFailed: `what` did not happen within `limit_s`.
    """
    deadline = time.monotonic() + limit_s
    while (seen := check()) is None or seen is False:
        check_interrupt()
        if time.monotonic() > deadline:
            raise StageFailed(f"{what}: not within {limit_s:g} s", logs=logs)
        time.sleep(POLL_S)
    return seen


def expect(seen: Any, wanted: Any, what: str, *, logs: tuple[str, ...] = ()) -> None:
    """Compare two whole values.

    Raises:
        StageFailed: they differ; names both.
    """
    if seen != wanted:
        raise StageFailed(f"{what}: expected {wanted!r}, saw {seen!r}", logs=logs)
