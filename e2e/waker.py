"""A tick of the waker: the event that its rule sends every minute, sent now.

The local endpoint runs the rule too, so a tick of its own may come at any moment of a smoke.
"""

import json
import time

from e2e.run import Run, expect


def tick(run: Run) -> None:
    """Call the function as its rule does."""
    event = {
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "region": run.target.region,
        "resources": [],
        "detail": {},
    }
    answer = run.client("lambda").invoke(
        FunctionName=f"{run.name}-waker", Payload=json.dumps(event).encode()
    )
    seen = (answer["StatusCode"], answer.get("FunctionError"))
    expect(seen, (200, None), "a tick", logs=(run.function_log("waker"),))
