"""Destroy: the stack is deleted, and the bucket its templates were uploaded to."""

from botocore.exceptions import ClientError

from e2e.run import Run, StageFailed, wait_until
from e2e.stages.deploy import first_failure


def run(run: Run) -> str:
    """Delete everything that was deployed."""
    cloudformation, s3 = run.client("cloudformation"), run.client("s3")
    stack_id = cloudformation.describe_stacks(StackName=run.name)["Stacks"][0]["StackId"]
    cloudformation.delete_stack(StackName=run.name)

    def status() -> str | None:
        try:
            found: str = cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0][
                "StackStatus"
            ]
        except ClientError:
            return "DELETE_COMPLETE"
        return None if found.endswith("_IN_PROGRESS") else found

    seen = wait_until(status, 60, "the stack is deleted", logs=("ministack",))
    if seen != "DELETE_COMPLETE":
        raise StageFailed(f"the stack is {seen}: {first_failure(run)}", logs=("ministack",))
    bucket = f"{run.name}-artefacts"
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page.get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=item["Key"])
    s3.delete_bucket(Bucket=bucket)
    return "stack and bucket deleted"
