"""Report: each alarm reaches whoever listens, the dashboard names real metrics, one mail a day."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from e2e.guard import month_budget
from e2e.run import Run, StageFailed, expect, wait_until
from e2e.stages.deploy import ids_of
from tools.deploy.calls import Call, ask

MONTHS = ("January", "February", "March", "April", "May", "June",
          "July", "August", "September", "October", "November", "December")  # fmt: skip


def run(run: Run) -> str:
    """Raise every alarm, read the dashboard's definition, and mail the same morning twice."""
    with _listening(run) as queue:
        alarms = _alarms(run, queue)
        metrics = _dashboard(run)
        subject = _mail(run, queue)
    return f"{alarms} alarms told; {metrics} metrics on the dashboard; mailed once: {subject}"


@contextmanager
def _listening(run: Run) -> Iterator[str]:
    """A queue that gets what the topic sends; both ends are deleted afterwards."""
    sqs, sns = run.client("sqs"), run.client("sns")
    queue = sqs.create_queue(QueueName=f"{run.name}-listener-{run.mark}")["QueueUrl"]
    subscription = None
    try:
        asked = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        arn, topic = asked["Attributes"]["QueueArn"], run.outputs["AlarmTopic"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
        subscription = sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True
        )["SubscriptionArn"]
        yield queue
    finally:
        if subscription is not None:
            sns.unsubscribe(SubscriptionArn=subscription)
        sqs.delete_queue(QueueUrl=queue)


def _received(run: Run, queue: str) -> list[tuple[str, str]]:
    """Subject and text of the messages that have arrived since the last look."""
    answer = run.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    found = []
    for message in answer.get("Messages", []):
        run.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        body = json.loads(message["Body"])
        found.append((body.get("Subject") or "", body["Message"]))
    return found


def _alarms(run: Run, queue: str) -> int:
    """Every alarm of the stack publishes to its topic, and says what to do."""
    cloudwatch, names = run.client("cloudwatch"), ids_of(run, "AWS::CloudWatch::Alarm")
    call = Call("cloudwatch", "describe_alarms", {"AlarmNames": names}, "MetricAlarms[]")
    alarms = {alarm["AlarmName"]: alarm for alarm in ask(cloudwatch, call)}
    topic = [run.outputs["AlarmTopic"]]
    expect(
        {name: alarm["AlarmActions"] for name, alarm in alarms.items()},
        dict.fromkeys(names, topic),
        "what every alarm does",
    )
    silent = [name for name, alarm in alarms.items() if "docs/" not in alarm["AlarmDescription"]]
    expect(silent, [], "alarms that do not say what to do")
    for name in names:
        # Only a change of state is told, and an alarm may have risen by itself.
        for state in ("OK", "ALARM"):
            cloudwatch.set_alarm_state(
                AlarmName=name, StateValue=state, StateReason=f"set by smoke {run.mark}"
            )
    missing = set(names)

    def told() -> bool:
        for _, text in _received(run, queue):
            missing.discard(_alarm_of(text))
        return not missing

    wait_until(told, run.target.patience.logs_s, f"messages of the alarms {', '.join(names)}")
    return len(names)


def _alarm_of(text: str, state: str = "ALARM") -> str:
    """The alarm that a message is about, if it is in this state; empty for another message."""
    try:
        message = json.loads(text)
    except ValueError:
        return ""
    return str(message["AlarmName"]) if state in ("", message["NewStateValue"]) else ""


def _dashboard(run: Run) -> int:
    """Its body is JSON, and each metric of ours on it is one that our code knows."""
    body = run.client("cloudwatch").get_dashboard(DashboardName=run.outputs["Dashboard"])
    widgets: list[dict[str, Any]] = json.loads(body["DashboardBody"])["widgets"]
    rows = [row for widget in widgets for row in widget["properties"]["metrics"]]
    own = {row[1] for row in rows if row[0] == f"TinyLlama/{run.name}"}
    declared = run.source / "handlers" / "tinyllama" / "utils" / "observability" / "metrics.py"
    text = declared.read_text("utf-8")
    unknown = {name for name in own if f' = "{name}"\n' not in text}
    expect(unknown, set(), "metrics on the dashboard that nobody sends")
    return len(rows)


def _mail(run: Run, queue: str) -> str:
    """Call the mail function as its schedule does, twice; the first mails what Budgets say."""
    logs = (run.function_log("cost-summary"), "ministack")
    today = datetime.now(UTC).date()
    yesterday = today - timedelta(days=1)
    begin = {today.replace(day=1): 12.3, yesterday.replace(day=1): 17.3}
    named = f"{run.name}-report-"
    run.servers.set_budgets(
        {
            month_budget(run): {
                "actual": 12.3,
                "forecast": 19.0,
                "history": {day.isoformat(): usd for day, usd in begin.items()},
            },
            f"{named}day": {"history": {yesterday.isoformat(): 0.8}},
            f"{named}ec2": {"actual": 8.1},
            f"{named}elasticache": {"actual": 2.4},
            f"{named}cloudwatch": {"actual": 0.2},
        }
    )
    _call(run, logs)
    mail = wait_until(
        lambda: next((m for m in _received(run, queue) if not _alarm_of(m[1], "")), None),
        run.target.patience.logs_s, "the mail", logs=logs,
    )  # fmt: skip
    month, before = MONTHS[today.month - 1], MONTHS[yesterday.month - 1]
    wanted = {
        f"Yesterday, {yesterday.day} {before[:3]}": "0.80 USD",
        f"{month} so far": "12.30 USD of 20.00",
        "Projection": "19.00 USD forecast by AWS",
        "1. EC2 instances": "8.10 USD",
        "2. ElastiCache": "2.40 USD",
        "3. CloudWatch": "0.20 USD",
        "Not known": "EC2 volumes, other, VPC",
    }
    subject = f"WARNING: {run.name} heads for 19.00 of 20.00 USD in {month}"
    if today.day == 1:  # what AWS says of this month may still be of the last one
        wanted = {
            f"Yesterday, {yesterday.day} {before[:3]}": "0.80 USD",
            f"All of {before}": "17.30 USD",
            f"{month} so far": "not known yet",
            "Projection": "not known yet",
        }
        subject = f"{run.name}: no figure for {month}"
    expect((mail[0], _rows(mail[1])), (subject, wanted), "the mail", logs=logs)
    _call(run, logs)
    end = f"end-{run.mark}"
    run.client("sns").publish(TopicArn=run.outputs["AlarmTopic"], Subject=end, Message=end)
    more: list[tuple[str, str]] = []

    def is_over() -> bool:
        more.extend(_received(run, queue))
        return (end, end) in more

    wait_until(is_over, run.target.patience.logs_s, "the last message", logs=logs)
    # The guard reads the month's budget too.
    run.servers.set_budgets({})
    again = [text for title, text in more if "Yesterday" in text]
    expect(again, [], "mails of a second call on the same day", logs=logs)
    return subject


def _call(run: Run, logs: tuple[str, ...]) -> None:
    schedule = run.client("scheduler").get_schedule(Name=f"{run.name}-mail")
    expect(schedule["ScheduleExpression"], "cron(0 7 * * ? *)", "when the mail is sent")
    answer = run.client("lambda").invoke(
        FunctionName=schedule["Target"]["Arn"],
        Payload=schedule["Target"].get("Input", "{}").encode(),
    )
    seen = (answer["StatusCode"], answer.get("FunctionError"))
    if seen != (200, None):
        raise StageFailed(f"the mail function answered {seen}", logs=logs)


def _rows(text: str) -> dict[str, str]:
    """The table of a mail: label to what stands beside it."""
    found = {}
    for line in text.splitlines():
        if line.startswith("  Not known: "):
            found["Not known"] = line.removeprefix("  Not known: ")
        elif line.startswith("  "):
            found[line[2:26].strip()] = " ".join(line[26:].split())
    return found
