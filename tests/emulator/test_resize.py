"""A resize on a deployed stack: an update does not undo it, the documented command does."""

import json
from pathlib import Path

from e2e.gaps.instance_behaviour import Behaviour
from e2e.run import Run, wait_until
from e2e.targets.ministack import MiniStack
from tests.emulator.documented import commands, run_script

PATIENCE_S = 30
UP = {"action": "resize", "target": "g4dn.xlarge", "force": True}


def resize(run: Run, body: dict[str, object]) -> str:
    """The id of an operation that was accepted."""
    answer = run.api.ask("POST", "/resize", run.users["operator"].token, body)
    assert answer.status == 202, answer.body
    operation: str = answer.json["id"]
    return operation


def ends(run: Run, operation: str) -> str:
    """How it ends."""
    path, token = f"/resize/{operation}", run.users["operator"].token

    def ended() -> str | None:
        state: str = run.api.ask("GET", path, token).json["state"]
        return state if state in ("done", "failed") else None

    return wait_until(ended, PATIENCE_S, "the operation ends")


def node_type(run: Run) -> str:
    """The node's type as EC2 has it."""
    answer = run.client("ec2").describe_instances(InstanceIds=[run.outputs["NodeId"]])
    found: str = answer["Reservations"][0]["Instances"][0]["InstanceType"]
    return found


def documented_revert(run: Run, account: MiniStack, folder: Path) -> dict[str, str]:
    """Run the page's command as it stands."""
    script = commands("recovery.md", "A resize has to be taken back")
    done = run_script(script, run, account, folder)
    assert done.returncode == 0, done.stderr
    said: dict[str, str] = json.JSONDecoder().raw_decode(done.stdout)[0]
    return said


def test_update_keeps_a_resize_and_the_documented_command_takes_it_back(
    run: Run, account: MiniStack, tmp_path: Path
) -> None:
    """Up, an update of the stack that reaches the node's template, and down again."""
    assert ends(run, resize(run, UP)) == "done"
    cloudformation = run.client("cloudformation")
    (made,) = cloudformation.describe_stacks(StackName=run.name)["Stacks"]
    given = [
        {"ParameterKey": p["ParameterKey"], "ParameterValue": "7"}
        if p["ParameterKey"] == "MaxUptimeHours"
        else {"ParameterKey": p["ParameterKey"], "UsePreviousValue": True}
        for p in made["Parameters"]
    ]
    cloudformation.update_stack(
        StackName=run.name,
        UsePreviousTemplate=True,
        Parameters=given,
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )

    def updated() -> bool:
        (stack,) = cloudformation.describe_stacks(StackName=run.name)["Stacks"]
        return bool(stack["StackStatus"] == "UPDATE_COMPLETE")

    wait_until(updated, PATIENCE_S, "the update ends")
    assert node_type(run) == "g4dn.xlarge"
    said = documented_revert(run, account, tmp_path)
    assert said["target"] == "t3.small"
    assert ends(run, said["operation"]) == "done"
    assert node_type(run) == "t3.small"


def test_documented_command_takes_back_what_is_under_way(
    run: Run, account: MiniStack, tmp_path: Path
) -> None:
    """Its function is gone, and no event comes: the old type stays."""
    resize(run, {"action": "start"})
    wait_until(lambda: run.node_state() == "running", PATIENCE_S, "the node runs")
    account.play(Behaviour(stopping_s=1, events=False))
    try:
        operation = resize(run, UP)
        said = documented_revert(run, account, tmp_path)
    finally:
        account.play(Behaviour())
    assert (said["operation"], said["reason"]) == (operation, "reverted")
    # A caller may still be at work for so long; then the motor ends it.
    run.client("dynamodb").update_item(
        TableName=f"{run.name}-control",
        Key={"id": {"S": "node"}},
        UpdateExpression="ADD resizeDeadline :less",
        ExpressionAttributeValues={":less": {"N": "-60"}},
    )
    run.client("lambda").invoke(FunctionName=run.outputs["ResizeMotorFunction"], Payload=b"{}")
    assert ends(run, operation) == "failed"
    assert node_type(run) == "t3.small"


def test_role_starts_no_other_type(run: Run) -> None:
    """An operator gave the node a third type: neither function's role may start it."""
    ec2, node = run.client("ec2"), run.outputs["NodeId"]
    ec2.stop_instances(InstanceIds=[node])
    wait_until(lambda: run.node_state() == "stopped", PATIENCE_S, "the node stops")
    ec2.modify_instance_attribute(InstanceId=node, InstanceType={"Value": "p3.2xlarge"})
    token = run.users["operator"].token
    answer = run.api.call("POST", "/resize", token, {"action": "start"})
    ec2.modify_instance_attribute(InstanceId=node, InstanceType={"Value": "t3.small"})
    refused = {"error": "node_unavailable", "reason": "refused"}
    assert (answer.status, {k: v for k, v in answer.json.items() if k != "id"}) == (503, refused)
