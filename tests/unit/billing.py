"""AWS Budgets, the control table and the topic, as the mail function meets them over HTTP."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from tests import loopback

AMOUNT_USD = "20"
MONTH, DAY = "tinyllama-dev-month", "tinyllama-dev-day"
SERVICES = {
    "EC2 instances": "tinyllama-dev-service-ec2",
    "ElastiCache": "tinyllama-dev-service-elasticache",
}
ENVIRONMENT = {
    "AWS_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": loopback.ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": loopback.SECRET_KEY,
    "AWS_SESSION_TOKEN": loopback.SESSION_TOKEN,
    "TL_STACK": "tinyllama-dev",
    "TL_ACCOUNT_ID": "111122223333",
    "TL_AMOUNT_USD": AMOUNT_USD,
    "TL_MONTH_BUDGET": MONTH,
    "TL_DAY_BUDGET": DAY,
    "TL_SERVICE_BUDGETS": json.dumps(SERVICES),
    "TL_CONTROL_TABLE": "tinyllama-dev-control",
    "TL_TOPIC_ARN": "arn:aws:sns:eu-central-1:111122223333:tinyllama-dev-alarms",
}


def usd(amount: str | None) -> dict[str, str] | None:
    """A Spend of the API; None is None."""
    return None if amount is None else {"Amount": amount, "Unit": "USD"}


@dataclass
class Billing:
    """What the three services hold.

    `spend` has actual and forecast of a budget; `history` the actual amount of each period by its
    first second; a budget in `refused` answers with that error.
    """

    spend: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    history: dict[str, dict[int, str | None]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    page: int = 100
    items: dict[str, Any] = field(default_factory=dict)
    mails: list[tuple[str, str]] = field(default_factory=list)
    publish_status: int = 200
    signed_for: set[tuple[str, str]] = field(default_factory=set)

    def answer(self, request: loopback.Request) -> loopback.Answer:
        """By the request's target, as three services would."""
        scope = request.headers["authorization"].split("Credential=")[1].split("/")
        self.signed_for.add((scope[3], scope[2]))
        target = request.headers.get("x-amz-target", "")
        if target.startswith("AWSBudgetServiceGateway."):
            return self._budgets(target.split(".")[1], json.loads(request.body))
        if target.startswith("DynamoDB_20120810."):
            return self._dynamodb(target.split(".")[1], json.loads(request.body))
        return self._sns({k: v[0] for k, v in parse_qs(request.body.decode()).items()})

    def _budgets(self, action: str, sent: Mapping[str, Any]) -> loopback.Answer:
        name = sent["BudgetName"]
        assert sent["AccountId"] == "111122223333"
        if name in self.refused:
            return _refusal(self.refused[name])
        if action == "DescribeBudget":
            if name not in self.spend:
                return _refusal("NotFoundException")
            actual, forecast = self.spend[name]
            spend = {"ActualSpend": usd(actual), "ForecastedSpend": usd(forecast)}
            known = {key: value for key, value in spend.items() if value is not None}
            budget = {"BudgetName": name, "CalculatedSpend": known}
            return _json({"Budget": budget})
        assert action == "DescribeBudgetPerformanceHistory"
        periods = sorted(self.history.get(name, {}).items())
        begin = int(sent.get("NextToken", "0"))
        entries = [
            {"TimePeriod": {"Start": start, "End": start + 1}}
            | ({"ActualAmount": usd(amount)} if amount is not None else {})
            for start, amount in periods[begin : begin + self.page]
        ]
        more = {"NextToken": str(begin + self.page)} if begin + self.page < len(periods) else {}
        history = {"BudgetName": name, "BudgetedAndActualAmountsList": entries}
        return _json({"BudgetPerformanceHistory": history, **more})

    def _dynamodb(self, action: str, sent: Mapping[str, Any]) -> loopback.Answer:
        assert sent["TableName"] == "tinyllama-dev-control"
        if action == "GetItem":
            assert sent["ConsistentRead"] is True
            item = self.items.get(sent["Key"]["id"]["S"])
            return _json({"Item": item} if item else {})
        assert action == "PutItem"
        key = sent["Item"]["id"]["S"]
        if "ConditionExpression" in sent:
            assert sent["ConditionExpression"] == (
                "attribute_not_exists(id) OR (attribute_not_exists(sentAt) AND claimedAt < :old)"
            )
            old = int(sent["ExpressionAttributeValues"][":old"]["N"])
            item = self.items.get(key)
            if item and ("sentAt" in item or int(item["claimedAt"]["N"]) >= old):
                return _refusal("ConditionalCheckFailedException")
        self.items[key] = sent["Item"]
        return _json({})

    def _sns(self, sent: Mapping[str, str]) -> loopback.Answer:
        assert (sent["Action"], sent["TopicArn"]) == ("Publish", ENVIRONMENT["TL_TOPIC_ARN"])
        if self.publish_status != 200:
            return loopback.Answer(
                self.publish_status,
                b"<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code>"
                b"<Message>no</Message></Error></ErrorResponse>",
            )
        self.mails.append((sent["Subject"], sent["Message"]))
        return loopback.Answer(
            body=b"<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult>"
            b"</PublishResponse>"
        )


def _json(body: Mapping[str, Any]) -> loopback.Answer:
    return loopback.Answer(body=json.dumps(body).encode())


def _refusal(code: str) -> loopback.Answer:
    return loopback.Answer(400, json.dumps({"__type": code, "message": "a secret"}).encode())
