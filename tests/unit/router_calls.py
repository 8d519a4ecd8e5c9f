"""Requests to the router and what its log says, for its tests."""

import json
import time
from typing import Any

import pytest

from tests import contract, tokens
from tests.events import event
from tinyllama.router import app

BODY = '{"prompt": "s3cr3t prompt", "idle": 7}'
OTHER = "0a1b2c3d-other-user"


def good_token(sub: str = tokens.SUB, **changes: Any) -> str:
    """A token that is valid now."""
    return tokens.token(payload=tokens.claims(int(time.time()), sub=sub, **changes))


def post(body: str | None = BODY, sub: str = tokens.SUB, **changes: Any) -> dict[str, Any]:
    """POST /infer, and the answer held to the contract."""
    return called("post_infer", **{"token": good_token(sub), "body": body} | changes)


def get(job: str, sub: str = tokens.SUB, **changes: Any) -> dict[str, Any]:
    """GET /infer/{id}, and the answer held to the contract."""
    return called("get_infer", token=good_token(sub), pathParameters={"id": job}, **changes)


def called(name: str, **changes: Any) -> dict[str, Any]:
    """Status, headers beyond the usual, and body."""
    sent = event(name, **changes)
    response = app.handler(sent, None)
    assert contract.faults(sent["routeKey"], response) == []
    usual = ("content-type", "cache-control")
    return {
        "status": response["statusCode"],
        "headers": {k: v for k, v in response["headers"].items() if k not in usual},
        "body": json.loads(response["body"]),
    }


def refusal(status: int, **body: str) -> dict[str, Any]:
    """A refusal without headers of its own."""
    return {"status": status, "headers": {}, "body": body}


def lines(capsys: pytest.CaptureFixture[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """The log lines, and the names of the metrics, in order."""
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    names = [
        line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"]
        for line in found
        if "_aws" in line
    ]
    return [line for line in found if "_aws" not in line], names
