"""The watchdog on a local machine: it stops its own instance, and its role can stop no other."""

import time
from collections.abc import Iterator

import pytest

from e2e.run import Run, wait_until
from e2e.stages import destroy
from e2e.targets.ministack import MiniStack
from tests.emulator.test_stacks import _deployed

NODE_S = 40


@pytest.fixture(scope="module")
def run(account: MiniStack) -> Iterator[Run]:
    """A deployed stack; its node has installed, and is stopped."""
    made = _deployed(account)
    _wait(made, "stopped")
    yield made
    destroy.run(made)


def _wait(run: Run, state: str) -> None:
    wait_until(lambda: run.node_state() == state, NODE_S, f"the node is {state}")


def _watched(run: Run, *options: str) -> None:
    """Start the node with a watchdog of these options."""
    # A busy machine needs seconds to connect to the queue, which are many of these minutes.
    patient = ("--queue-gone-min", "9999", "--stuck-min", "9999")
    run.servers.set_watchdog("--minute-s", "0.1", *patient, *options)
    run.client("ec2").start_instances(InstanceIds=[run.outputs["NodeId"]])


def _auto_stops(run: Run, reason: str) -> float:
    """The sum of the metric."""
    statistics = run.client("cloudwatch").get_metric_statistics(
        Namespace=f"TinyLlama/{run.name}",
        MetricName="AutoStops",
        Dimensions=[{"Name": "Reason", "Value": reason}],
        StartTime=time.time() - 3600,
        EndTime=time.time() + 3600,
        Period=3600,
        Statistics=["Sum"],
    )
    return float(sum(point["Sum"] for point in statistics["Datapoints"]))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--idle-min", "30"), "idle"),
        (("--uptime-min", "30", "--idle-min", "9999"), "uptime"),
    ],
)
def test_machine_powers_itself_off_and_counts_it(
    run: Run, options: tuple[str, ...], reason: str
) -> None:
    """The instance is `stopped`, and the metric of its reason is one, by the role's permission."""
    _watched(run, *options)
    wait_until(lambda: _auto_stops(run, reason) > 0, NODE_S, f"AutoStops {reason}")
    _wait(run, "stopped")
    assert _auto_stops(run, reason) == 1


@pytest.mark.fault(fault="powering off fails", place="the watchdog")
def test_power_off_that_fails_is_followed_by_a_stop_of_itself(run: Run) -> None:
    """EC2 stops the instance: its own role may ask for that, as IAM decides."""
    _watched(run, "--uptime-min", "30", "--idle-min", "9999", "--poweroff", "false")
    _wait(run, "running")
    _wait(run, "stopped")


def test_role_stops_no_other_instance(run: Run) -> None:
    """A watchdog that takes another instance for its own is refused by IAM."""
    ec2 = run.client("ec2")
    other = ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1)
    (stranger,) = (instance["InstanceId"] for instance in other["Instances"])
    options = ("--uptime-min", "30", "--poweroff", "false", "--node-id", stranger)
    _watched(run, *options)
    refused = '"step": "stop_instance", "error": "UnauthorizedOperation"'
    wait_until(lambda: refused in run.servers.tail("ministack"), NODE_S, "a refusal")
    seen = ec2.describe_instances(InstanceIds=[stranger, run.outputs["NodeId"]])
    states = [i["State"]["Name"] for r in seen["Reservations"] for i in r["Instances"]]
    assert states == ["running", "running"]
    ec2.terminate_instances(InstanceIds=[stranger])
    ec2.stop_instances(InstanceIds=[run.outputs["NodeId"]])
    _wait(run, "stopped")
