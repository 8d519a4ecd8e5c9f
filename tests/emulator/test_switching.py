"""The queue goes off and on, and the stage can still change; a zone twice is refused (ADR 0012)."""

import json
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from e2e.run import Run, StageFailed
from e2e.stages import deploy, destroy
from e2e.stages.deploy import settled
from e2e.targets.ministack import MiniStack
from tools.deploy import stack
from tools.deploy.environments import ROOT, handlers_python

ROUTES = {
    *("POST /infer", "GET /infer/{id}", "GET /ping", "GET /queue-health"),
    *("POST /stop", "POST /resize", "GET /resize/{id}"),
}
SENTENCE = "Every route has a limit of its own"


@pytest.fixture(scope="module")
def deployed(account: MiniStack) -> Iterator[Run]:
    """A stack with its queue on."""
    name = f"tl-test-{secrets.token_hex(3)}"
    run = Run(target=account, name=name, source=ROOT, handlers_python=handlers_python())
    deploy.run(run)
    yield run
    destroy.run(run)


def _update(run: Run, body: str, **changed: str) -> None:
    parameters, tags = run.settings()
    run.client("cloudformation").update_stack(
        StackName=run.name,
        TemplateBody=body,
        Parameters=stack.as_list({**parameters, **changed}, "Parameter"),
        Tags=stack.as_list(tags, ""),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    settled(run, "UPDATE_COMPLETE")


def _stage(run: Run) -> dict[str, Any]:
    api_id = run.outputs["ApiEndpoint"].split("//")[1].split(".")[0]
    stage: dict[str, Any] = run.client("apigatewayv2").get_stage(ApiId=api_id, StageName="$default")
    return stage


def _functions(run: Run) -> set[str]:
    return set(deploy.ids_of(run, "AWS::Lambda::Function"))


def test_stage_changes_after_the_queue_went_off_and_on(deployed: Run, tmp_path: Path) -> None:
    """Every route keeps its key, every function stays, and a later change of the stage is taken."""
    run, functions = deployed, _functions(deployed)
    shutil.copytree(ROOT / "cloudformation", tmp_path / "cloudformation")
    shutil.copytree(ROOT / "build", tmp_path / "build")
    edge = tmp_path / "cloudformation" / "edge.yaml"
    edge.write_text(edge.read_text().replace(SENTENCE, "Changed"))
    bucket = f"{run.name}-artefacts"
    changed = stack.package(
        tmp_path / "cloudformation" / "stack.yaml", bucket, run.target.cli_environment()
    )
    seen = []
    for body, use_gpu in (
        (run.packaged, "false"),
        (run.packaged, "true"),
        (run.packaged, "false"),
        (changed, "false"),
        (changed, "true"),
    ):
        _update(run, body, UseGpu=use_gpu)
        stage = _stage(run)
        assert set(stage["RouteSettings"]) == ROUTES
        assert _functions(run) == functions
        caches = deploy.ids_of(run, "AWS::ElastiCache::ReplicationGroup")
        seen.append((stage["Description"], len(caches)))
    assert seen == [(SENTENCE, 0), (SENTENCE, 1), (SENTENCE, 0), ("Changed", 0), ("Changed", 1)]


def test_every_alarm_publishes_to_the_topic(deployed: Run) -> None:
    """As the account has them, not as the template says; the topic admits CloudWatch alone."""
    run = deployed
    topic = run.outputs["AlarmTopic"]
    alarms = run.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{run.name}-")
    names = (
        *("access-log-volume", "api-5xx", "enqueue-failures", "killer-fired", "queue-health"),
        *("redis-memory", "router-p95", "running-too-long", "waker"),
    )
    assert {alarm["AlarmName"]: alarm["AlarmActions"] for alarm in alarms["MetricAlarms"]} == {
        f"{run.name}-{name}": [topic] for name in names
    }
    sns = run.client("sns")
    policy = json.loads(sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"])
    (statement,) = (
        one
        for one in policy["Statement"]
        if one["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    )
    assert statement["Condition"]["ArnLike"]["aws:SourceArn"].endswith(f":alarm:{run.name}-*")
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


def test_address_is_subscribed_and_taken_away_again(deployed: Run) -> None:
    """By the parameter alone."""
    run = deployed
    topic, sns = run.outputs["AlarmTopic"], run.client("sns")
    seen = []
    for mail in ("ops@example.com", ""):
        _update(run, run.packaged, UseGpu="false", AlarmMail=mail)
        listed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        seen.append([(one["Protocol"], one["Endpoint"]) for one in listed])
    assert seen == [[("email", "ops@example.com")], []]


@pytest.mark.parametrize(
    ("zones", "why"),
    [
        (("eu-central-1a", "eu-central-1a"), "two different zones"),
        (("eu-central-1a", ""), "two different zones"),
        (("eu-central-1", "eu-central-1b"), "ZoneA"),
    ],
)
def test_zones_that_are_not_two_are_refused(
    deployed: Run, zones: tuple[str, str], why: str
) -> None:
    """At once, with nothing changed."""
    with pytest.raises(ClientError, match=why):
        _update(deployed, deployed.packaged, ZoneA=zones[0], ZoneB=zones[1])


def _routes(*, on: bool, description: str) -> str:
    """An API whose second route and its settings exist only when `on`: as ours once did."""
    api = {"Ref": "Api"}
    limit = {"ThrottlingBurstLimit": 5, "ThrottlingRateLimit": 20}
    keys = ["GET /a", "GET /b"] if on else ["GET /a"]
    routes = {
        f"Route{key[-1]}": {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {"ApiId": api, "RouteKey": key},
        }
        for key in keys
    }
    stage = {
        "Type": "AWS::ApiGatewayV2::Stage",
        "DependsOn": sorted(routes),
        "Properties": {
            "ApiId": api,
            "StageName": "$default",
            "Description": description,
            "RouteSettings": dict.fromkeys(keys, limit),
        },
    }
    properties = {"Name": "tl-test-keys", "ProtocolType": "HTTP"}
    resources = {"Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": properties}}
    return json.dumps({"Resources": {**resources, **routes, "Stage": stage}})


def test_key_of_a_route_that_went_breaks_the_next_change(account: MiniStack) -> None:
    """What our stage must not meet: the emulator refuses it in the words of API Gateway."""
    run = Run(target=account, name="tl-test-keys", source=ROOT, handlers_python=handlers_python())
    cloudformation = run.client("cloudformation")
    cloudformation.create_stack(StackName=run.name, TemplateBody=_routes(on=True, description="1"))
    settled(run, "CREATE_COMPLETE")
    try:
        # The route still exists while the stage is changed; its key stays behind.
        cloudformation.update_stack(
            StackName=run.name, TemplateBody=_routes(on=False, description="2")
        )
        settled(run, "UPDATE_COMPLETE")
        cloudformation.update_stack(
            StackName=run.name, TemplateBody=_routes(on=False, description="3")
        )
        with pytest.raises(StageFailed, match="Unable to find Route by key GET /b"):
            settled(run, "UPDATE_COMPLETE")
    finally:
        cloudformation.delete_stack(StackName=run.name)
