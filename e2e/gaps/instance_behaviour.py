"""How the local EC2's instances behave, which a test sets while MiniStack runs.

A test posts a JSON object of the fields of `Behaviour` to `PATH`. The smoke sets nothing: `pending`
and `stopping` pass at once, and no start fails.
"""

import json
from dataclasses import dataclass, field
from typing import Any

PATH = "/_gaps/instance"


@dataclass(slots=True)
class Behaviour:
    """How long states last, and what becomes of a start.

    `start_error` is the code with which EC2 refuses to start an instance. With `lose_answer` it
    starts the instance and answers with an empty body. Without `events`, EC2's events are lost.
    `refuses_end` is the id of an instance that EC2 refuses to stop or terminate; `launch_ages_s`
    says how long ago instances were launched.
    """

    pending_s: float = 0
    stopping_s: float = 0
    start_error: str = ""
    lose_answer: bool = False
    events: bool = True
    refuses_end: str = ""
    launch_ages_s: dict[str, float] = field(default_factory=dict)


behaviour = Behaviour()


def install() -> None:
    """Add `PATH` before MiniStack's own routes."""
    from ministack import app as ministack_app

    inner = ministack_app.app

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await inner(scope, receive, send)
            return
        for name, value in json.loads((await receive())["body"]).items():
            setattr(behaviour, name, value)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    ministack_app.app = app
