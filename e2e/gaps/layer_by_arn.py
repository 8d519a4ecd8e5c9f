"""MiniStack asks IAM for the wrong action when a client fetches a layer version by its ARN.

Source of the action:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
"""

from typing import Any

from e2e.gaps.gap import Gap

GAP = Gap(
    name="layer-by-arn",
    lacks="GetLayerVersionByArn is authorized as lambda:ListLayers on everything",
    stand_in="it is authorized as lambda:GetLayerVersion on the layer version, as on AWS",
)


def install() -> None:
    """Correct the action and resource that a MiniStack process hands to IAM."""
    from ministack.core import iam_actions

    action_of, resource_of = iam_actions.extract_iam_action, iam_actions.extract_resource_arn

    def action(*request: Any) -> Any:
        return "lambda:GetLayerVersion" if _layer_arn(*request[:6]) else action_of(*request)

    def resource(*request: Any) -> Any:
        return _layer_arn(*request[:6]) or resource_of(*request)

    iam_actions.extract_iam_action = action
    iam_actions.extract_resource_arn = resource


def _layer_arn(
    service: str, method: str, path: str, headers: Any, body: Any, query: dict[str, Any]
) -> str:
    """The ARN that a request asks for; empty when it is another request."""
    if service != "lambda" or method != "GET" or not path.rstrip("/").endswith("/layers"):
        return ""
    value = query.get("Arn", "")
    return str(value[0] if isinstance(value, list) else value)
