"""Whatever a function is called with, it answers a refusal and one line, and raises nothing."""

import contextlib
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.strategies import json_values
from tinyllama.queue_health import app as queue_health
from tinyllama.router import app as router
from tinyllama.stop import app as stop
from tinyllama.utils.http.responses import respond, serve

HANDLERS = {
    "router": (router.handler, list(router.ROUTES)),
    "stop": (stop.handler, list(stop.ROUTES)),
    "queue_health": (queue_health.handler, list(queue_health.ROUTES)),
}
FIELDS = ("headers", "requestContext", "pathParameters", "body", "isBase64Encoded", "source")


def no_objects() -> st.SearchStrategy[Any]:
    """What Lambda can be invoked with beside an object."""
    return json_values().filter(lambda value: not isinstance(value, dict))


def served(handler: Any, event: Any) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """Status and body of the answer, and the one line of the log that tells of it."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        answer = handler(event, None)
    (line,) = (json.loads(text) for text in printed.getvalue().splitlines() if "level" in text)
    return answer["statusCode"], json.loads(answer["body"]), line


@pytest.mark.parametrize("name", HANDLERS)
@given(event=no_objects())
def test_event_that_is_no_object_is_not_found(name: str, event: Any) -> None:
    """404, and the log says what was wrong."""
    status, body, line = served(HANDLERS[name][0], event)
    assert (status, body) == (404, {"error": "not_found"})
    assert (line["status"], line["why"]) == (404, "no object")


@pytest.mark.parametrize("name", HANDLERS)
@given(data=st.data())
def test_event_with_any_fields_is_refused(name: str, data: st.DataObject) -> None:
    """A route of ours and anything else: refused, named in one line, nothing raised."""
    handler, routes = HANDLERS[name]
    event = data.draw(st.dictionaries(st.sampled_from(FIELDS), json_values()))
    if event.get("source") == "aws.events":
        del event["source"]
    status, body, line = served(handler, event | {"routeKey": data.draw(st.sampled_from(routes))})
    assert 400 <= status <= 599
    assert body["error"] == line["error"]
    assert line["status"] == status


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"headers": []}, "the event's headers is no object"),
        ({"headers": {"authorization": 7}}, "the event's headers holds more than text"),
        ({"pathParameters": "id"}, "the event's pathParameters is no object"),
        ({"pathParameters": {"id": None}}, "the event's pathParameters holds more than text"),
        ({"body": {"prompt": "p"}}, "the event's body is no text"),
        ({"body": 7}, "the event's body is no text"),
    ],
)
def test_field_of_another_type_is_named(fields: dict[str, Any], why: str) -> None:
    """The route is not called: it relies on these types."""

    def handler(event: Any, context: object) -> Any:
        return serve(event, context, {"GET /x": lambda _: respond(200, {})})

    status, body, line = served(handler, {"routeKey": "GET /x", **fields})
    assert (status, body, line["why"]) == (500, {"error": "internal"}, why)
    assert served(handler, {"routeKey": "GET /x"})[0] == 200
