"""A function stands beside its role and its log group; a route has an authorizer and a limit."""

import re
from collections.abc import Sequence

import pytest

from tests.compliance.templates import Template, named, ours, policy_statements, properties, read

LIMIT = {"ThrottlingBurstLimit": 5, "ThrottlingRateLimit": 20, "DetailedMetricsEnabled": False}


def lonely_functions(template: Template) -> list[str]:
    """Functions without a role of their own or a 30-day log group of the right name beside them."""
    roles = template.resources("AWS::IAM::Role")
    groups = {
        str(properties(group).get("LogGroupName")): (logical_id, group)
        for logical_id, group in template.resources("AWS::Logs::LogGroup").items()
    }
    found, taken = [], set()
    for logical_id, function in template.resources("AWS::Lambda::Function").items():
        where = f"{template.name} {logical_id}"
        given = properties(function)
        role = str(given.get("Role", {}).get("Fn::GetAtt", "")).removesuffix(".Arn")
        if role not in roles or role in taken:
            found.append(f"{where}: has no role of its own in this template")
        else:
            taken.add(role)
            if any("CreateLogGroup" in str(s["Action"]) for s in policy_statements(roles[role])):
                found.append(f"{where}: its role may create log groups, which outlive the stack")
        name = given.get("FunctionName", {}).get("Fn::Sub", "")
        group_id, group = groups.get(str({"Fn::Sub": f"/aws/lambda/{name}"}), ("", {}))
        if not name or properties(group).get("RetentionInDays") != 30:
            found.append(f"{where}: has no log group /aws/lambda/{name} kept for 30 days")
        elif given.get("LoggingConfig") != {"LogGroup": {"Ref": group_id}}:
            found.append(f"{where}: does not name {group_id} as its log group")
        elif group.get("Condition") != function.get("Condition"):
            found.append(f"{where}: exists without its log group")
    return found


def open_routes(template: Template) -> list[str]:
    """Routes without a JWT authorizer, without a limit on every stage, or conditional.

    API Gateway merges new route settings into the old ones. A key of a route that is gone stays,
    and the next change of the stage fails: "Unable to find Route by key" (ADR 0012).
    """
    authorizers = {
        logical_id
        for logical_id, authorizer in template.resources("AWS::ApiGatewayV2::Authorizer").items()
        if properties(authorizer).get("AuthorizerType") == "JWT"
    }
    stages = template.resources("AWS::ApiGatewayV2::Stage")
    routes = template.resources("AWS::ApiGatewayV2::Route")
    found = [f"{template.name}: has routes and no stage"] if routes and not stages else []
    for logical_id, route in routes.items():
        where = f"{template.name} {logical_id}"
        given = properties(route)
        authorizer = given.get("AuthorizerId", {}).get("Ref")
        if given.get("AuthorizationType") != "JWT" or authorizer not in authorizers:
            found.append(f"{where}: has no JWT authorizer")
        if "Condition" in route:
            found.append(f"{where}: its key stays in the stage when the route goes; keep the route")
        for stage_id, stage in stages.items():
            if properties(stage).get("RouteSettings", {}).get(given.get("RouteKey")) != LIMIT:
                found.append(f"{where}: has no limit of its own in {stage_id}")
            if logical_id not in stage.get("DependsOn", []):
                found.append(f"{where}: {stage_id} does not wait for it")
    keys = {properties(route).get("RouteKey") for route in routes.values()}
    for stage_id, stage in stages.items():
        found += [
            f"{template.name} {stage_id}: has settings for {key}, which is no route"
            for key in properties(stage).get("RouteSettings", {})
            if key not in keys
        ]
        if properties(stage).get("DefaultRouteSettings") != LIMIT:
            found.append(f"{template.name} {stage_id}: a route without settings has no limit")
    return found


INTEGRATION_URI = re.compile(r"function:(\$\{Name\}-[a-z-]+)")
LONGEST_MS = 30_000
"""https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html"""


def cut_off_functions(templates: Sequence[Template]) -> list[str]:
    """Integrations that give up before their function: it goes on, and its caller is not told."""
    limits = {
        properties(function)["FunctionName"]["Fn::Sub"]: properties(function)["Timeout"]
        for template in templates
        for function in template.resources("AWS::Lambda::Function").values()
    }
    found = []
    for template in templates:
        integrations = template.resources("AWS::ApiGatewayV2::Integration")
        for logical_id, integration in integrations.items():
            given = properties(integration)
            (name,) = INTEGRATION_URI.findall(str(given["IntegrationUri"]))
            waits_ms = given.get("TimeoutInMillis", LONGEST_MS)
            if not limits[name] * 1000 < waits_ms <= LONGEST_MS:
                found.append(f"{template.name} {logical_id}: {waits_ms} ms for {limits[name]} s")
    return found


def test_gateway_waits_for_longer_than_a_function_runs() -> None:
    """Also shown to trip: a function of a second more, and a gateway of a second less."""
    assert cut_off_functions(ours()) == []
    edge, others = named("edge.yaml"), [t for t in ours() if t.name != "edge.yaml"]
    hasty = read(edge.text.replace("TimeoutInMillis: 29500", "TimeoutInMillis: 28000"))
    assert cut_off_functions([hasty, *others]) == [
        f"broken.yaml {name}Integration: 28000 ms for 28 s" for name in ("Router", "Stop", "Resize")
    ]


@pytest.mark.parametrize("template", ours(), ids=lambda template: template.name)
def test_function_stands_beside_its_role_and_log_group(template: Template) -> None:
    """Also: its role creates no log group, which would come back after the stack is gone."""
    assert lonely_functions(template) == []


def test_functions_are_those_we_know() -> None:
    """The law above is about something: these functions, in these templates."""
    found = {
        (template.name, properties(function)["Handler"])
        for template in ours()
        for function in template.resources("AWS::Lambda::Function").values()
    }
    assert found == {
        ("edge.yaml", "tinyllama.signing_keys.app.handler"),
        ("guard.yaml", "tinyllama.stop_build_box.app.handler"),
        ("router.yaml", "tinyllama.router.app.handler"),
        ("router.yaml", "tinyllama.stop.app.handler"),
        ("resize.yaml", "tinyllama.resize.app.handler"),
        ("resize.yaml", "tinyllama.resize_motor.app.handler"),
        ("queue_health.yaml", "tinyllama.queue_health.app.handler"),
        ("waker.yaml", "tinyllama.waker.app.handler"),
        ("report.yaml", "tinyllama.cost_summary.app.handler"),
    }


FUNCTION = """\
Resources:
  Work:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: !Sub "${Name}-work"
      Role: !GetAtt WorkRole.Arn
      LoggingConfig: {LogGroup: !Ref WorkLog}
  WorkRole:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument: {Statement: [{Effect: Allow, Action: logs:PutLogEvents}]}
  WorkLog:
    Type: AWS::Logs::LogGroup
    Properties:
      LogGroupName: !Sub /aws/lambda/${Name}-work
      RetentionInDays: 30
"""


@pytest.mark.parametrize(
    ("before", "after", "finding"),
    [
        (
            "-work\n      R",
            "-play\n      R",
            "has no log group /aws/lambda/${Name}-work kept for 30 days",
        ),
        (
            "RetentionInDays: 30",
            "RetentionInDays: 14",
            "has no log group /aws/lambda/${Name}-work kept for 30 days",
        ),
        ("GetAtt WorkRole.Arn", "ImportValue shared", "has no role of its own in this template"),
        (
            "PutLogEvents",
            "CreateLogGroup",
            "its role may create log groups, which outlive the stack",
        ),
        ("LogGroup: !Ref WorkLog", "LogFormat: JSON", "does not name WorkLog as its log group"),
        ("LogGroup\n", "LogGroup\n    Condition: UseGpu\n", "exists without its log group"),
    ],
)
def test_lonely_function_is_found(before: str, after: str, finding: str) -> None:
    """Each half of the law, broken alone."""
    assert lonely_functions(read(FUNCTION)) == []
    assert lonely_functions(read(FUNCTION.replace(before, after))) == [
        f"broken.yaml Work: {finding}"
    ]


def test_role_shared_by_two_functions_is_found() -> None:
    """The second function that names a role has none of its own."""
    second = FUNCTION.replace("Resources:\n", "").split("  WorkRole:")[0].replace("Work:", "Play:")
    assert lonely_functions(read(FUNCTION + second)) == [
        "broken.yaml Play: has no role of its own in this template"
    ]


@pytest.mark.parametrize("template", ours(), ids=lambda template: template.name)
def test_route_has_authorizer_and_limit(template: Template) -> None:
    """API-003: on every route, beside the stage's default; and no route comes and goes."""
    assert open_routes(template) == []


def test_routes_are_the_seven_we_know() -> None:
    """The law above is about something; queue health answers without a queue, too."""
    routes = named("edge.yaml").resources("AWS::ApiGatewayV2::Route").values()
    assert {properties(route)["RouteKey"]: route.get("Condition") for route in routes} == {
        "POST /infer": None,
        "GET /infer/{id}": None,
        "GET /ping": None,
        "POST /stop": None,
        "POST /resize": None,
        "GET /resize/{id}": None,
        "GET /queue-health": None,
    }


@pytest.mark.parametrize(
    ("before", "after", "findings"),
    [
        (
            "AuthorizationType: JWT\n      AuthorizerId: !Ref Authorizer\n\n  GetInfer",
            "AuthorizationType: NONE\n\n  GetInfer",
            ["PostInferRoute: has no JWT authorizer"],
        ),
        (
            "AuthorizerType: JWT",
            "AuthorizerType: REQUEST",
            [
                f"{route}Route: has no JWT authorizer"
                for route in (
                    *("PostInfer", "GetInfer", "Ping", "Stop"),
                    *("PostResize", "GetResize", "QueueHealth"),
                )
            ],
        ),
        (
            "        GET /ping: {ThrottlingBurstLimit: 5",
            "        GET /ping: {ThrottlingBurstLimit: 50",
            ["PingRoute: has no limit of its own in Stage"],
        ),
        (
            "        GET /queue-health: {",
            "        GET /health: {",
            [
                "QueueHealthRoute: has no limit of its own in Stage",
                "Stage: has settings for GET /health, which is no route",
            ],
        ),
        (
            "  QueueHealthRoute:\n    Type: AWS::ApiGatewayV2::Route\n",
            "  QueueHealthRoute:\n    Type: AWS::ApiGatewayV2::Route\n    Condition: UseGpu\n",
            [
                "QueueHealthRoute: its key stays in the stage when the route goes; keep the route",
            ],
        ),
        (
            "StopRoute, QueueHealthRoute]",
            "QueueHealthRoute]",
            ["StopRoute: Stage does not wait for it"],
        ),
        (
            "DefaultRouteSettings: {ThrottlingBurstLimit: 5, ThrottlingRateLimit: 20, ",
            "DefaultRouteSettings: {",
            ["Stage: a route without settings has no limit"],
        ),
    ],
)
def test_open_route_is_found(before: str, after: str, findings: list[str]) -> None:
    """Our own edge, broken in one place each."""
    text = named("edge.yaml").text
    assert text.count(before) == 1
    assert open_routes(read(text.replace(before, after), "edge.yaml")) == [
        f"edge.yaml {finding}" for finding in findings
    ]
