"""Small changes that break the system, and the stage of the smoke that must notice each.

A smoke that passes proves something only if it fails when it should. Each sabotage is applied to a
copy of the tree. The text it replaces must occur exactly once, so that a sabotage that no longer
fits the tree is an error and not a pass.

Long because it is one table: a row a sabotage.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tljudge.cli.errors import UsageError


@dataclass(frozen=True, slots=True)
class Sabotage:
    """Replace `old` by `new` in `file`; the smoke must fail at `stage`.

    `also` holds more such changes, as (file, old, new), where two guards protect the same thing.
    """

    name: str
    stage: str
    file: str
    old: str
    new: str
    also: tuple[tuple[str, str, str], ...] = ()


class InapplicableSabotage(UsageError):
    """The text that a sabotage replaces is not in the tree exactly once."""


_EDGE = "cloudformation/edge.yaml"
_GUARD = "handlers/tinyllama/stop_build_box"
_NODE = "cloudformation/node.yaml"
_QUEUE = "cloudformation/queue.yaml"
_REPORT = "cloudformation/report.yaml"
_ROUTER = "cloudformation/router.yaml"
_CONNECT = """
              - !If
                - UseGpu
                - Effect: Allow
                  Action: """
_UTILS = "handlers/tinyllama/utils"

ALL: tuple[Sabotage, ...] = (
    Sabotage(
        "native code in a zip",
        "package",
        f"{_UTILS}/observability/metrics.py",
        '"""Metrics',
        '\x7fELF"""Metrics',
    ),
    Sabotage(
        "an attribute that does not exist",
        "deploy",
        _ROUTER,
        "Role: !GetAtt RouterRole.Arn",
        "Role: !GetAtt RouterRole.Name",
    ),
    Sabotage(
        "authorizer off a route",
        "as deployed",
        _EDGE,
        """RouteKey: GET /ping
      Target: !Sub integrations/${RouterIntegration}
      AuthorizationType: JWT
      AuthorizerId: !Ref Authorizer""",
        """RouteKey: GET /ping
      Target: !Sub integrations/${RouterIntegration}
      AuthorizationType: NONE""",
    ),
    Sabotage(
        "throttle off a route",
        "as deployed",
        _EDGE,
        "        POST /stop: {ThrottlingBurstLimit: 5, ThrottlingRateLimit: 20, "
        "DetailedMetricsEnabled: false}\n",
        "",
    ),
    Sabotage(
        "egress of the cache opened",
        "as deployed",
        _QUEUE,
        "CidrIp: !Ref NatRange",
        "CidrIp: 0.0.0.0/0",
    ),
    Sabotage(
        "volume not encrypted",
        "as deployed",
        _NODE,
        "Encrypted: true",
        "Encrypted: false",
    ),
    Sabotage(
        "router does not verify",
        "refusals",
        f"{_UTILS}/auth/access_token.py",
        """    if not key.verify(f"{segments[0]}.{segments[1]}".encode(), signature):
        raise InvalidToken(Reason.SIGNATURE)
""",
        "",
    ),
    Sabotage(
        "router takes id tokens",
        "refusals",
        f"{_UTILS}/auth/access_token.py",
        """    if payload.get("client_id") != audience:
        raise InvalidToken(Reason.CLIENT)
    if payload.get("token_use") != "access":
        raise InvalidToken(Reason.USE)
""",
        "",
    ),
    Sabotage(
        "unknown fields pass",
        "bodies",
        f"{_UTILS}/http/body.py",
        '_refuse_unknown(members, "prompt", "idle")',
        '_refuse_unknown(members, "prompt", "idle", "model")',
    ),
    Sabotage(
        "any origin allowed",
        "preflight",
        _EDGE,
        "AllowOrigins: !Ref AllowedOrigins",
        'AllowOrigins: ["*"]',
    ),
    Sabotage(
        "no permission to start the node",
        "cold boot",
        _ROUTER,
        "Action: ec2:StartInstances",
        "Action: ec2:DescribeInstanceStatus",
    ),
    Sabotage(
        "no permission to connect to the cache",
        "cold boot",
        _ROUTER,
        f"as the router's user, while there is a queue.{_CONNECT}elasticache:Connect",
        f"as the router's user, while there is a queue.{_CONNECT}elasticache:DescribeUsers",
    ),
    Sabotage(
        "each request counted as a start",
        "cold boot",
        "handlers/tinyllama/utils/waking/wake.py",
        "    published = queue.begin_start()\n",
        """    published = queue.begin_start()
    metrics.emit(stack, Metric.EC2_STARTS, dimensions={"Reason": "ColdBoot"})
""",
    ),
    Sabotage(
        "job's time to live dropped",
        "cold boot",
        f"{_UTILS}/queue/accept.lua",
        "    redis.call('SET', JOB_OF .. id, document, 'PX', JOB_KEPT_MS)\n    if has_expired",
        "    redis.call('SET', JOB_OF .. id, document)\n    if has_expired",
    ),
    Sabotage(
        "node may not read its settings",
        "cold boot",
        _NODE,
        "Action: ssm:GetParameter",
        "Action: ssm:DescribeParameters",
    ),
    Sabotage(
        "reply readable by others",
        "replies",
        "handlers/tinyllama/router/app.py",
        "if job is None or not job_id.belongs_to(job, claims.sub):",
        "if job is None:",
        also=(
            (f"{_UTILS}/queue/job_queue.py", 'if document.get("sub") != sub:', "if not document:"),
        ),
    ),
    Sabotage(
        "a foreign id told from an unknown one",
        "replies",
        "handlers/tinyllama/router/app.py",
        "if job is None or not job_id.belongs_to(job, claims.sub):",
        "if job is None:",
    ),
    Sabotage(
        "throttle per route only",
        "throttle",
        f"{_UTILS}/queue/accept.lua",
        "if wait_s > 0 then",
        "if false then",
    ),
    Sabotage(
        "queue health open to every user",
        "queue health",
        "handlers/tinyllama/queue_health/app.py",
        "if ADMINS not in claims.groups:",
        "if ADMINS in claims.groups and not claims.sub:",
    ),
    Sabotage(
        "an alarm that tells nobody",
        "report",
        _REPORT,
        """      Threshold: 80
      ComparisonOperator: GreaterThanThreshold
      TreatMissingData: notBreaching
      AlarmActions: [!Ref AlarmTopic]
""",
        """      Threshold: 80
      ComparisonOperator: GreaterThanThreshold
      TreatMissingData: notBreaching
""",
    ),
    Sabotage(
        "a dashboard of a metric that nobody sends",
        "report",
        _REPORT,
        '"EC2Starts", "Reason"',
        '"Ec2Starts", "Reason"',
    ),
    Sabotage(
        "the mail is sent twice",
        "report",
        "handlers/tinyllama/cost_summary/app.py",
        "    if is_ours:\n",
        "    if is_ours or current:\n",
    ),
    Sabotage(
        "the mail says 0 for what is not known",
        "report",
        "handlers/tinyllama/cost_summary/budgets.py",
        "return amount if amount > 0 else Absent.NOT_YET",
        "return amount",
    ),
    Sabotage(
        "the spend is on no dashboard",
        "metric data",
        "handlers/tinyllama/cost_summary/app.py",
        "        _count(current.stack, known)\n",
        "",
    ),
    Sabotage(
        "the dashboard asks for a metric without its dimension",
        "metric data",
        _REPORT,
        '"ResizeRequests", "Action", "resize", ',
        '"ResizeRequests", ',
    ),
    Sabotage(
        "the killer's stops are not counted",
        "killer's data",
        "handlers/tinyllama/stop_build_box/app.py",
        "        metrics.emit(guard.settings.stack, Metric.BUDGET_STOPS)\n",
        "        pass\n",
    ),
    Sabotage(
        "the mail may not read the budgets",
        "report",
        _REPORT,
        "Action: budgets:ViewBudget",
        "Action: budgets:DescribeBudgetAction",
    ),
    Sabotage(
        "wrong table of errors",
        "cache loss",
        f"{_UTILS}/http/errors.py",
        'Row(503, "queue_unavailable", QueueError,',
        'Row(500, "queue_unavailable", QueueError,',
    ),
    Sabotage(
        "lost jobs are never mentioned again",
        "cache loss",
        "handlers/tinyllama/router/app.py",
        'raise ApiError("job_gone")',
        'raise ApiError("not_found")',
    ),
    Sabotage(
        "no journal of answers",
        "cache loss",
        "handlers/node/worker.py",
        "return self._journal.answer(claim.job_id, claim.body)",
        "return None",
    ),
    Sabotage(
        "worker leaves what it held before it crashed",
        "worker crash",
        "handlers/node/claim.lua",
        "(lease.consumer == consumer or lease['until'] <= now) then",
        "(lease.consumer ~= consumer and lease['until'] <= now) then",
    ),
    Sabotage(
        "one slot only",
        "turns",
        "handlers/node/__main__.py",
        "for _ in range(node_settings.slots)",
        "for _ in range(1)",
    ),
    Sabotage(
        "one line instead of turns",
        "turns",
        "handlers/node/claim.lua",
        "if redis.call('LINDEX', TURNS, 0) == sub then",
        "if redis.call('EXISTS', own) == 0 and redis.call('LINDEX', TURNS, 0) == sub then",
    ),
    Sabotage(
        "stop asks nobody",
        "stop in use",
        "handlers/tinyllama/stop/app.py",
        "    ask()\n",
        "",
        also=(("handlers/tinyllama/stop/app.py", "        ask_again()\n", ""),),
    ),
    Sabotage(
        "every user may force a stop",
        "stop in use",
        "handlers/tinyllama/stop/app.py",
        "if force and ADMINS not in claims.groups:",
        "if force and not claims.sub:",
    ),
    Sabotage(
        "a stop tells no owner",
        "stop in use",
        "handlers/tinyllama/stop/app.py",
        '    tell_owners(current.queue, claims.sub, force=force, route="POST /stop")\n',
        "",
    ),
    Sabotage(
        "GET wakes nobody",
        "stopping",
        "handlers/tinyllama/router/app.py",
        "if state.wants_node and not state.node_awake:",
        "if False:",
    ),
    Sabotage(
        "no permission for the waker to start the node",
        "stopping",
        "cloudformation/waker.yaml",
        "Action: ec2:StartInstances",
        "Action: ec2:DescribeInstanceStatus",
    ),
    Sabotage(
        "a refused prompt stays in the queue",
        "no capacity",
        "handlers/tinyllama/router/app.py",
        """        if _is_withdrawn(queue, accepted.job_id):
            raise
        return False
""",
        "        raise\n",
    ),
    Sabotage(
        "the waker tells no owner",
        "no capacity",
        "handlers/tinyllama/waker/app.py",
        "older_than_ms=TELL_AFTER_MS",
        "older_than_ms=_NOBODY_IS_THAT_OLD_MS",
    ),
    Sabotage(
        "router ignores the hold of a resize",
        "resize",
        f"{_UTILS}/control/hold.py",
        'frozenset({"stopping", "changing"})',
        "frozenset({None})",
    ),
    Sabotage(
        "motor loses the previous type",
        "resize",
        f"{_UTILS}/control/step.py",
        "is_back = node is None or node.instance_type == operation.previous",
        "is_back = True",
    ),
    Sabotage(
        "two resizes win",
        "resize",
        f"{_UTILS}/control/table.py",
        '"(attribute_not_exists(resizeState) OR',
        '"(attribute_not_exists(resizeNothing) OR',
    ),
    Sabotage(
        "anybody may resize",
        "resize",
        "handlers/tinyllama/resize/app.py",
        "if ADMINS not in claims.groups:",
        "if not claims.sub:",
    ),
    Sabotage(
        "no mail of a resize that failed",
        "resize",
        "cloudformation/resize.yaml",
        "Action: sns:Publish",
        "Action: sns:GetTopicAttributes",
    ),
    Sabotage(
        "watchdog never stops",
        "watchdog",
        "handlers/node/watchdog.py",
        "        if reason is None:\n",
        "        if reason is None or limits:\n",
    ),
    Sabotage(
        "watchdog stops during a job",
        "watchdog",
        "handlers/node/verdict.py",
        "    if _job_runs(sight, limits):\n        return None\n",
        "",
        also=(
            (
                "handlers/node/verdict.py",
                "return sight.jobs == (0, 0)",
                "return sight.jobs[0] == 0",
            ),
        ),
    ),
    Sabotage(
        "watchdog may not count",
        "watchdog",
        _NODE,
        "Action: cloudwatch:PutMetricData",
        "Action: cloudwatch:ListMetrics",
    ),
    Sabotage(
        "no permission to stop the node",
        "stop in use",
        _ROUTER,
        "Action: ec2:StopInstances",
        "Action: ec2:DescribeInstanceStatus",
    ),
    Sabotage(
        "a forgotten builder is not ended",
        "builder",
        "cloudformation/guard.yaml",
        "Action: ec2:TerminateInstances",
        "Action: ec2:DescribeInstanceStatus",
    ),
    Sabotage(
        "machines off before the latch",
        "killer",
        f"{_GUARD}/killer.py",
        "        is_new, failed = False, Tried()\n",
        "        is_new, failed = False, _guarded(self._machines)\n",
    ),
    Sabotage(
        "one page of machines only",
        "killer",
        f"{_GUARD}/fleet.py",
        'PaginationConfig={"PageSize": PAGE_SIZE}',
        'PaginationConfig={"PageSize": PAGE_SIZE, "MaxItems": PAGE_SIZE}',
    ),
    Sabotage(
        "one refusal spares the rest",
        "killer",
        f"{_GUARD}/fleet.py",
        """            failed.append(f"{name}: {refusal}")
""",
        """            failed.append(f"{name}: {refusal}")
            break
""",
    ),
    Sabotage(
        "no permission to turn the queue off",
        "killer",
        "cloudformation/guard.yaml",
        "                  - cloudformation:UpdateStack\n",
        "                  - cloudformation:ListStacks\n",
    ),
    Sabotage(
        "killer's mail missing",
        "killer",
        f"{_GUARD}/app.py",
        '        _tell(guard, f"budget killer: {why}", outcome)\n',
        "        pass\n",
    ),
    Sabotage(
        "endpoint bills without a GPU",
        "killer",
        _QUEUE,
        """    Type: AWS::EC2::VPCEndpoint
    Condition: UseGpu
""",
        """    Type: AWS::EC2::VPCEndpoint
""",
    ),
    Sabotage(
        "health without a queue is healthy",
        "gpu off",
        "handlers/tinyllama/queue_health/app.py",
        """        raise ApiError("off", fields={"redis": "fail"})
""",
        """        return respond(200, {"redis": "ok"})
""",
    ),
    Sabotage(
        "a resource forgotten on destroy",
        "verify",
        _EDGE,
        """  KeysTable:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Delete
""",
        """  KeysTable:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
""",
    ),
)


def apply(sabotage: Sabotage, source: Path, copy: Path) -> None:
    """Copy the folders that a smoke deploys, and break the copy.

    Raises:
        InapplicableSabotage: the text to replace is not there exactly once.
    """
    for folder in ("cloudformation", "handlers"):
        shutil.copytree(source / folder, copy / folder)
    for file, old, new in ((sabotage.file, sabotage.old, sabotage.new), *sabotage.also):
        path = copy / file
        text = path.read_text("utf-8")
        if text.count(old) != 1:
            raise InapplicableSabotage(
                f"sabotage '{sabotage.name}': {file} holds its text {text.count(old)} times, "
                "not once; write it anew in e2e/sabotage.py"
            )
        path.write_text(text.replace(old, new), "utf-8")
