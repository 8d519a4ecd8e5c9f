"""What an instance tells the rest of AWS: EventBridge its states, and IAM its type."""

import json
from typing import Any

SOON_S = 0.01
"""An event comes after the answer to the call that caused it."""


def install() -> None:
    """Tell IAM the type of an instance that is to be started; an event that comes late makes no
    log group."""
    from ministack.core import iam_actions
    from ministack.services import ec2, lambda_svc

    known = iam_actions.request_tag_context

    def with_type(service: str, iam_action: str, body: bytes, params: Any) -> Any:
        context = known(service, iam_action, body, params)
        if iam_action == "ec2:StartInstances":
            ids = ec2._parse_member_list(params, "InstanceId")
            types = {(ec2._instances.get(i) or {}).get("InstanceType", "") for i in ids}
            if len(types) == 1:
                context = {**context, "ec2:InstanceType": types.pop()}
        return context

    iam_actions.request_tag_context = with_type
    write = lambda_svc._emit_lambda_logs

    def write_while_it_is_there(func: Any, *given: Any, **named: Any) -> None:
        # No role may create a group: what a function says after its stack is deleted is lost.
        if (func.get("config") or func).get("FunctionName") in lambda_svc._functions:
            write(func, *given, **named)

    lambda_svc._emit_lambda_logs = write_while_it_is_there


def emit(instance_id: str, state: str) -> None:
    """Put the event on the default bus; MiniStack delivers it to the rules' targets.

    https://docs.aws.amazon.com/ec2/latest/instancetypes/monitoring-instance-state-changes.html
    """
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import eventbridge

    entry = {
        "Source": "aws.ec2",
        "DetailType": "EC2 Instance State-change Notification",
        "Detail": json.dumps({"instance-id": instance_id, "state": state}),
        "Resources": [f"arn:aws:ec2:{get_region()}:{get_account_id()}:instance/{instance_id}"],
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
