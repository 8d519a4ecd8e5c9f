"""How often a schedule calls, and what a custom resource costs."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.judge.cost_templates import CEILINGS, ELSEWHERE, NOTHING, body, charged, policy
from tests.judge.factory import of_type, word
from tljudge.cost.calls import a_month
from tljudge.decode.loader import read
from tljudge.resolve.deployment import Deployment
from tljudge.resolve.quantities import UnknownQuantity


def test_custom_resource_is_unknown_unless_the_policy_frees_it(tmp_path: Path) -> None:
    """What its function makes, nobody sees."""
    made = body(C=of_type("Custom::Maker", {"ServiceToken": "arn:f"}))
    strict = policy(tmp_path, "idle_month_usd = 5")
    assert word(tmp_path, CEILINGS, made, policy=strict) == "UNKNOWN"
    freed = '[[cost.free]]\ntype = "Custom::Maker"\nreason = "makes nothing"'
    freeing = policy(tmp_path, f"idle_month_usd = 5\n{freed}")
    assert word(tmp_path, CEILINGS, made, policy=freeing) == "PASS"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("rate(5 minutes)", 8760.0), ("rate(1 minute)", 43800.0), ("rate(1 day)", 730 / 24),
        ("rate(2 hours)", 365.0), ("cron(0 6 * * ? *)", 730 / 24),
        ("cron(0/15 * * * ? *)", 4 * 730.0), ("cron(*/30 8-17 ? * MON-FRI *)", 20 * 730 / 24),
        ("cron(0,30 6 * * ? *)", 2 * 730 / 24), ("at(2026-01-01T00:00:00)", 1.0), (NOTHING, 0.0),
        ("rate(x)", "the judge cannot read the schedule 'rate(x)'"),
        ("cron(0 6 * *)", "the judge cannot read the schedule 'cron(0 6 * *)'"),
        ("cron(L 6 * * ? *)", "the judge cannot read the schedule 'cron(L 6 * * ? *)'"),
        ({"Ref": "Free"}, "its schedule is unknown: parameter Free has no default"),
    ],
)  # fmt: skip
def test_schedule_says_how_often(expression: Any, expected: Any) -> None:
    """Calls in a month of 730 hours, at most; what is not understood is unknown."""
    made = body(R=of_type("AWS::Events::Rule", {"ScheduleExpression": expression}))
    deployment = Deployment(read(json.dumps(made)), {}, {})
    found = a_month(deployment.root.resources["R"].get("ScheduleExpression"))
    assert (found.why if isinstance(found, UnknownQuantity) else found) == expected


def test_scheduled_function_is_charged_while_idle() -> None:
    """Its schedule goes on when nobody asks; a disabled one does not."""
    timer = {"ScheduleExpression": "rate(1 minute)",
             "Targets": [{"Id": "t", "Arn": {"Fn::GetAtt": ["R", "Arn"]}}]}  # fmt: skip
    function = {"MemorySize": 128}
    ticking = charged("AWS::Lambda::Function", function, T=of_type("AWS::Events::Rule", timer))
    assert [(what, when) for what, when, _, _ in ticking] == [
        ("43,800 calls of 128 MB, and their log", "always")
    ]
    still = of_type("AWS::Events::Rule", {**timer, "State": "DISABLED"})
    asked = charged("AWS::Lambda::Function", function, T=still)
    assert [(what, when) for what, when, _, _ in asked] == [
        ("10,000 calls of 128 MB, and their log", "used")
    ]
    plan = {"ScheduleExpression": "rate(1 day)", "Target": {"Arn": {"Fn::GetAtt": ["R", "Arn"]}}}
    planned = charged(
        "AWS::Lambda::Function", function, T=of_type("AWS::Scheduler::Schedule", plan)
    )
    assert [(what, when) for what, when, _, _ in planned] == [
        ("30 calls of 128 MB, and their log", "always")
    ]


def test_schedule_that_calls_by_name_or_somewhere_else() -> None:
    """A name at the end of an ARN is a reference too; a target nobody knows is unknown."""
    name = {"Fn::Sub": "${AWS::StackName}-f"}
    arn = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:"
    timer = {"ScheduleExpression": "rate(1 day)",
             "Targets": [{"Id": "t", "Arn": {"Fn::Sub": arn + "${AWS::StackName}-f"}}]}  # fmt: skip
    function = {"MemorySize": 128, "FunctionName": name}
    called = charged("AWS::Lambda::Function", function, T=of_type("AWS::Events::Rule", timer))
    assert [(what, when) for what, when, _, _ in called] == [
        ("30 calls of 128 MB, and their log", "always")
    ]
    assert charged("AWS::Events::Rule", timer, F=of_type("AWS::Lambda::Function", function)) == []
    foreign = {**timer, "Targets": [{"Id": "t", "Arn": ELSEWHERE}]}
    assert charged("AWS::Events::Rule", foreign) == [
        ("what it calls", "always", "month", "its target is not declared in this deployment")
    ]
    assert charged("AWS::Events::Rule", {"Targets": foreign["Targets"]}) == []
    plan = {"ScheduleExpression": "rate(1 minute)", "Target": {"Arn": "arn:aws:sqs:r:1:q"}}
    assert charged("AWS::Scheduler::Schedule", plan) == [("its ticks", "always", "month", 0.0438)]
