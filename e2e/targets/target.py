"""What a smoke needs of the place it runs in, and what only whoever runs its servers can do."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import redis

from e2e.gaps.gap import Gap


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait: for a stack, for the node to be up or off, for one reply, for log lines."""

    stack_s: float
    node_s: float
    reply_s: float
    logs_s: float


class Servers(Protocol):
    """The inside of a target whose servers are ours: crash them, count, read their logs."""

    def cache(self) -> redis.Redis:
        """The cache as its own administrator sees it, past TLS and access strings."""

    def kill_redis(self) -> None:
        """Crash the cache."""

    def start_redis(self) -> None:
        """Start the cache again, empty."""

    def kill_worker(self) -> None:
        """Crash the node's worker."""

    def model_calls(self) -> dict[str, int]:
        """How often the stand-in model ran each prompt, by fingerprint."""

    def keep(self, name: str, content: str) -> Path:
        """Write a file that only this user can read and that goes with the target."""

    def tail(self, name: str) -> str:
        """The last lines of one server's log."""

    def memory_mib(self) -> float:
        """Resident memory of all servers now."""


class Target(Protocol):
    """An AWS account, or what stands for one.

    `servers` is None where they are somebody else's: stages that need them are then gaps. `records`
    says that the duration of a smoke is kept there as a metric.
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
        """Be ready; `zips` are packages of functions that will be deployed.

        Raises:
            UsageError: nobody answers there, or nobody is who may ask.
        """

    def stop(self) -> None:
        """End what `start` started; safe to call twice."""

    def client(self, service: str) -> Any:
        """A boto3 client of the operator's account."""

    def cli_environment(self) -> dict[str, str]:
        """What the AWS CLI needs in its environment to talk to this account."""

    def api_url(self, api_endpoint: str) -> str:
        """Where the HTTP API answers."""

    def hosted_ui_url(self, base: str) -> str:
        """Where the hosted sign-in page answers."""

    def issuer_keys_url(self, issuer: str) -> str:
        """Where the pool's public signing keys are."""
