"""GPU off: with UseGpu=false no cache and no interface endpoint stays to bill by the hour."""

from e2e.run import Run, expect
from e2e.stages.deploy import ids_of, settled
from tools.deploy import stack
from tools.deploy.calls import ask, ids
from tools.deploy.listings import LISTINGS


def run(run: Run) -> str:
    """Cache and endpoint go; /infer answers 503 `queue_unavailable`, /queue-health 503 `off`."""
    parameters, tags = run.settings()
    billing = ids_of(run, "AWS::ElastiCache::ReplicationGroup", "AWS::EC2::VPCEndpoint")
    _turn_off(run, parameters, tags)
    settled(run, "UPDATE_COMPLETE")
    cache, ec2 = run.client("elasticache"), run.client("ec2")
    caches = set(ids(cache, LISTINGS["replication-group"]))
    expect(caches & set(billing), set(), "caches left")
    endpoints = {
        endpoint["VpcEndpointId"]
        for endpoint in ask(ec2, LISTINGS["vpc-endpoint"].call)
        if endpoint["VpcEndpointType"] != "Gateway"
    }
    expect(endpoints & set(billing), set(), "endpoints that bill by the hour")
    token, logs = run.users["operator"].token, (run.function_log("router"),)
    health = run.api.call("GET", "/queue-health", token)
    expect(
        (health.status, health.json),
        (503, {"error": "off", "redis": "fail"}),
        "GET /queue-health without a queue",
        logs=(run.function_log("queue-health"),),
    )
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


def _turn_off(run: Run, parameters: dict[str, str], tags: dict[str, str]) -> None:
    # MiniStack's change sets ignore a change of conditions alone; its updates do not.
    run.client("cloudformation").update_stack(
        StackName=run.name,
        TemplateBody=run.packaged,
        Parameters=stack.as_list({**parameters, "UseGpu": "false"}, "Parameter"),
        Tags=stack.as_list(tags, ""),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
