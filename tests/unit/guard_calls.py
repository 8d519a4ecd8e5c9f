"""The account around the guard's function, in one process, and its calls."""

import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tinyllama.stop_build_box import app, meter
from tinyllama.stop_build_box.meter import month_of

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
        session: Any = boto3.Session(region_name=REGION)
        self.ec2: Any = session.client("ec2")
        self.sns: Any = session.client("sns")
        self.sqs: Any = session.client("sqs")
        self.budgets: Any = session.client("budgets")
        self.elasticache: Any = session.client("elasticache")
        self.dynamodb: Any = session.client("dynamodb")
        self.cloudformation: Any = session.client("cloudformation")
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
        _, self.queue_stack = (self.deploy(name) for name in (STACK, f"{STACK}-Queue-1A"))
        self.bill(0)

    def deploy(self, name: str) -> str:
        """A stack with the switch on; returns its id."""
        stack = self.cloudformation.create_stack(
            StackName=name,
            TemplateBody=json.dumps(TEMPLATE),
            Parameters=[
                {"ParameterKey": "UseGpu", "ParameterValue": "true"},
                {"ParameterKey": "Environment", "ParameterValue": "dev"},
            ],
        )
        return str(stack["StackId"])

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

    def endpoint(self) -> str:
        """The stack's EC2 endpoint, and one of another stack."""
        vpc = self.ec2.create_vpc(CidrBlock="10.20.0.0/22")["Vpc"]["VpcId"]
        mine, _ = (
            self.ec2.create_vpc_endpoint(
                VpcId=vpc,
                VpcEndpointType="Interface",
                ServiceName=f"com.amazonaws.{REGION}.ec2",
                TagSpecifications=[
                    {
                        "ResourceType": "vpc-endpoint",
                        "Tags": listed({"Name": f"{name}-ec2-endpoint"}),
                    }
                ],
            )["VpcEndpoint"]["VpcEndpointId"]
            for name in (STACK, "another")
        )
        return str(mine)

    def cache(self) -> str:
        """The cache of the queue's stack."""
        name = f"tl-queue-{self.queue_stack.split('/')[-1][:8]}"
        self.elasticache.create_replication_group(
            ReplicationGroupId=name, ReplicationGroupDescription="queue", Engine="valkey"
        )
        return name

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
        (stack,) = self.cloudformation.describe_stacks(StackName=self.queue_stack)["Stacks"]
        given = {p["ParameterKey"]: p["ParameterValue"] for p in stack["Parameters"]}
        assert given["Environment"] == "dev"
        return bool(given["UseGpu"] == "true")


def listed(tags: dict[str, str]) -> Any:
    """Tags as a list."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def made_world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The account, and the function's variables; a fixture ends it."""
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
    # Whatever day it is today; the tests of the first day say so.
    monkeypatch.setattr(meter, "is_first_day", lambda _: False)
    app.setup.cache_clear()
    with mock_aws():
        world = World()
        monkeypatch.setenv("TL_QUEUE_STACK", world.queue_stack)
        yield world
    app.setup.cache_clear()


def call(event: object) -> dict[str, Any]:
    """The function, as Lambda calls it."""
    return app.handler(event, None)


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let the function's clock be ahead."""
    now = time.time() + seconds
    monkeypatch.setattr(time, "time", lambda: now)
