"""Deploy: the AWS CLI packages the templates, CloudFormation creates the stack."""

from botocore.exceptions import ClientError

from e2e.run import Run, StageFailed, expect, wait_until
from tools.deploy import stack
from tools.deploy.calls import Call, ask


def run(run: Run) -> str:
    """Create the stack with its GPU switched on; ends when the node has installed itself."""
    bucket = f"{run.name}-artefacts"
    # S3 refuses us-east-1 as a LocationConstraint.
    where = {"CreateBucketConfiguration": {"LocationConstraint": run.target.region}}
    run.client("s3").create_bucket(
        Bucket=bucket, **({} if run.target.region == "us-east-1" else where)
    )
    run.packaged = stack.package(run.template, bucket, run.target.cli_environment())
    parameters, tags = run.settings()
    cloudformation = run.client("cloudformation")
    cloudformation.create_stack(
        StackName=run.name,
        TemplateBody=run.packaged,
        Parameters=stack.as_list({**parameters, "UseGpu": "true"}, "Parameter"),
        Tags=stack.as_list(tags, ""),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        DisableRollback=True,
    )
    run.outputs = settled(run, "CREATE_COMPLETE")
    wait_until(lambda: run.node_state() == "stopped", run.target.patience.node_s,
               "the node installs and powers off", logs=("ministack",))  # fmt: skip
    expect(run.node_state(), "stopped", "the node after its first boot")
    count = len(every_resource(run, run.name))
    return f"{count} resources in {len(nested(run, run.name)) + 1} stacks"


def settled(run: Run, wanted: str, name: str = "") -> dict[str, str]:
    """Wait until no operation of a stack is in progress, of the root stack if none is named.

    Returns:
        The root stack's outputs.

    Raises:
        StageFailed: it ended in another state; names the first resource that failed and why.
    """
    cloudformation = run.client("cloudformation")
    name = name or run.name

    def status() -> str | None:
        state: str = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        return None if state.endswith("_IN_PROGRESS") else state

    seen = wait_until(
        status, run.target.patience.stack_s, f"the stack becomes {wanted}", logs=("ministack",)
    )
    if seen != wanted:
        raise StageFailed(
            f"the stack is {seen}: {first_failure(run)}",
            logs=("ministack",),
            look=f"aws cloudformation describe-stack-events --stack-name {name}",
        )
    return outputs(run)


def outputs(run: Run) -> dict[str, str]:
    """The outputs of the root stack."""
    stack = run.client("cloudformation").describe_stacks(StackName=run.name)["Stacks"][0]
    return {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}


def first_failure(run: Run) -> str:
    """The innermost resource that failed, and CloudFormation's reason."""
    cloudformation = run.client("cloudformation")
    for name in [*nested(run, run.name), run.name]:
        events = Call("cloudformation", "describe_stack_events", {"StackName": name}, "StackEvents")
        for event in reversed(ask(cloudformation, events)):
            if event["ResourceStatus"].endswith("_FAILED"):
                return f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '?')}"
    return "no event names a resource that failed"


def nested(run: Run, name: str) -> list[str]:
    """The ids of the stacks nested in a stack."""
    return [
        r["PhysicalResourceId"]
        for r in every_resource(run, name, deep=False)
        if r["ResourceType"] == "AWS::CloudFormation::Stack" and r.get("PhysicalResourceId")
    ]


def ids_of(run: Run, *kinds: str) -> list[str]:
    """The physical ids of the stack's resources of these types."""
    return [
        r["PhysicalResourceId"]
        for r in every_resource(run, run.name)
        if r["ResourceType"] in kinds and r.get("PhysicalResourceId")
    ]


def every_resource(run: Run, name: str, *, deep: bool = True) -> list[dict[str, str]]:
    """The resources of a stack and, when `deep`, of those nested in it; none where it is gone."""
    listing = Call(
        "cloudformation", "list_stack_resources", {"StackName": name}, "StackResourceSummaries[]"
    )
    try:
        resources: list[dict[str, str]] = ask(run.client("cloudformation"), listing)
    except ClientError:
        return []
    if deep:
        for child in nested(run, name):
            resources = resources + every_resource(run, child)
    return resources
