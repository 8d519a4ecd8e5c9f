"""Cleanup: the smoke deletes the users that it made in the stack's pool."""

from contextlib import suppress

from e2e.run import Run


def run(run: Run) -> str:
    """Delete the smoke's users; their last job may still run, and expires by itself."""
    count = len(run.users)
    remove(run)
    return f"{count} users deleted"


def remove(run: Run) -> None:
    """Delete every user that the smoke made and that still exists."""
    cognito = run.client("cognito-idp")
    for name in list(run.users):
        with suppress(cognito.exceptions.UserNotFoundException):
            cognito.admin_delete_user(
                UserPoolId=run.outputs["UserPoolId"], Username=run.users[name].name
            )
        del run.users[name]
