"""Resize: up by events, down with a crash half way, and back to the old type without capacity."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from e2e.gaps.instance_behaviour import Behaviour
from e2e.gaps.model_server import fingerprint, reply_to
from e2e.metrics import emitted
from e2e.run import Run, expect, wait_until
from e2e.stages.replies import answered

UP = {"action": "resize", "target": "g4dn.xlarge", "force": True}
DOWN = {"action": "resize", "target": "t3.small", "force": True}
# How long the node is `stopping`: time for a second request and a prompt.
STOPPING_S = 0.5


def run(run: Run) -> str:
    """Administrators only; one at a time; a lost event, a lost function and a full zone."""
    admin, ada = run.users["operator"].token, run.users["ada"].token
    logs = _logs(run)
    refused = run.api.ask("POST", "/resize", ada, UP)
    expect((refused.status, refused.json), (403, {"error": "forbidden"}), "a user", logs=logs)
    with _mailbox(run) as mailbox:
        _start_node(run, admin)
        _up_by_events(run, admin)
        _down_after_a_crash(run, admin)
        _back_without_capacity(run, admin, mailbox)
    return "up by events, down after a crash, back without capacity; mailed once"


def _logs(run: Run) -> tuple[str, ...]:
    return (run.function_log("resize"), run.function_log("resize-motor"), "ministack")


def _start_node(run: Run, admin: str) -> None:
    """Begin with a node that runs."""
    answer = run.api.ask("POST", "/resize", admin, {"action": "start"})
    expect(answer.status, 202, "start", logs=_logs(run))
    _ends(run, admin, answer.json["id"], "done")
    expect(run.node_state(), "running", "the node after its start", logs=_logs(run))


def _up_by_events(run: Run, admin: str) -> None:
    """Nobody ticks: EC2's events alone bring it to its end. Meanwhile others are refused, and a job
    that is sent does not start the node with the old type."""
    logs = _logs(run)
    run.servers.play(Behaviour(stopping_s=STOPPING_S))
    try:
        first = run.api.call("POST", "/resize", admin, UP)
        expect(first.status, 202, "resize up", logs=logs)
        second = run.api.call("POST", "/resize", admin, DOWN)
        under_way = (409, {"error": "resize_under_way"})
        expect((second.status, second.json), under_way, "a second resize", logs=logs)
        prompt = "sent while the node is resized"
        sent = run.api.send(run.users["emil"].token, prompt, key=fingerprint(prompt))
        expect(sent.status, 202, "a prompt during a resize", logs=logs)
    finally:
        run.servers.play(Behaviour())
    _ends(run, admin, first.json["id"], "done")
    expect(_shape(run), ("running", "g4dn.xlarge"), "the node after the resize", logs=logs)
    reply = answered(run, "emil", sent.json["id"]).get("reply")
    expect(reply, reply_to(prompt), "the reply to the prompt", logs=logs)


def _down_after_a_crash(run: Run, admin: str) -> None:
    """The event is lost and the function is gone after the stop; the tick of the rule goes on."""
    logs = _logs(run)
    events, rule = run.client("events"), f"{run.name}-resize-motor"
    events.disable_rule(Name=rule)  # its own tick may come at any moment
    run.servers.play(Behaviour(stopping_s=STOPPING_S, events=False))
    try:
        answer = run.api.call("POST", "/resize", admin, DOWN)
        expect(answer.status, 202, "resize down", logs=logs)
        _is(run, "stopped", "the node stops")
        expect(_shape(run), ("stopped", "g4dn.xlarge"), "what the crash left", logs=logs)
        _wake_by_a_job(run)
        expect(run.node_state(), "stopped", "the node, held by the resize", logs=logs)
        _tick(run)
    finally:
        run.servers.play(Behaviour())
        events.enable_rule(Name=rule)
    _ends(run, admin, answer.json["id"], "done")
    expect(_shape(run), ("running", "t3.small"), "the node after the resize", logs=logs)


def _wake_by_a_job(run: Run) -> None:
    """A prompt that finds the node stopped, in the middle of a resize."""
    run.servers.cache().delete("node:start", "node:heartbeat")
    prompt = "sent after the crash"
    sent = run.api.send(run.users["emil"].token, prompt, key=fingerprint(prompt))
    expect(sent.status, 202, "a prompt after the crash", logs=_logs(run))


def _back_without_capacity(run: Run, admin: str, mailbox: str) -> None:
    """The old type is back, and one mail and one count say why it failed."""
    logs = _logs(run)
    ec2, node = run.client("ec2"), run.outputs["NodeId"]
    ec2.stop_instances(InstanceIds=[node])
    _is(run, "stopped", "the node stops")
    run.servers.play(Behaviour(start_error="InsufficientInstanceCapacity"))
    try:
        answer = run.api.call("POST", "/resize", admin, UP)
        document = answer.json or {}
        if answer.status == 202:
            _ends(run, admin, document["id"], "failed")
    finally:
        run.servers.play(Behaviour())
    said = (answer.status, document.get("error"), document.get("reason"))
    if answer.status != 202:  # a slow machine leaves the steps to the motor
        expect(said, (503, "node_unavailable", "no_capacity"), "resize in a full zone", logs=logs)
    _ends(run, admin, document["id"], "failed")
    expect(_shape(run)[1], "t3.small", "the type after the failure", logs=logs)
    _tick(run)
    _tick(run)
    wanted = f"{run.name}: resize of the node failed: no_capacity"
    expect(_mails(run, mailbox), [wanted], "the mails", logs=logs)
    seen = wait_until(
        lambda: emitted(run, "resize-motor", "ResizeFailures") or None,
        run.target.patience.logs_s,
        "the metric ResizeFailures",
        logs=logs,
    )
    expect(seen, [({"Reason": "no_capacity"}, 1.0)], "ResizeFailures", logs=logs)


def _ends(run: Run, admin: str, operation_id: str, state: str) -> None:
    """Wait for the end of an operation, by GET /resize/{id}."""

    def ended() -> str | None:
        document = run.api.ask("GET", f"/resize/{operation_id}", admin).json or {}
        found: str | None = document.get("state")
        return found if found in ("done", "failed") else None

    limit_s, logs = run.target.patience.node_s, _logs(run)
    seen = wait_until(ended, limit_s, "the resize ends", logs=logs)
    expect(seen, state, "how the operation ended", logs=logs)


def _is(run: Run, state: str, what: str) -> None:
    limit_s = run.target.patience.node_s
    wait_until(lambda: run.node_state() == state, limit_s, what, logs=_logs(run))


def _shape(run: Run) -> tuple[str, str]:
    answer = run.client("ec2").describe_instances(InstanceIds=[run.outputs["NodeId"]])
    instance = answer["Reservations"][0]["Instances"][0]
    return instance["State"]["Name"], instance["InstanceType"]


def _tick(run: Run) -> None:
    """Call the motor as its rule does every minute."""
    event = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
    answer = run.client("lambda").invoke(
        FunctionName=f"{run.name}-resize-motor", Payload=json.dumps(event).encode()
    )
    seen = (answer["StatusCode"], answer.get("FunctionError"))
    expect(seen, (200, None), "a tick of the motor", logs=_logs(run))


@contextmanager
def _mailbox(run: Run) -> Iterator[str]:
    """A queue in the place of an operator's mail address."""
    sqs, sns = run.client("sqs"), run.client("sns")
    url: str = sqs.create_queue(QueueName=f"{run.name}-mail-{run.mark}")["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    own_topic = {"ArnEquals": {"aws:SourceArn": run.outputs["AlarmTopic"]}}
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": found["Attributes"]["QueueArn"],
        "Condition": own_topic,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    made = sns.subscribe(
        TopicArn=run.outputs["AlarmTopic"],
        Protocol="sqs",
        Endpoint=found["Attributes"]["QueueArn"],
        ReturnSubscriptionArn=True,
    )
    try:
        yield url
    finally:
        sns.unsubscribe(SubscriptionArn=made["SubscriptionArn"])
        sqs.delete_queue(QueueUrl=url)


def _mails(run: Run, mailbox: str) -> list[str]:
    """The subjects of the mails of resize; alarms write to the same topic."""
    answer: Any = run.client("sqs").receive_message(QueueUrl=mailbox, MaxNumberOfMessages=10)
    subjects = [json.loads(m["Body"]).get("Subject", "") for m in answer.get("Messages", [])]
    return [subject for subject in subjects if "of the node failed" in subject]
