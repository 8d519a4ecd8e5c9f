"""TL_EDGE_5: every stage logs access."""

from pathlib import Path
from typing import Any

import pytest

from tests.judge.edge_templates import ELSEWHERE, GET, LOG, LOGGED, NOTHING, rest, staged
from tests.judge.factory import word

# ---- what is written down ----


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (LOGGED, "PASS"),
        ({"DestinationArn": "arn:aws:firehose:r:1:deliverystream/amazon-apigateway-x",
          "Format": "$context.requestId"}, "PASS"),
        (NOTHING, "FAIL"),
        ({"DestinationArn": {"Fn::GetAtt": ["L", "Arn"]}}, "FAIL"),
        ({"Format": "$context.requestId"}, "FAIL"),
        ({**LOGGED, "Format": ""}, "FAIL"),
        ({"Fn::If": ["On", LOGGED, NOTHING]}, "FAIL"),
        (ELSEWHERE, "UNKNOWN"),
        ({**LOGGED, "Format": {"Ref": "Free"}}, "UNKNOWN"),
        ({**LOGGED, "DestinationArn": {"Ref": "Free"}}, "UNKNOWN"),
    ],
)  # fmt: skip
def test_access_log(tmp_path: Path, log: Any, expected: str) -> None:
    """A destination and a format, of either kind of stage."""
    assert word(tmp_path, LOG, staged(AccessLogSettings=log)) == expected
    made = rest(M=GET)
    made["Resources"]["Stage"]["Properties"]["AccessLogSetting"] = log
    assert word(tmp_path, LOG, made) == expected
