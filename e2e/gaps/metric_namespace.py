"""MiniStack decides on PutMetricData without the condition key `cloudwatch:namespace`.

A policy that allows one namespace alone would therefore allow nothing.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/iam-cw-condition-keys-namespace.html
"""

import json
from typing import Any
from urllib.parse import parse_qs

from e2e.gaps.gap import Gap

GAP = Gap(
    name="metric-namespace",
    lacks="the condition key cloudwatch:namespace",
    stand_in="the namespace is read from the request before IAM decides",
)
_KEY = "cloudwatch:namespace"


def install() -> None:
    """Add the key to what IAM knows of a request."""
    from ministack.core import iam_actions

    known = iam_actions.request_tag_context

    def with_namespace(service: str, iam_action: str, body: bytes, params: dict[str, Any]) -> Any:
        context = known(service, iam_action, body, params)
        if iam_action == "cloudwatch:PutMetricData":
            context = {**context, _KEY: _namespace(body)}
        return context

    iam_actions.request_tag_context = with_namespace


def _namespace(body: bytes) -> str:
    """Read the namespace from any of the protocols that AWS SDKs have spoken with CloudWatch."""
    if body[:1] == b"{":
        return str(json.loads(body)["Namespace"])
    if body.startswith(b"Action=") or b"&Action=" in body:
        return parse_qs(body.decode())["Namespace"][0]
    import cbor2

    return str(cbor2.loads(body)["Namespace"])
