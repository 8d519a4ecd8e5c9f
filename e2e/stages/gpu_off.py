"""GPU off: with UseGpu=false nothing stays that bills while nobody asks."""

from e2e.run import Run, expect
from e2e.stages.deploy import ids_of, settled
from tools import stack


def run(run: Run) -> str:
    """Queue, endpoint and their route vanish; the API stays and says that there is no queue."""
    parameters, tags = run.settings()
    billing = ids_of(run, "AWS::ElastiCache::ReplicationGroup", "AWS::EC2::VPCEndpoint")
    # MiniStack's change sets do not see a change of conditions alone, its updates do.
    run.client("cloudformation").update_stack(
        StackName=run.name,
        TemplateBody=run.packaged,
        Parameters=stack.as_list({**parameters, "UseGpu": "false"}, "Parameter"),
        Tags=stack.as_list(tags, ""),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    settled(run, "UPDATE_COMPLETE")
    cache, ec2 = run.client("elasticache"), run.client("ec2")
    caches = {
        c["ReplicationGroupId"] for c in cache.describe_replication_groups()["ReplicationGroups"]
    }
    expect(caches & set(billing), set(), "caches left")
    endpoints = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    left = {
        e["VpcEndpointId"]
        for e in endpoints
        if e["State"] != "deleted" and e["VpcEndpointType"] != "Gateway"
    }
    expect(left & set(billing), set(), "endpoints that bill by the hour")
    token, logs = run.users["operator"].token, (run.function_log("router"),)
    health = run.api.ask("GET", "/queue-health", token)
    expect(health.status, 404, "GET /queue-health without a queue", logs=logs)
    answer = run.api.infer(token, "is anybody there")
    expect(
        (answer.status, answer.json),
        (503, {"error": "queue_unavailable"}),
        "POST /infer",
        logs=logs,
    )
    expect(run.api.ask("GET", "/ping", token).status, 200, "GET /ping", logs=logs)
    expect(run.node_state(), "stopped", "the node")
    return "no cache, no interface endpoint; the API answers"
