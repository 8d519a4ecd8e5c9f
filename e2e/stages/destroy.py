"""Destroy: the stack is deleted, and the bucket its templates were uploaded to."""

from botocore.exceptions import ClientError

from e2e.run import Run, StageFailed, wait_until
from e2e.stages.deploy import first_failure


def run(run: Run) -> str:
    """Delete everything that was deployed."""
    remove(run)
    return "stack and bucket deleted"


def remove(run: Run) -> None:
    """Delete the stack and its bucket, where they exist.

    Raises:
        StageFailed: the stack cannot be deleted; names the first resource that failed and why.
    """
    _remove_stack(run)
    s3, bucket = run.client("s3"), f"{run.name}-artefacts"
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for item in page.get("Contents", []):
                s3.delete_object(Bucket=bucket, Key=item["Key"])
        s3.delete_bucket(Bucket=bucket)
    except s3.exceptions.NoSuchBucket:
        return


def _remove_stack(run: Run) -> None:
    cloudformation = run.client("cloudformation")
    try:
        stack_id = cloudformation.describe_stacks(StackName=run.name)["Stacks"][0]["StackId"]
    except ClientError as error:
        if "does not exist" in str(error):
            return
        raise
    cloudformation.delete_stack(StackName=run.name)

    def status() -> str | None:
        try:
            state: str = cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0][
                "StackStatus"
            ]
        except ClientError:
            return "DELETE_COMPLETE"
        return None if state.endswith("_IN_PROGRESS") else state

    seen = wait_until(
        status, run.target.patience.stack_s, "the stack is deleted", logs=("ministack",)
    )
    if seen != "DELETE_COMPLETE":
        raise StageFailed(f"the stack is {seen}: {first_failure(run)}", logs=("ministack",))
