"""The guard against EC2, DynamoDB, CloudFormation, Budgets and SNS in one process."""

import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from tinyllama.stop_build_box import app, clients, fleet
from tinyllama.stop_build_box.meter import month_of
from tinyllama.stop_build_box.request import BadEvent, parse

REGION, ACCOUNT, STACK = "eu-central-1", "123456789012", "tinyllama-dev"
TABLE = f"{STACK}-control"
BUDGET_TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:{STACK}-budget"
ALERT = {"Records": [{"EventSource": "aws:sns", "Sns": {"TopicArn": BUDGET_TOPIC, "Message": "x"}}]}
TEMPLATE = {
    "Parameters": {
        "UseGpu": {"Type": "String"},
        "Environment": {"Type": "String", "Default": "dev"},
    },
    "Conditions": {"UseGpu": {"Fn::Equals": [{"Ref": "UseGpu"}, "true"]}},
    "Resources": {
        "Always": {"Type": "AWS::SQS::Queue"},
        "Queue": {"Type": "AWS::SQS::Queue", "Condition": "UseGpu"},
    },
}


class World:
    """The account around the function."""

    def __init__(self) -> None:
        self.ec2, self.sns, self.sqs, self.budgets, self.dynamodb, self.cloudformation = (
            boto3.client(name, region_name=REGION)
            for name in ("ec2", "sns", "sqs", "budgets", "dynamodb", "cloudformation")
        )
        self.dynamodb.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )
        topic = self.sns.create_topic(Name=f"{STACK}-alarms")["TopicArn"]
        self.queue = self.sqs.create_queue(QueueName="mails")["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:mails"
        self.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        self.cloudformation.create_stack(
            StackName=STACK,
            TemplateBody=json.dumps(TEMPLATE),
            Parameters=[
                {"ParameterKey": "UseGpu", "ParameterValue": "true"},
                {"ParameterKey": "Environment", "ParameterValue": "dev"},
            ],
        )
        self.bill(0)

    def bill(self, usd: float) -> None:
        """Let the Budget say this."""
        for known in self.budgets.describe_budgets(AccountId=ACCOUNT)["Budgets"]:
            self.budgets.delete_budget(AccountId=ACCOUNT, BudgetName=known["BudgetName"])
        spend = {"Amount": str(usd), "Unit": "USD"}
        self.budgets.create_budget(
            AccountId=ACCOUNT,
            Budget={
                "BudgetName": "month",
                "TimeUnit": "MONTHLY",
                "BudgetType": "COST",
                "BudgetLimit": {"Amount": "20", "Unit": "USD"},
                "CalculatedSpend": {"ActualSpend": spend},
            },
        )

    def launch(self, role: str, count: int = 1, **tags: str) -> list[str]:
        """Instances of the stack, running."""
        given = {"Project": "tinyllama", "Stack": STACK, "Role": role} | tags
        answer = self.ec2.run_instances(
            ImageId="ami-0123456789abcdef0",
            InstanceType="t3.small",
            MinCount=count,
            MaxCount=count,
            TagSpecifications=[{"ResourceType": "instance", "Tags": listed(given)}],
        )
        return [one["InstanceId"] for one in answer["Instances"]]

    def address(self, **tags: str) -> str:
        """An address that nothing uses."""
        given = {"Project": "tinyllama", "Stack": STACK} | tags
        own: str = self.ec2.allocate_address(
            Domain="vpc",
            TagSpecifications=[{"ResourceType": "elastic-ip", "Tags": listed(given)}],
        )["AllocationId"]
        return own

    def states(self) -> dict[str, str]:
        """Every instance's state."""
        pages = self.ec2.get_paginator("describe_instances").paginate()
        return {
            i["InstanceId"]: i["State"]["Name"]
            for page in pages
            for r in page["Reservations"]
            for i in r["Instances"]
        }

    def item(self, name: str) -> dict[str, str]:
        """An item of the control table."""
        item = self.dynamodb.get_item(TableName=TABLE, Key={"id": {"S": name}}).get("Item", {})
        return {key: next(iter(value.values())) for key, value in item.items()}

    def month(self) -> dict[str, str]:
        """The month's item."""
        return self.item(f"spend#{month_of(time.time())}")

    def mails(self) -> list[str]:
        """The subjects of what was mailed since the last look."""
        found = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get(
            "Messages", []
        ):
            for message in messages:
                found.append(json.loads(message["Body"])["Subject"].removeprefix(f"{STACK}: "))
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    def is_queue_on(self) -> bool:
        """The stack's own word."""
        (stack,) = self.cloudformation.describe_stacks(StackName=STACK)["Stacks"]
        given = {p["ParameterKey"]: p["ParameterValue"] for p in stack["Parameters"]}
        assert given["Environment"] == "dev"
        return given["UseGpu"] == "true"


def listed(tags: dict[str, str]) -> Any:
    """Tags as a list."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The account, and the function's variables."""
    variables = {
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "TL_STACK": STACK,
        "TL_PROJECT": "tinyllama",
        "TL_CONTROL_TABLE": TABLE,
        "TL_ACCOUNT": ACCOUNT,
        "TL_BUDGET": "month",
        "TL_BUDGET_USD": "20",
        "TL_BUDGET_TOPIC": BUDGET_TOPIC,
        "TL_ALARM_TOPIC": f"arn:aws:sns:{REGION}:{ACCOUNT}:{STACK}-alarms",
        "TL_MAX_UPTIME_HOURS": "8",
        "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    app.setup.cache_clear()
    with mock_aws():
        yield World()
    app.setup.cache_clear()


def call(event: object) -> dict[str, Any]:
    """The function, as Lambda calls it."""
    return app.handler(event, None)


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let the function's clock be ahead."""
    now = time.time() + seconds
    monkeypatch.setattr(app.time, "time", lambda: now)


def test_kill_turns_off_what_bills_and_nothing_else(world: World) -> None:
    """Latch, machines, addresses, queue, mail; foreign ones and what is attached stay."""
    (node,), (builder,) = world.launch("gpu-node"), world.launch("builder")
    (foreign,) = world.launch("gpu-node", Stack="another")
    loose, attached = world.address(), world.address()
    foreign_address = world.address(Stack="another")
    world.ec2.associate_address(AllocationId=attached, InstanceId=foreign)
    answer = call(ALERT)
    assert answer["failed"] == []
    states = world.states()
    assert (states[node], states[builder], states[foreign]) == ("stopped", "terminated", "running")
    kept = {a["AllocationId"] for a in world.ec2.describe_addresses()["Addresses"]}
    assert kept == {attached, foreign_address}
    assert loose not in kept
    assert not world.is_queue_on()
    assert "latchedAt" in world.item("node")
    assert world.mails() == ["budget killer: the Budget says that 105 % are spent"]


@pytest.mark.fault(
    fault="the killer is called twice",
    place="the month's money is spent",
    user_sees="nothing more",
    lost="nothing: the latch keeps its first time, one mail is sent",
    recovers="by itself",
)
def test_kill_twice_does_no_harm(world: World) -> None:
    """The second run finds nothing to do, and sends no mail."""
    world.launch("gpu-node")
    call({"action": "kill"})
    latch = world.item("node")
    assert len(world.mails()) == 1
    assert call({"action": "kill"}) == {"done": [], "failed": []}
    assert (world.item("node"), world.mails()) == (latch, [])


def test_kill_without_a_reservation(world: World) -> None:
    """No machine at all is no error."""
    assert call({"action": "kill"})["failed"] == []


def test_kill_reads_every_page(world: World) -> None:
    """More machines than a page holds."""
    world.launch("builder", fleet.PAGE_SIZE + 1)
    world.launch("gpu-node", fleet.PAGE_SIZE + 1)
    call({"action": "kill"})
    assert set(world.states().values()) == {"terminated", "stopped"}


@pytest.mark.fault(
    fault="EC2 refuses to stop one machine",
    place="the killer stops all",
    user_sees="nothing",
    lost="nothing: the others are stopped, the mail names the refusal",
    recovers="the meter tries again every 5 minutes",
)
def test_one_refusal_does_not_spare_the_rest(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor the steps after it; the next tick of the meter tries again."""
    nodes = world.launch("gpu-node", 3)
    end = fleet.end

    def refuse(ec2: Any, machine: fleet.Machine, **rest: Any) -> None:
        if machine.instance_id == nodes[0]:
            raise ClientError({"Error": {"Code": "IncorrectInstanceState"}}, "StopInstances")
        end(ec2, machine, **rest)

    with monkeypatch.context() as patched:
        patched.setattr(fleet, "end", refuse)
        answer = call({"action": "kill"})
    line = f"end gpu-node {nodes[0]} (t3.small): IncorrectInstanceState"
    assert answer["failed"] == [line]
    assert [world.states()[node] for node in nodes] == ["running", "stopped", "stopped"]
    assert not world.is_queue_on()
    call({"action": "meter"})
    assert world.states()[nodes[0]] == "stopped"


def test_step_that_cannot_look_does_not_spare_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the latch nor the queue waits for EC2."""

    def refuse(*_: object) -> None:
        raise ClientError({"Error": {"Code": "UnauthorizedOperation"}}, "DescribeInstances")

    monkeypatch.setattr(fleet, "find", refuse)
    assert call({"action": "kill"})["failed"] == ["machines: UnauthorizedOperation"]
    assert "latchedAt" in world.item("node")
    assert not world.is_queue_on()


@pytest.mark.fault(
    fault="SNS refuses the killer's mail",
    place="the month's money is spent",
    user_sees="nothing",
    lost="nothing: everything is off",
    recovers="Lambda runs it again, and the mail is sent then",
)
def test_mail_that_was_refused_is_sent_by_the_next_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lambda repeats a run that raises; that one finds nothing to do, and still tells."""
    with monkeypatch.context() as patched:
        patched.setattr(app.mail, "of_outcome", lambda *_: 1 / 0)
        with pytest.raises(app.GuardFailed, match="kill: ZeroDivisionError"):
            call({"action": "kill"})
    assert not world.is_queue_on()
    call({"action": "kill"})
    assert world.mails() == ["budget killer: an operator asked for it"]


def test_meter_counts_and_duplicates_count_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half an hour of a node and of the queue; a second delivery of the tick adds nothing."""
    call({"action": "meter"})
    world.launch("gpu-node")
    later(monkeypatch, 1800)
    seen = call({"action": "meter"})
    assert seen["meterUsd"] == pytest.approx((0.029 + 0.004274 + 0.042) / 2, abs=0.001)
    assert call({"action": "meter"}) == seen
    assert float(world.month()["usd"]) == pytest.approx(seen["meterUsd"], abs=1e-4)


def test_meter_that_was_overtaken_adds_nothing(world: World) -> None:
    """Two runs read the same item; the second write is refused."""
    call({"action": "meter"})
    guard, now = app.setup(), int(time.time())
    before = guard.ledger.month(now)
    assert [guard.ledger.add(before, 1.0, now + by) for by in (5, 6)] == [True, False]
    assert float(world.month()["usd"]) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.fault(
    fault="a node runs on, and the Budget says nothing",
    place="anywhere",
    user_sees="503 `node_unavailable`, `budget`",
    lost="nothing",
    recovers="an operator lifts it",
)
def test_meter_kills_before_the_budget_knows(world: World) -> None:
    """Our own count reaches 21 USD while the Budget says 0."""
    (node,) = world.launch("gpu-node")
    guard, now = app.setup(), int(time.time())
    guard.ledger.add(guard.ledger.month(now), 21.0, now - 1)
    assert call({"action": "meter"})["verdict"] == "kill"
    assert world.states()[node] == "stopped"
    assert world.mails() == ["budget killer: 21.00 USD are spent this month"]


def test_budget_that_is_reread_kills(world: World) -> None:
    """Its one message was lost: the next tick reads the sum itself."""
    world.bill(21.4)
    assert call({"action": "meter"})["verdict"] == "kill"
    assert not world.is_queue_on()


def test_meter_ends_what_was_started_against_the_latch(world: World) -> None:
    """A start that raced the latch."""
    call({"action": "kill"})
    (node,) = world.launch("gpu-node")
    call({"action": "meter"})
    assert world.states()[node] == "stopped"


def test_warning_is_sent_once_a_month(world: World) -> None:
    """At 75 %."""
    world.bill(15)
    call({"action": "meter"})
    call({"action": "meter"})
    assert world.mails() == ["15.00 of 20 USD are spent"]


def test_overdue_machines_are_ended_and_young_ones_are_not(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A builder after 55 minutes, a node after its hours; also shown to leave a stranger alone."""
    (node,), (builder,) = world.launch("gpu-node"), world.launch("builder")
    (foreign,) = world.launch("builder", Stack="another")
    later(monkeypatch, 54 * 60)
    assert call({"action": "overdue"}) == {"done": [], "failed": []}
    later(monkeypatch, 56 * 60)
    call({"action": "overdue"})
    assert (world.states()[builder], world.states()[node]) == ("terminated", "running")
    later(monkeypatch, 8 * 3600 + 60)
    call({"action": "overdue"})
    assert (world.states()[node], world.states()[foreign]) == ("stopped", "running")
    assert capsys.readouterr().out.count('"OverdueMachines": 1') == 2
    assert world.mails() == ["1 machines ran for too long"] * 2


def test_rehearsal_touches_nothing(world: World) -> None:
    """It names all that a kill would do."""
    (node,) = world.launch("gpu-node")
    loose = world.address()
    answer = call({"action": "rehearse"})
    assert answer == {
        "done": [
            f"would: end gpu-node {node} (t3.small)",
            f"would: release address {loose}",
            "would: turn the queue off (UseGpu=false, 1 parameters as they are; "
            "no change set made)",
        ],
        "failed": [],
    }
    assert (world.states()[node], world.is_queue_on()) == ("running", True)
    assert (world.item("node"), world.mails()) == ({}, [])


def test_lift_says_how_far_the_month_may_go(world: World) -> None:
    """Without it the next tick would kill again; with it, that tick does not."""
    world.bill(21.4)
    call({"action": "meter"})
    refused = call({"action": "lift"})["refused"]
    assert refused.startswith("21.40 of 21 USD are spent")
    assert "latchedAt" in world.item("node")
    assert call({"action": "lift", "untilUsd": 26})["lifted"] is True
    assert call({"action": "meter"})["verdict"] == "warn"
    assert call(ALERT)["verdict"] == "warn"
    assert world.item("node").keys() == {"id"}


def test_attributes_of_others_stay(world: World) -> None:
    """A resize keeps its own in the same item."""
    item = {"id": {"S": "node"}, "resizeState": {"S": "done"}}
    world.dynamodb.put_item(TableName=TABLE, Item=item)
    call({"action": "kill"})
    call({"action": "lift"})
    assert world.item("node") == {"id": "node", "resizeState": "done"}


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ([], "the event must be an object"),
        ({}, "action must be one of meter, overdue, rehearse, kill, lift"),
        ({"action": "alert"}, "action must be one of meter, overdue, rehearse, kill, lift"),
        ({"action": "kill", "force": 1}, "unknown member force"),
        ({"action": "kill", "untilUsd": 3}, "untilUsd belongs to the action lift"),
        ({"action": "lift", "untilUsd": True}, "untilUsd must be a number"),
        ({"action": "lift", "untilUsd": -1}, "untilUsd must be a number"),
        ({"Records": []}, "Records must be a list that is not empty"),
        ({"Records": [{"Sns": {"TopicArn": "arn:x"}}]}, "a record is no message of the budget's"),
        ({"Records": ["x"]}, "a record is no message of the budget's"),
    ],
)
def test_bad_event_is_refused_and_nothing_happens(event: object, why: str, world: World) -> None:
    """With a line that says why; it is not raised, because Lambda would repeat it."""
    with pytest.raises(BadEvent, match=why):
        parse(event, budget_topic=BUDGET_TOPIC)
    assert call(event)["refused"].startswith(why)
    assert world.item("node") == {}


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("TL_BUDGET_USD", "0", "TL_BUDGET_USD must be a number, 1 to 10000"),
        ("TL_BUDGET_USD", "x", "TL_BUDGET_USD must be a number, 1 to 10000"),
        ("TL_ALARM_TOPIC", "", "TL_ALARM_TOPIC is not set"),
        ("TL_ACCOUNT", "me", "TL_ACCOUNT must be an account's id"),
    ],
)
def test_wrong_setting_is_named(
    name: str, value: str, why: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the run fails, so that the alarm topic hears of it."""
    monkeypatch.setenv(name, value)
    with pytest.raises(app.GuardFailed, match=why):
        call({"action": "meter"})


def test_failure_without_a_code_has_its_type() -> None:
    """For errors that are none of AWS."""
    assert clients.code_of(TimeoutError("s3cr3t")) == "TimeoutError"
