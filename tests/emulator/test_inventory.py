"""The inventory of the local account: what is left is found, wherever its service hides it."""

from e2e.targets.ministack import MiniStack
from tools.deploy import inventory


def test_instance_that_is_left_is_a_residue(account: MiniStack) -> None:
    """From the call that starts it until it is terminated."""
    ec2, before = account.client("ec2"), inventory.take(account)
    started = ec2.run_instances(ImageId="ami-0123456789abcdef0", MinCount=1, MaxCount=1)
    instance = started["Instances"][0]["InstanceId"]
    assert f"instance {instance}" in inventory.take(account).minus(before)
    ec2.terminate_instances(InstanceIds=[instance])
    assert f"instance {instance}" not in inventory.take(account).minus(before)


def test_composite_alarm_that_is_left_is_a_residue(account: MiniStack) -> None:
    """CloudWatch lists composite alarms only when it is asked for them."""
    cloudwatch, before = account.client("cloudwatch"), inventory.take(account)
    cloudwatch.put_composite_alarm(AlarmName="both", AlarmRule="TRUE")
    assert inventory.take(account).minus(before) == ["composite-alarm both"]
    cloudwatch.delete_alarms(AlarmNames=["both"])
    assert inventory.take(account).minus(before) == []


def test_rule_of_another_bus_is_a_residue(account: MiniStack) -> None:
    """EventBridge lists the rules of one bus alone."""
    events, before = account.client("events"), inventory.take(account)
    events.create_event_bus(Name="other")
    events.put_rule(Name="forgotten", EventBusName="other", ScheduleExpression="rate(1 day)")
    (left,) = inventory.take(account).minus(before)
    assert left.startswith("event-rule arn:")
    assert left.endswith("/forgotten")
    events.delete_rule(Name="forgotten", EventBusName="other")
    events.delete_event_bus(Name="other")
    assert inventory.take(account).minus(before) == []


def test_old_version_of_a_layer_is_a_residue(account: MiniStack) -> None:
    """Lambda lists the newest version of a layer alone."""
    client, before = account.client("lambda"), inventory.take(account)
    arns = [
        client.publish_layer_version(LayerName="old", Content={"ZipFile": an_empty_zip()})
        for _ in range(2)
    ]
    wanted = sorted(f"layer {arn['LayerVersionArn']}" for arn in arns)
    assert inventory.take(account).minus(before) == wanted
    for number in (1, 2):
        client.delete_layer_version(LayerName="old", VersionNumber=number)
    assert inventory.take(account).minus(before) == []


def test_secret_that_waits_for_its_end_is_a_residue(account: MiniStack) -> None:
    """Its name is not free, so the next deploy would fail."""
    client, before = account.client("secretsmanager"), inventory.take(account)
    arn = client.create_secret(Name="waits", SecretString="x")["ARN"]
    client.delete_secret(SecretId=arn, RecoveryWindowInDays=7)
    assert inventory.take(account).minus(before) == [f"secret {arn}"]
    client.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    assert inventory.take(account).minus(before) == []


def test_key_that_waits_for_its_end_is_none(account: MiniStack) -> None:
    """It bills nothing any more; while it can be used it does."""
    client, before = account.client("kms"), inventory.take(account)
    key = client.create_key()["KeyMetadata"]["KeyId"]
    assert inventory.take(account).minus(before) == [f"key {key}"]
    client.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert inventory.take(account).minus(before) == []


def an_empty_zip() -> bytes:
    """The smallest archive: its end alone."""
    return b"PK\x05\x06" + bytes(18)
