"""Listing calls: every page is read, and what cannot be read is an error and never "empty".

The services here are servers on loopback that speak the protocol, two resources a page; the local
AWS account answers where a whole inventory is taken.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
import botocore.session
import pytest

from tests.loopback import Answer, Endpoint, Request, endpoint
from tools.deploy import inventory
from tools.deploy.calls import Call, IncompleteAnswer, Listing, UnknownCall, ask, ids, token_member
from tools.deploy.clients import Clients
from tools.deploy.listings import LISTINGS
from tools.deploy.paths import UnknownPath, follow
from tools.live.table import READERS, Reader
from tools.texts import shortened

TABLES = LISTINGS["table"]
BUSES = Listing("event-bus", Call("events", "list_event_buses", {}, "EventBuses[]", True), "Name")
PAGES = {
    None: ({"TableNames": ["a", "b"], "LastEvaluatedTableName": "page-2"},
           {"EventBuses": [{"Name": "a"}, {"Name": "b"}], "NextToken": "page-2"}),
    "page-2": ({"TableNames": ["c"]}, {"EventBuses": [{"Name": "c"}]}),
}  # fmt: skip

_CLIENTS = Clients(boto3.Session("test", "test", region_name="eu-central-1"))


class Service:
    """boto3 clients of one server on loopback, in the form that the inventory takes."""

    def __init__(self, server: Endpoint) -> None:
        session = boto3.Session("test", "test", region_name="eu-central-1")
        self.client: Callable[[str], Any] = Clients(session, server.url, attempts=1)


def _sent(request: Request) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(request.body)
    return document


def _two_pages(request: Request) -> Answer:
    sent = _sent(request)
    tables, buses = PAGES[sent.get("ExclusiveStartTableName") or sent.get("NextToken")]
    is_dynamodb = "DynamoDB" in request.headers["x-amz-target"]
    return Answer(body=json.dumps(tables if is_dynamodb else buses).encode())


def _always(document: Mapping[str, Any]) -> Callable[[Request], Answer]:
    return lambda _: Answer(body=json.dumps(document).encode())


@pytest.mark.parametrize("listing", [TABLES, BUSES], ids=["boto3's paginator", "by the token"])
def test_second_page_is_read(listing: Listing) -> None:
    """DynamoDB's tables have a paginator in boto3; the event buses have a token and none."""
    with endpoint(_two_pages) as server:
        client = Service(server).client(listing.call.service)
        assert client.can_paginate(listing.call.operation) == (listing is TABLES)
        assert ids(client, listing) == ["a", "b", "c"]
        assert len(server.requests) == 2


@pytest.mark.parametrize("listing", [TABLES, BUSES], ids=["boto3's paginator", "by the token"])
def test_kind_whose_second_page_fails_is_not_listed(listing: Listing) -> None:
    """Half a list would hide what is on the other half."""

    def fails_late(request: Request) -> Answer:
        if "page-2" in _sent(request).values():
            return Answer(400, b'{"__type":"AccessDeniedException"}')
        return _two_pages(request)

    with endpoint(fails_late) as server:
        taken = inventory.take(Service(server), {listing.kind: listing})
        assert len(server.requests) == 2
    assert taken == inventory.Inventory(frozenset(), (listing.kind,))


def test_pages_that_lead_to_themselves_end_in_an_error() -> None:
    """A service that always names the same next page is not asked for ever."""
    page = {"EventBuses": [{"Name": "a"}], "NextToken": "again"}
    with (
        endpoint(_always(page)) as server,
        pytest.raises(IncompleteAnswer, match="leads to itself"),
    ):
        ids(Service(server).client("events"), BUSES)


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({}, "events:ListEventBuses: the answer has no EventBuses"),
        ({"EventBuses": [{"Arn": "arn:…"}]}, "event-bus: an item has no Name"),
    ],
)
def test_answer_without_the_list_or_an_id_is_not_empty(
    document: Mapping[str, Any], why: str
) -> None:
    """Status 200 alone proves nothing: the kind could not be listed."""
    with endpoint(_always(document)) as server:
        service = Service(server)
        with pytest.raises(IncompleteAnswer) as refused:
            ids(service.client("events"), BUSES)
        assert str(refused.value) == why
        assert inventory.take(service, {"event-bus": BUSES}).not_listed == ("event-bus",)


def test_empty_list_is_empty() -> None:
    """The list is there and holds nothing; SQS leaves its list out and means the same."""
    with endpoint(_always({"EventBuses": []})) as server:
        listings = {"event-bus": BUSES, "queue": LISTINGS["queue"]}
        assert inventory.take(Service(server), listings) == inventory.Inventory(frozenset(), ())


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (Call("ec2", "describe_vpcz"), "ec2: no operation describe_vpcz; correct its name"),
        (Call("ec2", "describe_vpcs", {}, "Vpcz[]"),
         "ec2:DescribeVpcs: Vpcz[]: there is no Vpcz among NextToken, Vpcs; correct the path"),
        (Call("ec2", "describe_vpcs", {}, "Vpcs[].Owner"), "there is no Owner among "),
        (Call("ec2", "describe_vpcs", {}, "Vpcs.VpcId"), "VpcId is asked of a list"),
        # JMESPath applies this filter to each instance, which is no list, and so drops all of them.
        (Call("ec2", "describe_instances", {}, "Reservations[].Instances[][?State.Name!='off']"),
         "a list is asked of a structure"),
        (Call("ec2", "describe_instances", {}, "Reservations[].Instances[?Stat.Name!='off'][]"),
         "there is no Stat among "),
    ],
)  # fmt: skip
def test_unknown_operation_or_path_is_an_error_before_the_call(call: Call, why: str) -> None:
    """Each would read as an empty answer; the inventory raises it too, as the table is wrong."""
    with endpoint(_always({})) as server:
        service = Service(server)
        with pytest.raises(UnknownCall) as refused:
            ask(service.client(call.service), call)
        assert why in str(refused.value)
        with pytest.raises(UnknownCall):
            inventory.take(service, {"kind": Listing("kind", call)})
        assert server.requests == []


@pytest.fixture(scope="module")
def models() -> Callable[[Call], Any]:
    """botocore's model of a call's operation."""
    session = botocore.session.Session()

    def operation(call: Call) -> Any:
        model = session.get_service_model(call.service)
        names = {botocore.xform_name(name): name for name in model.operation_names}
        return model.operation_model(names[call.operation])

    return operation


def test_token_that_no_parameter_takes_is_an_error(models: Callable[[Call], Any]) -> None:
    """KMS takes its `NextMarker` back as `Marker`, which only boto3's paginator knows."""
    with pytest.raises(UnknownCall, match="ListKeys: no parameter takes NextMarker"):
        token_member(models(Call("kms", "list_keys")))


def _calls(reader: Reader) -> Iterator[Call]:
    yield reader.main
    yield from reader.more.values()
    if isinstance(reader.tags, Call):
        yield reader.tags


def _check(models: Callable[[Call], Any], call: Call) -> Any:
    operation = models(call)
    assert set(call.parameters) <= set(operation.input_shape.members)
    if not _CLIENTS(call.service).can_paginate(call.operation):
        token_member(operation)
    return follow(call.path, operation.output_shape)


@pytest.mark.parametrize("listing", LISTINGS.values(), ids=lambda listing: listing.kind)
def test_listing_fits_its_services_model(models: Callable[[Call], Any], listing: Listing) -> None:
    """Operation, parameters, items, id and tags are names that the service has."""
    item = _check(models, listing.call).member
    if listing.each_of is not None:
        assert _check(models, listing.each_of).member.type_name == "string"
        assert "{holder}" in listing.call.parameters.values()
    follow(listing.id, item)
    if isinstance(listing.tags, str):
        follow(listing.tags, item)
    elif listing.tags is not None:
        _check(models, listing.tags)


@pytest.mark.parametrize("kind", READERS)
def test_reader_fits_its_services_model(models: Callable[[Call], Any], kind: str) -> None:
    """So do the calls of the deployed reader, and each property's place in the answer."""
    reader = READERS[kind]
    for call in _calls(reader):
        _check(models, call)
    if kind == "AWS::Lambda::Permission":  # its answer is a policy written as text
        return
    resource = _check(models, reader.main)
    for row in reader.properties.values():
        follow(row.lstrip("!?"), resource)
    if isinstance(reader.tags, str):
        follow(reader.tags, resource)


def test_paths_that_are_not_understood_are_refused() -> None:
    """An expression that cannot be followed cannot be trusted either."""
    with pytest.raises(UnknownPath, match="function_expression is not understood"):
        follow("length(Vpcs)", None)


HELD = Listing(
    "rule",
    Call("events", "list_rules", {"EventBusName": "{holder}"}, "Rules[]", True),
    "Arn",
    each_of=Call("events", "list_event_buses", {}, "EventBuses[].Name", True),
)


@pytest.mark.parametrize("fails", ["ListEventBuses", "ListRules"])
def test_kind_with_a_holder_that_cannot_be_listed_is_not_listed(fails: str) -> None:
    """Neither the buses nor the rules of the second one."""

    def service(request: Request) -> Answer:
        operation = request.headers["x-amz-target"].split(".")[1]
        if operation == fails and (_sent(request).get("EventBusName") in (None, "b")):
            return Answer(400, b'{"__type":"AccessDeniedException"}')
        if operation == "ListEventBuses":
            return Answer(body=b'{"EventBuses":[{"Name":"a"},{"Name":"b"}]}')
        return Answer(body=b'{"Rules":[{"Arn":"arn:of-a"}]}')

    with endpoint(service) as server:
        assert inventory.take(Service(server), {"rule": HELD}).not_listed == ("rule",)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("arn:aws:iam::1:role/r", "arn:aws:iam::1:role/r"),
        ("arn:aws:lambda:eu-central-1:000000000000:function:router", "arn:aws:lam…tion:router"),
    ],
)
def test_long_arn_is_cut_in_the_middle(text: str, short: str) -> None:
    """Service and name stay, and the limit is kept."""
    assert shortened(text, 23) == short
