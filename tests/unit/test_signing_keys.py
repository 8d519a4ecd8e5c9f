"""The key set is fetched, checked and stored; CloudFormation always gets its answer."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from tests import loopback, tokens
from tests.events import event
from tinyllama.signing_keys import app
from tinyllama.utils.auth.key_store import from_item
from tinyllama.utils.aws import dynamodb

POOL = "/eu-central-1_Ab1Cd2Ef3/.well-known/jwks.json"


@dataclass
class Aws:
    """Cognito's key set, the table, and CloudFormation's bucket, behind one address."""

    url: str = ""
    jwks: loopback.Answer = field(
        default_factory=lambda: loopback.Answer(body=json.dumps(tokens.jwks()).encode())
    )
    table: loopback.Table = field(default_factory=loopback.Table)
    told: list[dict[str, Any]] = field(default_factory=list)
    tell_status: int = 200
    failures_left: int = 0

    def answer(self, request: loopback.Request) -> loopback.Answer:
        """By path, as three services would."""
        if request.method == "PUT":
            assert request.path == "/answer?Signature=a%2Fb"
            assert request.headers.get("content-type", "") == ""
            self.told.append(json.loads(request.body))
            return loopback.Answer(self.tell_status)
        if request.method == "GET":
            return self.jwks if request.path == POOL else loopback.Answer(404)
        if self.failures_left > 0:
            self.failures_left -= 1
            return loopback.Answer(400, b'{"__type":"x#AccessDeniedException"}')
        return self.table.answer(request)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """The function's variables, and services that answer."""
    found = Aws()
    # A busy machine may answer later than AWS; the limits are no part of these tests.
    monkeypatch.setattr(app, "STEP_TIMEOUT_S", 60.0)
    monkeypatch.setattr(app, "FETCH_TIMEOUT_S", 60.0)
    monkeypatch.setattr(dynamodb, "TIMEOUT_S", 60.0)
    with loopback.endpoint(found.answer) as endpoint:
        found.url = endpoint.url
        for name, value in {
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": loopback.ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": loopback.SECRET_KEY,
            "AWS_SESSION_TOKEN": loopback.SESSION_TOKEN,
            "AWS_ENDPOINT_URL": endpoint.url,
            "TL_STACK": "tinyllama-dev",
            "TL_ISSUER": tokens.ISSUER,
            "TL_KEYS_TABLE": found.table.name,
        }.items():
            monkeypatch.setenv(name, value)
        yield found


def custom(aws: Aws, kind: str = "Create") -> dict[str, Any]:
    """CloudFormation's event, to be answered at the loopback address."""
    url = f"{aws.url}/answer?Signature=a%2Fb"
    return event("custom_resource_create", RequestType=kind, ResponseURL=url)


def context(remaining_s: float = 0) -> Any:
    """What Lambda hands over; time runs as it does."""
    ends = time.monotonic() + remaining_s
    return SimpleNamespace(
        aws_request_id="id",
        get_remaining_time_in_millis=lambda: int((ends - time.monotonic()) * 1000),
    )


def test_timer_stores_what_the_others_read(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """Keys, issuer and time; one log line; nobody to answer."""
    before = int(time.time())
    app.handler(event("scheduled"), context())
    stored = from_item(aws.table.item, issuer=tokens.ISSUER)
    assert set(stored.keys.by_kid) == {tokens.pinned().kid, tokens.second().kid}
    assert before <= stored.fetched_at <= time.time()
    assert aws.told == []
    assert json.loads(capsys.readouterr().out) == {
        "level": "INFO",
        "requestId": "id",
        "route": "schedule",
    }


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_cloudformation_is_told_of_success(aws: Aws, kind: str) -> None:
    """The keys are there before the stack is; the physical id never changes."""
    app.handler(custom(aws, kind), context())
    assert aws.table.item is not None
    sent = custom(aws)
    assert aws.told == [
        {
            "Status": "SUCCESS",
            "Reason": "stored",
            "PhysicalResourceId": "signing-keys",
            "StackId": sent["StackId"],
            "RequestId": sent["RequestId"],
            "LogicalResourceId": "SigningKeys",
        }
    ]


def test_delete_is_answered_and_does_nothing(aws: Aws) -> None:
    """The table goes with the stack; a pool that is gone must not keep the stack from going."""
    aws.jwks = loopback.Answer(500)
    app.handler(custom(aws, "Delete"), context())
    assert aws.table.item is None
    assert [one["Status"] for one in aws.told] == ["SUCCESS"]


@pytest.mark.parametrize(
    ("jwks", "why"),
    [
        (loopback.Answer(404), "the pool's key set: status 404; look at TL_ISSUER"),
        (
            loopback.Answer(301, b"", {"location": "http://127.0.0.1:1/"}),
            "the pool's key set: status 301; look at TL_ISSUER",
        ),
        (
            loopback.Answer(200, b'{"keys":[]}'),
            "the pool's key set: no key of the set is fit to verify RS256; look at TL_ISSUER",
        ),
        (
            loopback.Answer(200, b"<html>"),
            "the pool's key set: the document is not strict JSON; look at TL_ISSUER",
        ),
        (loopback.Answer(200, b"\xff"), "the pool's key set: not UTF-8; look at TL_ISSUER"),
        (loopback.Answer(200, b" " * 65_537), "the pool's key set: too large; look at TL_ISSUER"),
    ],
)
def test_unfit_key_set_is_not_stored(aws: Aws, jwks: loopback.Answer, why: str) -> None:
    """CloudFormation learns what to look at, a timer's run is an error, nothing is stored."""
    aws.jwks = jwks
    app.handler(custom(aws), context())
    assert [(one["Status"], one["Reason"]) for one in aws.told] == [("FAILED", why)]
    with pytest.raises(app.RefreshFailed) as failed:
        app.handler(event("scheduled"), context())
    assert str(failed.value) == why
    assert aws.table.item is None


def test_refused_write_is_told(aws: Aws) -> None:
    """The role or the table is wrong."""
    aws.failures_left = 1
    app.handler(custom(aws), context())
    assert [one["Reason"] for one in aws.told] == [
        "storing: PutItem: status 400 AccessDeniedException; look at TL_KEYS_TABLE and the role"
    ]


def test_role_that_is_seconds_old_is_waited_for(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS needs a moment until a new role is known everywhere: tried again while there is time."""
    monkeypatch.setattr(app, "PAUSE_S", 0.01)
    aws.failures_left = 3
    app.handler(custom(aws), context(remaining_s=300))
    assert [one["Status"] for one in aws.told] == ["SUCCESS"]
    assert aws.table.item is not None


def test_time_for_the_answer_is_kept(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt is only begun if the answer to CloudFormation still fits after it."""
    monkeypatch.setattr(app, "PAUSE_S", 0.01)
    aws.failures_left = 10**6
    app.handler(custom(aws), context(remaining_s=app.ATTEMPT_S + 0.3))
    assert [one["Status"] for one in aws.told] == ["FAILED"]


def test_wrong_setting_is_told(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable's name reaches the stack's events."""
    monkeypatch.setenv("TL_KEYS_TABLE", "")
    app.handler(custom(aws), context())
    assert [one["Reason"] for one in aws.told] == ["TL_KEYS_TABLE is not set"]


def test_defect_is_told_without_its_message(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens, the stack does not wait an hour for an answer."""
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    app.handler(custom(aws), context())
    (reason,) = [one["Reason"] for one in aws.told]
    assert reason.startswith("KeyError at ")
    assert "utils/aws/sigv4.py:" in reason
    assert reason.endswith("; this is a defect")


def test_answer_that_is_refused_is_an_error(aws: Aws) -> None:
    """Lambda tries the whole event again."""
    aws.tell_status = 403
    with pytest.raises(app.RefreshFailed, match="answering CloudFormation: status 403"):
        app.handler(custom(aws), context())


def test_dead_issuer_is_told(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", "http://127.0.0.1:1")
    with pytest.raises(app.RefreshFailed) as failed:
        app.handler(event("scheduled"), context())
    assert str(failed.value) == ("the pool's key set: ConnectionRefusedError; look at the network")


def test_slow_issuer_is_given_up(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """A document that trickles in is not waited for."""
    monkeypatch.setattr(app, "FETCH_TIMEOUT_S", -1.0)
    with pytest.raises(app.RefreshFailed, match="too slow"):
        app.handler(event("scheduled"), context())


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, f"https://cognito-idp.eu-central-1.amazonaws.com{POOL}"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}, f"http://127.0.0.1:4566{POOL}"),
        (
            {
                "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
                "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": "https://other",
            },
            f"https://other{POOL}",
        ),
    ],
)
def test_key_set_is_where_the_issuer_publishes_it(environment: dict[str, str], url: str) -> None:
    """The path is the issuer's; the host can be moved as for every SDK."""
    assert app.jwks_url(tokens.ISSUER, environment) == url
