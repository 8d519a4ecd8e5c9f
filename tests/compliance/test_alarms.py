"""Every alarm reaches somebody, and a check that cannot run is an alarm."""

from typing import Any

import pytest

from tests.compliance.templates import Template, named, ours, properties, read

TOPIC = {"Ref": "AlarmTopic"}
# Alarms on what only exists when something happened: silence is their good state. All others watch
# a check that runs on a schedule, whose silence means that it does not run.
QUIET_IS_GOOD = frozenset(
    {
        "AccessLogVolumeAlarm",
        "ApiErrorsAlarm",
        "EnqueueFailuresAlarm",
        "KillerFiredAlarm",
        "RedisMemoryAlarm",
        "RouterLatencyAlarm",
        "RunningTooLongAlarm",
    }
)


def deaf_alarms(template: Template) -> list[str]:
    """Alarms that tell no one, or that take a check that does not run for a good state."""
    found = []
    for logical_id, alarm in template.resources("AWS::CloudWatch::Alarm").items():
        where, given = f"{template.name} {logical_id}", properties(alarm)
        if given.get("AlarmActions") != [TOPIC] or given.get("ActionsEnabled", True) is not True:
            found.append(f"{where}: publishes to no topic")
        wanted = "notBreaching" if logical_id in QUIET_IS_GOOD else "breaching"
        if given.get("TreatMissingData") != wanted:
            found.append(f"{where}: missing data must be {wanted}")
        if not str(given.get("AlarmName", {}).get("Fn::Sub")).startswith("${Name}-"):
            found.append(f"{where}: the topic's policy does not admit its name")
    return found


@pytest.mark.parametrize("template", ours(), ids=lambda template: template.name)
def test_alarm_tells_somebody(template: Template) -> None:
    """AlarmActions, the state of missing data, and a name that the topic admits."""
    assert deaf_alarms(template) == []


BUDGETS = {
    "Effect": "Allow",
    "Principal": {"Service": "budgets.amazonaws.com"},
    "Action": "sns:Publish",
    "Condition": {
        "ArnLike": {
            "aws:SourceArn": {"Fn::Sub": "arn:${AWS::Partition}:budgets::${AWS::AccountId}:*"}
        },
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
    },
}


def test_budgets_reach_the_killer_and_nobody_else_does() -> None:
    """75 % goes to the alarms, 105 % to the function; credits hide nothing; no fixed name."""
    guard = named("guard.yaml")
    (policy,) = guard.resources("AWS::SNS::TopicPolicy").values()
    topic = {"Ref": "BudgetTopic"}
    statement = [BUDGETS | {"Resource": topic}]
    assert properties(policy)["PolicyDocument"]["Statement"] == statement
    given = properties(guard.resources("AWS::Budgets::Budget")["Budget"])
    assert "BudgetName" not in given["Budget"]
    assert given["Budget"]["CostTypes"] == {"IncludeCredit": False, "IncludeRefund": False}
    told = {
        entry["Notification"]["Threshold"]: (
            entry["Notification"]["NotificationType"],
            [subscriber["Address"] for subscriber in entry["Subscribers"]],
        )
        for entry in given["NotificationsWithSubscribers"]
    }
    assert told == {75: ("ACTUAL", [TOPIC]), 105: ("ACTUAL", [topic])}
    rules = {
        properties(rule)["ScheduleExpression"]: properties(rule)["Targets"][0]["Input"]
        for rule in guard.resources("AWS::Events::Rule").values()
    }
    assert rules == {
        "rate(30 minutes)": '{"action": "overdue"}',
        "rate(5 minutes)": '{"action": "meter"}',
    }


def test_topic_admits_the_alarms_of_its_stack_alone() -> None:
    """Alarms by this stack's names, and budgets, of this account; one action."""
    (policy,) = named("ops.yaml").resources("AWS::SNS::TopicPolicy").values()
    assert properties(policy)["Topics"] == [TOPIC]
    arn = "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:${Name}-*"
    assert properties(policy)["PolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": TOPIC,
            "Condition": {
                "ArnLike": {"aws:SourceArn": {"Fn::Sub": arn}},
                "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
            },
        },
        BUDGETS | {"Resource": TOPIC},
    ]


def test_alarms_exist_without_a_mail_address() -> None:
    """The topic is always there; only the subscription asks whether there is an address."""
    conditions = {
        logical_id: resource.get("Condition")
        for logical_id, resource in named("ops.yaml").body["Resources"].items()
    }
    assert conditions == {
        "AlarmTopic": None,
        "AlarmTopicPolicy": None,
        "AlarmMailSubscription": "MailGiven",
        "ControlTable": None,
    }
    assert named("ops.yaml").body["Conditions"] == {
        "MailGiven": {"Fn::Not": [{"Fn::Equals": [{"Ref": "AlarmMail"}, ""]}]}
    }


def test_health_alarm_and_its_schedule_come_and_go_together() -> None:
    """Missing data is an alarm only while the checks run; they run before the alarm is made."""
    queue = named("queue.yaml")
    alarm = queue.resources("AWS::CloudWatch::Alarm")["QueueHealthAlarm"]
    schedule = queue.resources("AWS::Events::Rule")["QueueHealthSchedule"]
    checks = named("queue_health.yaml")
    function = checks.resources("AWS::Lambda::Function")["QueueHealthFunction"]
    permission = checks.resources("AWS::Lambda::Permission")["QueueHealthSchedulePermission"]
    gates = [one.get("Condition") for one in (alarm, schedule, function, permission)]
    assert gates == ["UseGpu", "UseGpu", None, None]
    assert alarm["DependsOn"] == ["Queue", "QueueHealthSchedule"]
    rule = properties(permission)["SourceArn"]["Fn::Sub"].split(":rule/")[1]
    assert rule == properties(schedule)["Name"]["Fn::Sub"]
    given: Any = properties(schedule)
    assert (given["ScheduleExpression"], given["State"]) == ("rate(1 minute)", "ENABLED")
    # Not by reference: the function waits for the cache, and the first checks must not.
    name = properties(function)["FunctionName"]["Fn::Sub"]
    assert [target["Arn"]["Fn::Sub"].split(":function:")[1] for target in given["Targets"]] == [
        name
    ]
    seen = (properties(alarm)[key] for key in ("Period", "EvaluationPeriods", "DatapointsToAlarm"))
    assert tuple(seen) == (60, 3, 2)


@pytest.mark.parametrize(
    ("before", "after", "finding"),
    [
        ("      AlarmActions: [!Ref AlarmTopic]\n", "", "publishes to no topic"),
        (
            "      AlarmActions: [!Ref AlarmTopic]\n",
            "      AlarmActions: [!Ref AlarmTopic]\n      ActionsEnabled: false\n",
            "publishes to no topic",
        ),
        (
            "TreatMissingData: breaching",
            "TreatMissingData: notBreaching",
            "missing data must be breaching",
        ),
        (
            'AlarmName: !Sub "${Name}-queue-health"',
            'AlarmName: !Sub "queue-health-${Name}"',
            "the topic's policy does not admit its name",
        ),
    ],
)
def test_deaf_alarm_is_found(before: str, after: str, finding: str) -> None:
    """Our own queue, broken in one place each."""
    text = named("queue.yaml").text
    assert before in text
    assert deaf_alarms(read(text.replace(before, after, 1), "queue.yaml")) == [
        f"queue.yaml QueueHealthAlarm: {finding}"
    ]
