"""Calls of the guard's function, and the machines that its stages launch."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from e2e.gaps import budget
from e2e.run import Run, expect


def guard(run: Run, action: str, **members: float) -> dict[str, Any]:
    """Call the function as a rule or an operator does; returns its answer."""
    answer = run.client("lambda").invoke(
        FunctionName=run.outputs["GuardFunction"],
        Payload=json.dumps({"action": action, **members}).encode(),
    )
    logs = (run.function_log("stop-build-box"),)
    body = answer["Payload"].read().decode()
    expect(answer.get("FunctionError"), None, f"the guard's {action}: {body}", logs=logs)
    document: dict[str, Any] = json.loads(body)
    return document


def launch(run: Run, role: str, count: int = 1, *, stack: str = "") -> list[str]:
    """Launch machines with the tags of the stack's own, or of another stack."""
    project = run.settings()[0]["Project"]
    tags = {"Project": project, "Stack": stack or run.name, "Role": role}
    answer = run.client("ec2").run_instances(
        ImageId="ami-0123456789abcdef0",
        InstanceType="t3.medium",
        MinCount=count,
        MaxCount=count,
        TagSpecifications=[{"ResourceType": "instance", "Tags": as_tags(tags)}],
    )
    return [instance["InstanceId"] for instance in answer["Instances"]]


def as_tags(tags: dict[str, str]) -> list[dict[str, str]]:
    """Tags as EC2 takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def states(run: Run, ids: list[str]) -> list[str]:
    """The state of each machine."""
    answer = run.client("ec2").describe_instances(InstanceIds=ids)
    found = {
        instance["InstanceId"]: instance["State"]["Name"]
        for reservation in answer["Reservations"]
        for instance in reservation["Instances"]
    }
    return [found[own] for own in ids]


def month_budget(run: Run) -> str:
    """The name of the month's budget, which CloudFormation makes up."""
    function = run.outputs["GuardFunction"]
    settings = run.client("lambda").get_function_configuration(FunctionName=function)
    return str(settings["Environment"]["Variables"]["TL_BUDGET"])


@contextmanager
def recorded(run: Run) -> Iterator[Callable[[str, str], list[float]]]:
    """Record the calls to the local endpoint; gives the times of those that hold a text.

    MiniStack tells the 50 newest of a name, and names each call to EC2 `POST.ec2`.
    """

    def times(name: str, text: str) -> list[float]:
        lookup = [{"AttributeKey": "EventName", "AttributeValue": name}]
        events = run.client("cloudtrail").lookup_events(LookupAttributes=lookup)["Events"]
        own = [event for event in events if text in event["CloudTrailEvent"]]
        return sorted(event["EventTime"].timestamp() for event in own)

    run.servers.post("/_ministack/config", {"cloudtrail._recording_enabled": "true"})
    try:
        yield times
    finally:
        run.servers.post("/_ministack/config", {"cloudtrail._recording_enabled": "false"})


def spend(run: Run, usd: float) -> None:
    """Let the emulated Budget say that this was spent; it tells its topics, and they the guard.

    On the first of a month the guard takes that for the sum of the last one, and believes its own
    meter alone; so the meter says it too.
    """
    today = datetime.now(UTC)
    if today.day == 1:
        run.client("dynamodb").update_item(
            TableName=f"{run.name}-control",
            Key={"id": {"S": f"spend#{today:%Y-%m}"}},
            UpdateExpression="SET usd = :usd",
            ExpressionAttributeValues={":usd": {"N": str(usd)}},
        )
    run.servers.post(budget.PATH, {"budget": month_budget(run), "usd": usd})


def control(run: Run, item: str) -> dict[str, str]:
    """An item of the control table; empty if there is none."""
    answer = run.client("dynamodb").get_item(
        TableName=f"{run.name}-control", Key={"id": {"S": item}}, ConsistentRead=True
    )
    return {name: next(iter(value.values())) for name, value in answer.get("Item", {}).items()}
