"""Killer: the Budget says 21, and everything that bills by the hour goes off until it is lifted."""

import json
from contextlib import suppress
from typing import Any

from e2e.gaps.instance_behaviour import Behaviour
from e2e.guard import as_tags, control, guard, launch, recorded, spend, states
from e2e.run import Run, StageFailed, expect, wait_until
from e2e.stages.deploy import every_resource, settled

# One more than a page of the function's look holds.
BUILDERS = 21


def run(run: Run) -> str:
    """Rehearse, warn, kill by the Budget's message, kill again, lift; leaves the queue's off."""
    logs = (run.function_log("stop-build-box"), "ministack")
    mails = _mails(run)
    builders = launch(run, "builder", BUILDERS)
    (foreign,) = launch(run, "gpu-node", stack="another-stack")
    node = run.outputs["NodeId"]
    run.client("ec2").start_instances(InstanceIds=[node])
    loose, attached = _addresses(run, foreign)
    wait_until(lambda: run.node_state() == "running", run.target.patience.node_s, "the node runs",
               logs=logs)  # fmt: skip

    before = control(run, "node")
    would = guard(run, "rehearse")
    expect((len(would["done"]), would["failed"]), (BUILDERS + 3, []), "a rehearsal", logs=logs)
    after = (run.node_state(), control(run, "node"))
    expect(after, ("running", before), "what it touched", logs=logs)

    spend(run, 15.5)
    run.servers.play(Behaviour(refuses_end=builders[0]))
    try:
        _spend_and_watch(run, logs)
    finally:
        run.servers.play(Behaviour())
    ended = states(run, builders)
    wanted = ["running", *["terminated"] * (BUILDERS - 1)]
    expect(ended, wanted, "builders, one of which EC2 refused to end", logs=logs)
    wait_until(lambda: run.node_state() == "stopped", run.target.patience.node_s, "the node stops",
               logs=logs)  # fmt: skip
    kept = {a["AllocationId"] for a in run.client("ec2").describe_addresses()["Addresses"]}
    expect(kept & {loose, attached}, {attached}, "addresses kept", logs=logs)
    _queue_is_off(run, logs)
    # A cache that AWS deletes drops its connections; the local one goes on.
    run.servers.kill_redis()
    answer = run.api.infer(run.users["operator"].token, "is there money")
    told = (503, {"error": "node_unavailable", "reason": "budget"})
    expect((answer.status, answer.json), told, "a prompt", logs=(run.function_log("router"),))

    latch = control(run, "node")["latchedAt"]
    again = guard(run, "meter")
    expect((again["verdict"], again["failed"]), ("kill", []), "the next tick", logs=logs)
    expect(states(run, [builders[0], foreign]), ["terminated", "running"], "the rest", logs=logs)
    expect(control(run, "node")["latchedAt"], latch, "the latch after a second run", logs=logs)
    expect(mails(), 2, "mails of the killer: the kill, and what was left of it", logs=logs)

    refused = guard(run, "lift")
    expect("refused" in refused, True, "a lift that the next tick would undo", logs=logs)
    expect(guard(run, "lift", untilUsd=40)["lifted"], True, "a lift", logs=logs)
    expect("latchedAt" in control(run, "node"), False, "the latch after it", logs=logs)
    _clean(run, [*builders, foreign], attached)
    return f"latched first, {BUILDERS} builders on two pages and the node off, lifted"


def _spend_and_watch(run: Run, logs: tuple[str, ...]) -> None:
    """Spend 21.4 USD; before the first machine goes off, the latch must be there."""
    with recorded(run) as calls:
        spend(run, 21.4)
        # The mail is the killer's last step.
        wait_until(lambda: "latchedTold" in control(run, "node"), run.target.patience.node_s,
                   "the killer tells", logs=logs)  # fmt: skip
        latched, ended = calls("UpdateItem", "latchedAt"), calls("POST.ec2", "TerminateInstances")
    expect(len(ended) >= BUILDERS, True, "machines that were ended", logs=logs)
    expect(latched[:1] < ended[:1], True, "the latch when the first machine went off", logs=logs)


def _addresses(run: Run, foreign: str) -> tuple[str, str]:
    """Two addresses with the stack's tags: one that nothing uses, one that is attached."""
    ec2 = run.client("ec2")
    tags = as_tags({"Project": run.settings()[0]["Project"], "Stack": run.name})
    loose, attached = (
        ec2.allocate_address(
            Domain="vpc", TagSpecifications=[{"ResourceType": "elastic-ip", "Tags": tags}]
        )["AllocationId"]
        for _ in range(2)
    )
    ec2.associate_address(AllocationId=attached, InstanceId=foreign)
    return loose, attached


def _mails(run: Run) -> Any:
    """Subscribe a queue to the alarm topic; returns what counts the killer's mails since then."""
    sqs = run.client("sqs")
    url = sqs.create_queue(QueueName=f"{run.name}-mails")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn["QueueArn"],
            }
        ],
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    subscription = run.client("sns").subscribe(
        TopicArn=run.outputs["AlarmTopic"],
        Protocol="sqs",
        Endpoint=arn["QueueArn"],
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]

    def count() -> int:
        found = 0
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                subject = json.loads(message["Body"]).get("Subject") or ""
                found += "budget killer" in subject
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        run.client("sns").unsubscribe(SubscriptionArn=subscription)
        sqs.delete_queue(QueueUrl=url)
        return found

    return count


def _queue_is_off(run: Run, logs: tuple[str, ...]) -> None:
    """Its stack was updated by itself and is empty; the root stack was not touched."""
    queue = run.outputs["QueueStack"]
    settled(run, "UPDATE_COMPLETE", queue)
    expect(_use_gpu(run, queue), "false", "UseGpu of the queue's stack", logs=logs)
    expect(_use_gpu(run, run.name), "true", "UseGpu of the root stack", logs=logs)
    left = [row["LogicalResourceId"] for row in every_resource(run, queue, deep=False)]
    expect(left, [], "what the queue's stack holds", logs=logs)


def _use_gpu(run: Run, name: str) -> str:
    (stack,) = run.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    given = {p["ParameterKey"]: p.get("ParameterValue", "") for p in stack["Parameters"]}
    return str(given["UseGpu"])


def _clean(run: Run, machines: list[str], address: str) -> None:
    """Take away what the stage itself made."""
    ec2 = run.client("ec2")
    with suppress(StageFailed):
        ec2.terminate_instances(InstanceIds=machines)
        ec2.release_address(AllocationId=address)
