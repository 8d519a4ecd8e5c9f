"""TL_COST_3 and TL_COST_4: nothing billed stays after a stack, and the template says so."""

from pathlib import Path
from typing import Any

import pytest

from tests.judge.cost_templates import (
    ELSEWHERE,
    GUARD,
    LB,
    MACHINE,
    NAT,
    NOTHING,
    SILENT,
    STAYS,
    body,
    disk,
    findings,
    policy,
)
from tests.judge.factory import of_type, word


def launched(mapping: dict[str, Any]) -> dict[str, Any]:
    data = {"LaunchTemplateData": {"BlockDeviceMappings": [mapping]}}
    return of_type("AWS::EC2::LaunchTemplate", data)


SECOND = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 8}}


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (NAT, "PASS"),
        ({**NAT, "DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}, "PASS"),
        ({**NAT, "DeletionPolicy": "Retain"}, "FAIL"),
        ({**NAT, "DeletionPolicy": "RetainExceptOnCreate"}, "FAIL"),
        ({**NAT, "UpdateReplacePolicy": "Retain"}, "FAIL"),
        (of_type("AWS::EC2::Volume", {"Size": 1}, DeletionPolicy="Snapshot"), "FAIL"),
        (of_type("AWS::ElastiCache::ReplicationGroup", {}, DeletionPolicy="Snapshot"), "FAIL"),
        (of_type("AWS::Redshift::Cluster", {}, DeletionPolicy="Snapshot"), "FAIL"),
        (of_type("AWS::IAM::Role", {}, DeletionPolicy="Retain"), "PASS"),
        (of_type("AWS::Logs::LogGroup", {}, DeletionPolicy="Retain"), "FAIL"),
        (of_type("AWS::Bedrock::Agent", {}, DeletionPolicy="Retain"), "UNKNOWN"),
        (of_type("AWS::RDS::DBInstance"), "FAIL"),
        (of_type("AWS::RDS::DBInstance", {"DBClusterIdentifier": "c"}), "PASS"),
        (of_type("AWS::RDS::DBInstance", {}, DeletionPolicy="Delete"), "PASS"),
        (of_type("AWS::RDS::DBInstance", {"DeleteAutomatedBackups": False},
                 DeletionPolicy="Delete"), "FAIL"),
        (of_type("AWS::RDS::DBInstance", {"DeletionProtection": True},
                 DeletionPolicy="Delete"), "FAIL"),
        (of_type("AWS::RDS::DBInstance", {"DeletionProtection": ELSEWHERE},
                 DeletionPolicy="Delete"), "UNKNOWN"),
        (of_type("AWS::Cognito::UserPool", {"DeletionProtection": "ACTIVE"}), "FAIL"),
        (of_type("AWS::Cognito::UserPool", {"DeletionProtection": "INACTIVE"}), "PASS"),
        (of_type("AWS::DynamoDB::Table", {"DeletionProtectionEnabled": True}), "FAIL"),
        (of_type("AWS::EC2::Instance", {**MACHINE, "DisableApiTermination": True}), "FAIL"),
        (of_type(LB, {"LoadBalancerAttributes": GUARD}), "FAIL"),
        (of_type(LB, {"LoadBalancerAttributes": ELSEWHERE}), "UNKNOWN"),
        (of_type("AWS::EC2::Instance", {**MACHINE, "BlockDeviceMappings": [disk(
            DeleteOnTermination=True)]}), "PASS"),
        (of_type("AWS::EC2::Instance", {**MACHINE, "BlockDeviceMappings": [disk(
            DeleteOnTermination=False)]}), "FAIL"),
        (of_type("AWS::EC2::Instance", {**MACHINE, "BlockDeviceMappings": [disk(
            DeleteOnTermination={"Fn::If": ["On", False, True]})]}), "FAIL"),
        (of_type("AWS::EC2::Instance", {**MACHINE, "BlockDeviceMappings": [disk(
            DeleteOnTermination={"Ref": "Free"})]}), "UNKNOWN"),
        (of_type("AWS::EC2::Instance", MACHINE), "PASS"),
        (of_type("AWS::EC2::Instance", {**MACHINE, "BlockDeviceMappings": [SECOND]}), "UNKNOWN"),
        (of_type("AWS::EC2::Instance", {**MACHINE, "LaunchTemplate": {
            "LaunchTemplateId": "lt-1"}}), "UNKNOWN"),
        (launched(disk(DeleteOnTermination=True)), "PASS"),
        (launched(disk(DeleteOnTermination="false")), "FAIL"),
        (launched(SECOND), "UNKNOWN"),
        (of_type("AWS::AutoScaling::LaunchConfiguration", {"BlockDeviceMappings": [SECOND]}),
         "PASS"),
        (of_type("AWS::S3::Bucket"), "UNKNOWN"),
        (of_type("AWS::ECR::Repository"), "FAIL"),
        (of_type("AWS::ECR::Repository", {"EmptyOnDelete": True}), "PASS"),
        (of_type("AWS::ECR::Repository", {"EmptyOnDelete": {"Ref": "Free"}}), "UNKNOWN"),
        (of_type("AWS::ElastiCache::ServerlessCache", {"FinalSnapshotName": "n"}), "FAIL"),
        (of_type("AWS::KMS::Key", {"PendingWindowInDays": 7}), "PASS"),
        (of_type("AWS::SecretsManager::Secret"), "PASS"),
    ],
)  # fmt: skip
def test_nothing_billed_stays(tmp_path: Path, resource: dict[str, Any], expected: str) -> None:
    """Where the policy wants it; keys and secrets wait for their end without a bill."""
    chosen = policy(tmp_path, "nothing_survives = true")
    assert word(tmp_path, STAYS, body(R=resource), policy=chosen) == expected
    assert word(tmp_path, STAYS, body(R=resource)) == "PASS"


def test_deletion_policy_that_is_not_known(tmp_path: Path) -> None:
    """With language extensions it may be a reference."""
    made = body(N={**NAT, "DeletionPolicy": {"Ref": "Free"}})
    made["Transform"] = "AWS::LanguageExtensions"
    chosen = policy(tmp_path, "nothing_survives = true")
    assert word(tmp_path, STAYS, made, policy=chosen) == "UNKNOWN"


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (of_type("AWS::RDS::DBInstance"), "FAIL"),
        (of_type("AWS::RDS::DBCluster"), "FAIL"),
        (of_type("AWS::RDS::DBInstance", {"DBClusterIdentifier": "c"}), "PASS"),
        (of_type("AWS::RDS::DBInstance", {}, DeletionPolicy="Snapshot"), "PASS"),
        (of_type("AWS::RDS::DBCluster", {}, DeletionPolicy="Delete"), "PASS"),
    ],
)
def test_what_stays_is_declared_to(tmp_path: Path, resource: dict[str, Any], expected: str) -> None:
    """A database without a DeletionPolicy leaves a snapshot that nobody asked for."""
    assert word(tmp_path, SILENT, body(R=resource)) == expected


def test_snapshot_by_default_where_nobody_knows_the_cluster(tmp_path: Path) -> None:
    """Whether it is a cluster's member decides."""
    member = {"DBClusterIdentifier": {"Fn::If": ["On", "c", NOTHING]}}
    found = findings(tmp_path, body(R=of_type("AWS::RDS::DBInstance", member)))
    assert [(o.rule, o.verdict, o.scenario) for o in found] == [(SILENT, "FAIL", {"Turn": "off"})]
