"""TL_EDGE_3: every route has a throttle."""

from pathlib import Path
from typing import Any

import pytest

from tests.judge.edge_templates import (
    ELSEWHERE,
    GET,
    GROUP,
    KEYS,
    LIMITS,
    LOG,
    LOGGED,
    NOTHING,
    THROTTLE,
    body,
    imported,
    rest,
    staged,
)
from tests.judge.factory import findings, of_type, word


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ({}, "PASS"),
        ({"RouteSettings": {KEYS[0]: LIMITS, KEYS[1]: {"ThrottlingBurstLimit": "5",
                                                      "ThrottlingRateLimit": "0.5"}}}, "PASS"),
        ({"RouteSettings": {KEYS[0]: LIMITS}}, "FAIL"),
        ({"RouteSettings": {KEYS[0]: LIMITS, "GET /infer": LIMITS}}, "FAIL"),
        ({"RouteSettings": {KEYS[0]: LIMITS, KEYS[1]: {"ThrottlingBurstLimit": 5}}}, "FAIL"),
        ({"RouteSettings": {KEYS[0]: LIMITS, KEYS[1]: {"ThrottlingRateLimit": 5}}}, "FAIL"),
        ({"RouteSettings": {KEYS[0]: LIMITS, KEYS[1]: {"Fn::If": ["On", LIMITS, NOTHING]}}},
         "FAIL"),
        ({"RouteSettings": {KEYS[0]: LIMITS, KEYS[1]: {**LIMITS, "ThrottlingRateLimit": -1}}},
         "FAIL"),
        ({"RouteSettings": {}}, "FAIL"),
        ({"RouteSettings": NOTHING}, "FAIL"),
        ({"DefaultRouteSettings": NOTHING}, "FAIL"),
        ({"DefaultRouteSettings": {"ThrottlingBurstLimit": 5}}, "FAIL"),
        ({"RouteSettings": ELSEWHERE}, "UNKNOWN"),
        ({"RouteSettings": {KEYS[0]: LIMITS, KEYS[1]: ELSEWHERE}}, "UNKNOWN"),
        ({"RouteSettings": {KEYS[0]: LIMITS, KEYS[1]: {**LIMITS,
          "ThrottlingRateLimit": {"Ref": "Free"}}}}, "UNKNOWN"),
        ({"DefaultRouteSettings": ELSEWHERE}, "UNKNOWN"),
    ],
)  # fmt: skip
def test_http_throttle(tmp_path: Path, stage: dict[str, Any], expected: str) -> None:
    """Each route by its own key, with burst and rate, beside the default."""
    assert word(tmp_path, THROTTLE, staged(**stage)) == expected


def test_throttle_of_a_route_that_is_not_known(tmp_path: Path) -> None:
    """Its key, or the stage it is served by."""
    made = staged()
    made["Resources"]["R1"]["Properties"]["RouteKey"] = {"Ref": "Free"}
    assert word(tmp_path, THROTTLE, made) == "UNKNOWN"
    foreign = {"ApiId": {"Ref": "Free"}, "RouteKey": "GET /x"}
    alone = body(R=of_type("AWS::ApiGatewayV2::Route", foreign))
    assert word(tmp_path, THROTTLE, alone) == "UNKNOWN"
    here = {"ApiId": {"Ref": "Free"}, "StageName": "s", "DefaultRouteSettings": LIMITS}
    both = body(
        R=of_type("AWS::ApiGatewayV2::Route", foreign),
        S=of_type("AWS::ApiGatewayV2::Stage", {**here, "RouteSettings": {"GET /x": LIMITS}}),
    )
    assert word(tmp_path, THROTTLE, both) == "PASS"


def test_api_without_a_stage_is_unknown_once(tmp_path: Path) -> None:
    """Somebody makes the stage by hand; the routes do not repeat it."""
    made = staged()
    del made["Resources"]["Stage"]
    found = findings(tmp_path, made)
    assert {(one.rule, one.resource, one.verdict) for one in found} == {
        (THROTTLE, "Api", "UNKNOWN"),
        (LOG, "Api", "UNKNOWN"),
    }


def test_quick_stage_has_neither_throttle_nor_log(tmp_path: Path) -> None:
    """AWS makes it with the account's limits and without a log; overrides may say otherwise."""
    quick = of_type("AWS::ApiGatewayV2::Api", {"ProtocolType": "HTTP", "Target": "arn:x"})
    assert word(tmp_path, THROTTLE, body(Api=quick)) == "FAIL"
    assert word(tmp_path, LOG, body(Api=quick)) == "FAIL"
    stage = {"DefaultRouteSettings": LIMITS, "RouteSettings": {"$default": LIMITS},
             "AccessLogSettings": LOGGED}  # fmt: skip
    overrides = of_type(
        "AWS::ApiGatewayV2::ApiGatewayManagedOverrides", {"ApiId": {"Ref": "Api"}, "Stage": stage}
    )
    made = body(Api=quick, O=overrides, L=GROUP)
    assert word(tmp_path, THROTTLE, made) == "PASS"
    assert word(tmp_path, LOG, made) == "PASS"
    made["Resources"]["O"]["Properties"]["Stage"] = ELSEWHERE
    assert word(tmp_path, THROTTLE, made) == "UNKNOWN"
    assert word(tmp_path, LOG, made) == "UNKNOWN"


def test_imported_routes_are_throttled_too(tmp_path: Path) -> None:
    """By the keys that the definition makes."""
    made = imported({"security": [{"token": []}]}, "post", "/infer")
    stage = {"ApiId": {"Ref": "Api"}, "StageName": "s", "DefaultRouteSettings": LIMITS}
    for settings, expected in (
        ({"POST /infer": LIMITS}, "PASS"), ({"GET /infer": LIMITS}, "FAIL"),
    ):  # fmt: skip
        made["Resources"]["S"] = of_type(
            "AWS::ApiGatewayV2::Stage", {**stage, "RouteSettings": settings}
        )
        assert word(tmp_path, THROTTLE, made) == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ([{"HttpMethod": "*", "ResourcePath": "/*", **LIMITS}], "PASS"),
        ([{"HttpMethod": "GET", "ResourcePath": "/infer/{id}", **LIMITS}], "PASS"),
        ([{"HttpMethod": "GET", "ResourcePath": "/~1infer~1{id}", **LIMITS}], "PASS"),
        ([{"HttpMethod": "*", "ResourcePath": "/infer/{id}", **LIMITS}], "PASS"),
        ([{"HttpMethod": "POST", "ResourcePath": "/infer/{id}", **LIMITS}], "FAIL"),
        ([{"HttpMethod": "GET", "ResourcePath": "/infer", **LIMITS}], "FAIL"),
        ([{"HttpMethod": "*", "ResourcePath": "/*", "ThrottlingRateLimit": 5}], "FAIL"),
        ([{"HttpMethod": "*", "ResourcePath": "/*", "ThrottlingRateLimit": -1,
           "ThrottlingBurstLimit": -1}], "FAIL"),
        ([{"HttpMethod": "*", "ResourcePath": "/*", "LoggingLevel": "INFO"}], "FAIL"),
        ([], "FAIL"),
        (NOTHING, "FAIL"),
        ([{"HttpMethod": {"Ref": "Free"}, "ResourcePath": "/*", **LIMITS}], "UNKNOWN"),
        ([ELSEWHERE], "UNKNOWN"),
        (ELSEWHERE, "UNKNOWN"),
        ([{"HttpMethod": "*", "ResourcePath": "/*", **LIMITS,
           "ThrottlingRateLimit": ELSEWHERE}], "UNKNOWN"),
    ],
)  # fmt: skip
def test_rest_throttle(tmp_path: Path, settings: Any, expected: str) -> None:
    """By method settings, exact or with wildcards, encoded or not."""
    assert word(tmp_path, THROTTLE, rest(settings, M=GET)) == expected


def test_rest_path_that_is_not_known_needs_a_wildcard(tmp_path: Path) -> None:
    """Its resource is made elsewhere."""
    elsewhere = {**GET, "ResourceId": {"Ref": "Free"}}
    assert word(tmp_path, THROTTLE, rest(M=elsewhere)) == "PASS"
    exact = [{"HttpMethod": "GET", "ResourcePath": "/infer/{id}", **LIMITS}]
    assert word(tmp_path, THROTTLE, rest(exact, M=elsewhere)) == "UNKNOWN"


@pytest.mark.parametrize(
    ("throttle", "needed", "stage", "expected"),
    [
        ({"BurstLimit": 1, "RateLimit": 1}, True, {"Ref": "Stage"}, "PASS"),
        ({"BurstLimit": 1, "RateLimit": 1}, True, "s", "PASS"),
        ({"BurstLimit": 1, "RateLimit": 1}, False, "s", "FAIL"),
        ({"BurstLimit": 1, "RateLimit": 1}, True, "other", "FAIL"),
        ({"BurstLimit": 1}, True, "s", "FAIL"),
        (NOTHING, True, "s", "FAIL"),
        ({"BurstLimit": 1, "RateLimit": 1}, {"Ref": "Free"}, "s", "UNKNOWN"),
        (ELSEWHERE, True, "s", "UNKNOWN"),
    ],
)
def test_usage_plan_limits_who_brings_its_key(
    tmp_path: Path, throttle: Any, needed: Any, stage: Any, expected: str
) -> None:
    """It counts only where the method asks for a key."""
    made = rest([], M={**GET, "ApiKeyRequired": needed})
    plan = {"ApiStages": [{"ApiId": {"Ref": "Api"}, "Stage": stage}], "Throttle": throttle}
    made["Resources"]["P"] = of_type("AWS::ApiGateway::UsagePlan", plan)
    assert word(tmp_path, THROTTLE, made) == expected


def test_deployment_makes_a_stage_too(tmp_path: Path) -> None:
    """With a name, and settings in its description."""

    def deployed(**properties: Any) -> dict[str, Any]:
        known = {"RestApiId": {"Ref": "Api"}, **properties}
        return rest(stage=of_type("AWS::ApiGateway::Deployment", known), M=GET)

    described = {**LIMITS, "AccessLogSetting": LOGGED}
    good = deployed(StageName="s", StageDescription=described)
    assert [word(tmp_path, rule, good) for rule in (THROTTLE, LOG)] == ["PASS", "PASS"]
    bare = deployed(StageName="s")
    assert [word(tmp_path, rule, bare) for rule in (THROTTLE, LOG)] == ["FAIL", "FAIL"]
    nameless = deployed()
    assert [word(tmp_path, rule, nameless) for rule in (THROTTLE, LOG)] == ["UNKNOWN", "UNKNOWN"]
