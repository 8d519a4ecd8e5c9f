"""What the gaps reach into inside MiniStack is still there, in the pinned version."""

import json
import subprocess

from tools.deploy.environments import ministack_python

LOOK = """
import inspect, json
from importlib.metadata import version
from ministack import app
from ministack.core import iam_actions, iam_evaluator, lambda_runtime, responses, sigv4
from ministack.services import (
    apigateway, budgets, ec2, elasticache, eventbridge, iam, sns, sts, tagging
)
from ministack.services.cloudformation import provisioners as p

def parameters(function):
    return list(inspect.signature(function).parameters)

print(json.dumps({
    "version": version("ministack"),
    "api": sorted(p._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]),
    "budgets": [isinstance(t, responses.AccountScopedDict)
                for t in (budgets._budgets, budgets._notification_store)],
    "publish": parameters(sns.publish_internal)[:3],
    "admits": parameters(sns.topic_policy_allows),
    "unknown types": sorted(t for t in ("AWS::Budgets::Budget", "AWS::EC2::Instance",
                                        "AWS::EC2::SecurityGroupEgress")
                            if t not in p._RESOURCE_HANDLERS),
    "unknown actions": [a for a in ("ModifyInstanceAttribute",) if a not in ec2._ACTION_MAP],
    "budget calls": sorted(a for a in budgets._DISPATCH if a.endswith(("Budget", "Budgets"))),
    "budget history": "DescribeBudgetPerformanceHistory" in budgets._DISPATCH,
    "budget spend": budgets._calculated_spend({}),
    "budget parts": [parameters(f) for f in (budgets._err_notfound, budgets._json)],
    "resource": parameters(iam_actions.extract_resource_arn),
    "actions": [a for a in ("DescribeInstances", "ReleaseAddress", "RunInstances",
                                 "StartInstances", "StopInstances", "TerminateInstances")
                if a in ec2._ACTION_MAP],
    "launch": parameters(ec2._launch_instances_internal),
    "tables": [isinstance(t, responses.AccountRegionScopedDict) for t in
               (ec2._instances, ec2._volumes, ec2._launch_templates, ec2._security_groups,
                elasticache._users, elasticache._replication_groups)],
    "stage": [parameters(f) for f in (p._apigw_v2_stage_props, p._apigw_v2_stage_create,
                                      apigateway._update_stage, apigateway._apigw_error)],
    "stage handlers": sorted(p._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Stage"]),
    "permissions": p._ec2_sg_permissions([{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2,
                                           "CidrIp": "10.0.0.0/8"}]),
    "session": parameters(sts.register_session),
    "profile": parameters(iam._lookup_instance_profile),
    "principal": parameters(iam_evaluator.resolve_principal),
    "signature": parameters(sigv4.calculate_signature),
    "tags of ec2": "ec2" in tagging._RESOURCE_TAG_COLLECTORS,
    "action": parameters(iam_actions.extract_iam_action),
    "layer action": iam_actions.extract_iam_action(
        "lambda", "GET", "/2018-10-31/layers", {}, b"", {"Arn": ["arn"], "find": ["LayerVersion"]}),
    "provision": parameters(p._provision_resource)[:1],
    "update": parameters(p._update_resource),
    "unpacks with": lambda_runtime.zipfile.__name__,
    "delete": parameters(p._delete_resource),
    "retaining": p._RETAINING_POLICIES,
    "app": callable(app.app),
    "events": parameters(eventbridge._put_events),
}))
"""


def test_private_parts_are_as_the_gaps_expect() -> None:
    """An upgrade that moves one of these fails here and not inside a stage."""
    done = subprocess.run(
        [ministack_python(), "-c", LOOK], check=True, capture_output=True, text=True, timeout=300
    )
    assert json.loads(done.stdout) == {
        "version": "1.5.33",
        "api": ["create", "delete", "update", "update_with_logical_id"],
        "budgets": [True, True],
        "publish": ["topic_arn", "message", "subject"],
        "admits": ["topic_arn", "service", "source_arn", "source_account"],
        "unknown types": [
            "AWS::Budgets::Budget",
            "AWS::EC2::Instance",
            "AWS::EC2::SecurityGroupEgress",
        ],
        "unknown actions": ["ModifyInstanceAttribute"],
        "actions": [
            "DescribeInstances",
            "ReleaseAddress",
            "RunInstances",
            "StartInstances",
            "StopInstances",
            "TerminateInstances",
        ],
        "budget calls": [
            "CreateBudget",
            "DeleteBudget",
            "DescribeBudget",
            "DescribeBudgets",
            "DescribeNotificationsForBudget",
            "UpdateBudget",
        ],
        "budget history": False,
        "budget spend": {"ActualSpend": {"Amount": "0", "Unit": "USD"}},
        "budget parts": [["message"], ["status", "body"]],
        "resource": [
            "service",
            "method",
            "path",
            "headers",
            "body",
            "query_params",
            "region",
            "account_id",
        ],
        "launch": [
            "image_id",
            "instance_type",
            "subnet_id",
            "count",
            "key_name",
            "user_data",
            "sg_ids",
            "requested_private_ip",
            "iam_profile",
        ],
        "tables": [True] * 6,
        "stage": [
            ["props"],
            ["logical_id", "props", "stack_name"],
            ["api_id", "stage_name", "data"],
            ["code", "message", "status"],
        ],
        "stage handlers": ["create", "delete", "update", "update_with_logical_id"],
        "permissions": [
            {
                "IpProtocol": "tcp",
                "IpRanges": [{"CidrIp": "10.0.0.0/8"}],
                "Ipv6Ranges": [],
                "PrefixListIds": [],
                "UserIdGroupPairs": [],
                "FromPort": 1,
                "ToPort": 2,
            }
        ],
        "session": ["access_key", "session"],
        "profile": ["name", "arn"],
        "principal": ["access_key_id", "account_id", "credential"],
        "signature": ["secret", "date_stamp", "region", "service", "string_to_sign"],
        "tags of ec2": False,
        "action": ["service", "method", "path", "headers", "body", "query_params"],
        "layer action": "lambda:ListLayers",
        "provision": ["resource_type"],
        "update": [
            "resource_type",
            "physical_id",
            "old_props",
            "new_props",
            "stack_name",
            "logical_id",
            "old_attrs",
        ],
        "unpacks with": "zipfile",
        "delete": ["resource_type", "physical_id", "props", "stack_name", "logical_id"],
        "retaining": ["Retain", "RetainExceptOnCreate"],
        "app": True,
        "events": ["data", "allow_aws_source"],
    }
