"""Whether the model is ready, so that no job is claimed before the model can answer it.

The slot whose turn it is to claim asks the model server's /health, then has the model answer a
first word: the first answer of a process takes longest, and no user waits for it. An
OpenAI-compatible server that has no /health answers something else, and is ready.
https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
"""

import threading
import time
from http.client import HTTPException
from urllib.parse import urlsplit, urlunsplit

from node import model, model_connection
from node.settings import ModelAddress
from tinyllama.utils.observability import logs

HEALTH_S = 2.0
WARM_UP_S = 60.0
_MOST_BYTES = 64 * 1024
_NOT_YET = (429, 503)


class Readiness:
    """Asks one model server until it is ready.

    Args:
        address: None stands for a model that is always ready.
    """

    def __init__(self, address: ModelAddress | None) -> None:
        self._address = address
        self._began_s = time.monotonic()
        self._ready = threading.Event()
        if address is None:
            self._ready.set()

    @property
    def is_ready(self) -> bool:
        """True from the first successful `check` on, until `lost`."""
        return self._ready.is_set()

    def lost(self) -> None:
        """Ask again before the next claim: the model server did not answer."""
        if self._address is not None:
            self._ready.clear()

    def check(self) -> bool:
        """True if the model is ready; takes 62 s at most, and milliseconds once it is."""
        if self._address is None or self._ready.is_set():
            return True
        if not _is_healthy(self._address):
            return False
        try:
            model.warm_up(self._address, time.monotonic() + WARM_UP_S)
        except (model.ModelTimeout, model.ModelUnavailable) as error:
            logs.write("WARNING", event="model_loading", why=str(error))
            return False
        except model.ModelError as error:
            # It answers, so it is there; each job tells what is wrong with it.
            logs.write("ERROR", event="model", error=error.code, why=str(error))
        self._ready.set()
        took_s = time.monotonic() - self._began_s
        logs.write("INFO", event="model_ready", afterS=round(took_s, 1))
        return True


def _is_healthy(address: ModelAddress) -> bool:
    parts = urlsplit(address.url)
    health = urlunsplit((parts.scheme, parts.netloc, "/health", "", ""))
    try:
        connection = model_connection.connect(health, time.monotonic() + HEALTH_S, _MOST_BYTES)
    except OSError:
        return False
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status not in _NOT_YET
    except (OSError, HTTPException, model_connection.ResponseTooLong):
        return False
    finally:
        connection.end()
