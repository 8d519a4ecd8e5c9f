"""The interface of a target: an account for every stage, and its servers where they are ours."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import redis

from e2e.gaps.gap import Gap
from e2e.gaps.instance_behaviour import Behaviour


@dataclass(frozen=True, slots=True)
class Patience:
    """Time limits: for a stack, for the node to start or stop, for one reply, for log lines."""

    stack_s: float
    node_s: float
    reply_s: float
    logs_s: float


class Servers(Protocol):
    """The servers of a target that the smoke runs itself: it can crash them and read their logs."""

    def cache(self) -> redis.Redis:
        """A client of the cache's administrator, past TLS and access strings."""

    def kill_redis(self) -> None:
        """Crash the cache."""

    def start_redis(self) -> None:
        """Start the cache again, empty."""

    def kill_worker(self) -> None:
        """Crash the node's worker."""

    def freeze_worker(self) -> None:
        """Let the node's worker hang, until the machine is powered off."""

    def worker_is_idle(self) -> bool:
        """Whether the node's worker has recorded that no job runs."""

    def set_watchdog(self, *options: str) -> None:
        """Give the watchdog these options from a machine's next boot on; none: those of EC2."""

    def model_together(self) -> int:
        """The most prompts that the stand-in model has thought about at one moment."""

    def model_calls(self) -> dict[str, int]:
        """The number of times that the stand-in model ran each prompt, by fingerprint, in the order
        of their first runs."""

    def post(self, path: str, document: Mapping[str, object]) -> None:
        """Post to a path of the endpoint that is none of AWS's."""

    def play(self, behaviour: Behaviour) -> None:
        """Set how long an instance's states last, and how EC2 fails a start."""

    def set_budgets(self, figures: Mapping[str, Mapping[str, object]]) -> None:
        """Set spend, forecast and history of budgets by name, `*` for all others."""

    def keep(self, name: str, content: str) -> Path:
        """Write a file that only this user can read; `stop` removes it."""

    def tail(self, name: str) -> str:
        """The last lines of one server's log."""

    def memory_mib(self) -> float:
        """Resident memory of all servers now, in MiB."""


class Target(Protocol):
    """An AWS account, or a local stand-in for one.

    `servers` is None where the smoke does not run them; stages that need them are then gaps.
    `records` says that the smoke's duration becomes a metric there.
    """

    @property
    def name(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def gaps(self) -> tuple[Gap, ...]: ...
    @property
    def patience(self) -> Patience: ...
    @property
    def servers(self) -> Servers | None: ...
    @property
    def records(self) -> bool: ...

    def start(self, zips: Iterable[Path] = ()) -> None:
        """Make the target ready; `zips` are packages that will be deployed.

        Raises:
            UsageError: the target does not answer, or refuses the credentials.
        """

    def stop(self) -> None:
        """End everything that `start` started; safe to call twice."""

    def client(self, service: str) -> Any:
        """A boto3 client of the operator's account."""

    def cli_environment(self) -> dict[str, str]:
        """The environment variables with which the AWS CLI calls this account."""

    def api_url(self, api_endpoint: str) -> str:
        """The base URL of the HTTP API."""

    def hosted_ui_url(self, base: str) -> str:
        """The base URL of the hosted sign-in page."""

    def issuer_keys_url(self, issuer: str) -> str:
        """The address of the pool's public signing keys."""
