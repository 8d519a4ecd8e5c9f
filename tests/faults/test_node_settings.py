"""The settings document: read whole, or refused with the field's name and never its value."""

import json

import pytest

from node.settings import ModelAddress, NodeSettings, SettingsError, parse
from tinyllama.utils.settings import QueueAddress

QUEUE = {"host": "cache.example.com", "port": 6379, "cache": "the-cache", "user": "tl-node-1"}
DOCUMENT: dict[str, object] = {
    "stack": "tinyllama-dev",
    "region": "eu-central-1",
    "queue": QUEUE,
    "model": {"url": "http://127.0.0.1:8080/v1/", "name": "tiny"},
    "lifeSeconds": 300,
    "package": "arn:aws:lambda:eu-central-1:111122223333:layer:tinyllama-dev-node:1",
}


def test_parse_reads_every_field() -> None:
    """Other fields are left alone, and a slash at the end of the URL does not matter."""
    assert parse(json.dumps(DOCUMENT)) == NodeSettings(
        stack="tinyllama-dev",
        region="eu-central-1",
        queue=QueueAddress("cache.example.com", 6379, "the-cache", "tl-node-1"),
        model=ModelAddress("http://127.0.0.1:8080/v1", "tiny"),
        life_s=300,
    )


def test_parse_takes_null_for_no_queue_and_text_for_numbers() -> None:
    """`null` while UseGpu=false; a template may write a number as text."""
    assert parse(json.dumps(DOCUMENT | {"queue": None})).queue is None
    found = parse(json.dumps(DOCUMENT | {"queue": QUEUE | {"port": "6380"}, "lifeSeconds": "30"}))
    assert found.queue is not None
    assert (found.queue.port, found.life_s) == (6380, 30)
    assert parse(json.dumps(DOCUMENT)).slots == 1
    assert parse(json.dumps(DOCUMENT | {"slots": "16"})).slots == 16


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"stack": "secret value"}, "stack"),
        ({"stack": None}, "stack"),
        ({"region": "secret"}, "region"),
        ({"queue": "secret"}, "queue"),
        ({"queue": 0}, "queue"),
        ({"queue": QUEUE | {"host": "secret host"}}, "queue.host"),
        ({"queue": QUEUE | {"port": 0}}, "queue.port"),
        ({"queue": QUEUE | {"port": 65_536}}, "queue.port"),
        ({"queue": QUEUE | {"port": True}}, "queue.port"),
        ({"queue": QUEUE | {"port": 6379.0}}, "queue.port"),
        ({"queue": QUEUE | {"cache": ""}}, "queue.cache"),
        ({"queue": QUEUE | {"user": "-"}}, "queue.user"),
        ({"model": []}, "model"),
        ({"model": {"url": "ftp://secret/", "name": "tiny"}}, "model.url"),
        ({"model": {"url": "http://user:secret@host/v1", "name": "tiny"}}, "model.url"),
        ({"model": {"url": "http://host:secret/v1", "name": "tiny"}}, "model.url"),
        ({"model": {"url": "http://host/v1?secret", "name": "tiny"}}, "model.url"),
        ({"model": {"url": "http:///v1", "name": "tiny"}}, "model.url"),
        ({"model": {"url": "http://host/v1", "name": "secret name"}}, "model.name"),
        ({"lifeSeconds": 0}, "lifeSeconds"),
        ({"lifeSeconds": 301}, "lifeSeconds"),
        ({"lifeSeconds": "secret"}, "lifeSeconds"),
        ({"maxUptimeHours": 0}, "maxUptimeHours"),
        ({"maxUptimeHours": 25}, "maxUptimeHours"),
        ({"maxUptimeHours": None}, "maxUptimeHours"),
        ({"maxUptimeHours": "secret"}, "maxUptimeHours"),
        ({"slots": 0}, "slots"),
        ({"slots": 17}, "slots"),
        ({"slots": None}, "slots"),
        ({"slots": "secret"}, "slots"),
    ],
)
def test_parse_names_the_field_and_not_the_value(changed: dict[str, object], field: str) -> None:
    """What is wrong is told by name."""
    with pytest.raises(SettingsError) as refused:
        parse(json.dumps(DOCUMENT | changed))
    assert str(refused.value).startswith(f"{field} must be ")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("field", ["stack", "region", "queue", "model", "lifeSeconds"])
def test_parse_misses_no_field(field: str) -> None:
    """Every field is needed: a document without `queue` is a mistake, one with null is not."""
    with pytest.raises(SettingsError, match=field):
        parse(json.dumps({name: value for name, value in DOCUMENT.items() if name != field}))


def test_parse_takes_8_hours_for_no_uptime() -> None:
    """A template before the limit wrote none; a template may write it as text."""
    assert parse(json.dumps(DOCUMENT)).max_uptime_h == 8
    assert parse(json.dumps(DOCUMENT | {"maxUptimeHours": 24})).max_uptime_h == 24
    assert parse(json.dumps(DOCUMENT | {"maxUptimeHours": "1"})).max_uptime_h == 1


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"text"', "[" * 4000])
def test_parse_refuses_what_is_no_object(text: str) -> None:
    """Not JSON, or JSON of another kind."""
    with pytest.raises(SettingsError, match="the settings are not"):
        parse(text)


def test_parse_refuses_what_no_parameter_holds() -> None:
    """A parameter of the standard tier has 4,096 characters at most; more is not even parsed."""
    document = json.dumps(DOCUMENT)
    assert parse(document + " " * (4096 - len(document))) == parse(document)
    with pytest.raises(SettingsError, match="longer than 4096 characters"):
        parse(document + " " * (4097 - len(document)))
