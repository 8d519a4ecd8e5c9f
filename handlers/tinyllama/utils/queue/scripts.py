"""The Lua scripts: each operation on the queue is one, so that Redis does all of it or nothing.

A script gets its keys' names from `redis_keys` and computes the keys itself, because the user whose
turn it is decides which job it touches. Redis allows that as long as the cache is no cluster
(`queue.yaml`: cluster mode stays disabled).
"""

import hashlib
import importlib.resources
from typing import TYPE_CHECKING, Any, Final

from tinyllama.utils.queue import redis_keys

if TYPE_CHECKING:
    import redis

_NAMES: Final = (
    *("WAITING", "TURNS", "RUNNING", "BELL", "HEARTBEAT", "LOADING", "START", "ASKED"),
    *("JOB_OF", "REPLY_OF", "WAITING_OF", "THROTTLE_OF"),
)
_HERE: Final = "tinyllama.utils.queue"


class Script:
    """One script on one client; its arguments are `ARGV`, its keys come from `redis_keys`.

    Args:
        name: of the file, without ".lua".
        libraries: files of this package whose local functions the script uses.
        package: where the script is.
    """

    def __init__(
        self, client: "redis.Redis", name: str, *libraries: str, package: str = _HERE
    ) -> None:
        self._client = client
        parts = [_header(), *(_text(_HERE, library) for library in libraries), _text(package, name)]
        self._text = "\n".join(parts)
        self._sha = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, *arguments: str | int) -> Any:
        """Run it in one round trip; in two where this server does not know it yet."""
        from redis.exceptions import NoScriptError

        try:
            return self._client.evalsha(self._sha, 0, *arguments)
        except NoScriptError:
            return self._client.eval(self._text, 0, *arguments)


def _header() -> str:
    values = ", ".join(f"'{getattr(redis_keys, name)}'" for name in _NAMES)
    return f"local {', '.join(_NAMES)} = {values}"


def _text(package: str, name: str) -> str:
    return importlib.resources.files(package).joinpath(f"{name}.lua").read_text("utf-8")
