"""As deployed: the account's own values of the resources are those that the templates mean."""

import json
from typing import Any

from e2e.run import Run, StageFailed, expect
from e2e.stages.deploy import ids_of
from tools.deploy.calls import Call, ask

ROUTES = {
    *("POST /infer", "GET /infer/{id}", "GET /ping", "GET /queue-health"),
    *("POST /stop", "POST /resize", "GET /resize/{id}"),
}


def run(run: Run) -> str:
    """Read back routes, throttles, security groups, cache, node, volume and log retention."""
    _edge(run)
    _groups(run)
    _node(run)
    _logs(run)
    _cache(run)
    return f"{len(ROUTES)} routes behind the authorizer, one way out, one encrypted volume"


def _edge(run: Run) -> None:
    api = run.client("apigatewayv2")
    api_id = run.outputs["ApiEndpoint"].split("//")[1].split(".")[0]
    routes = {
        route["RouteKey"]: route["AuthorizationType"]
        for route in ask(api, Call("apigatewayv2", "get_routes", {"ApiId": api_id}, "Items[]"))
    }
    expect(routes, dict.fromkeys(ROUTES, "JWT"), "authorization of every route")
    stage = api.get_stage(ApiId=api_id, StageName="$default")
    wanted = {"ThrottlingBurstLimit": 5, "ThrottlingRateLimit": 20}
    seen = {
        route: {name: settings.get(name) for name in wanted}
        for route, settings in stage["RouteSettings"].items()
    }
    expect(seen, dict.fromkeys(ROUTES, wanted), "throttle of every route")
    default = {name: stage["DefaultRouteSettings"].get(name) for name in wanted}
    expect(default, wanted, "throttle of the stage")
    logged = set(json.loads(stage["AccessLogSettings"]["Format"]))
    missing = {"requestId", "ip", "route", "status", "sub", "latencyMs", "userAgent"} - logged
    if missing:
        raise StageFailed(f"the access log leaves out {', '.join(sorted(missing))}")


def _groups(run: Run) -> None:
    """Node and builder reach the internet, on 443; nothing is reached from the internet."""
    ec2 = run.client("ec2")
    own = [{"Name": "vpc-id", "Values": [_vpc_of_node(run)]}]
    call = Call("ec2", "describe_security_groups", {"Filters": own}, "SecurityGroups[]")
    groups = [group for group in ask(ec2, call) if group["GroupName"] != "default"]
    to_world = {
        (
            any(f"-{own}SecurityGroup" in group["GroupName"] for own in ("Node", "Builder")),
            rule.get("FromPort"),
        )
        for group in groups
        for rule in group["IpPermissionsEgress"]
        if _is_world(rule)
    }
    expect(to_world, {(True, 443)}, "groups that reach the world, as (is a machine's, port)")
    from_world = [g["GroupName"] for g in groups for r in g["IpPermissions"] if _is_world(r)]
    expect(from_world, [], "groups open to the world")


def _vpc_of_node(run: Run) -> str:
    answer = run.client("ec2").describe_instances(InstanceIds=[run.outputs["NodeId"]])
    vpc: str = answer["Reservations"][0]["Instances"][0]["VpcId"]
    return vpc


def _is_world(rule: dict[str, Any]) -> bool:
    ranges = [r["CidrIp"] for r in rule.get("IpRanges", [])]
    ranges += [r["CidrIpv6"] for r in rule.get("Ipv6Ranges", [])]
    return any(r.endswith("/0") for r in ranges)


def _node(run: Run) -> None:
    ec2 = run.client("ec2")
    node = ec2.describe_instances(InstanceIds=[run.outputs["NodeId"]])["Reservations"][0][
        "Instances"
    ][0]
    if not run.is_deployed:  # the node of an older stack may have been resized
        expect(node["InstanceType"], "t3.small", "shape of the new node")
    expect(node.get("PublicIpAddress") or None, None, "public address of the stopped node")
    root = node["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    volume = ec2.describe_volumes(VolumeIds=[root])["Volumes"][0]
    seen = (volume["Size"], volume["VolumeType"], volume["Encrypted"])
    expect(seen, (30, "gp3", True), "the node's volume (GiB, type, encrypted)")
    tags = {t["Key"]: t["Value"] for t in node["Tags"]}
    expect(tags.get("Role"), "gpu-node", "the node's tag Role")


def _logs(run: Run) -> None:
    own = set(ids_of(run, "AWS::Logs::LogGroup"))
    groups = {
        g["logGroupName"]: g.get("retentionInDays")
        for page in run.client("logs").get_paginator("describe_log_groups").paginate()
        for g in page["logGroups"]
        if g["logGroupName"] in own
    }
    expect(groups, dict.fromkeys(groups, 30), "retention of every log group in days")
    missing = {
        run.function_log(n)
        for n in (
            *("router", "stop", "queue-health", "waker", "signing-keys"),
            *("resize", "resize-motor", "stop-build-box", "cost-summary"),
        )
    } - set(groups)
    expect(missing, set(), "log groups that are not there")


def _cache(run: Run) -> None:
    cache = run.client("elasticache")
    (cache_id,) = ids_of(run, "AWS::ElastiCache::ReplicationGroup")
    answer = cache.describe_replication_groups(ReplicationGroupId=cache_id)
    (group,) = answer["ReplicationGroups"]
    expect(group["TransitEncryptionEnabled"], True, "the cache's encryption in transit")
    expect(group["AtRestEncryptionEnabled"], True, "the cache's encryption at rest")
