"""Charges by use: functions, APIs, stages, queues, topics, user pools and schedules."""

from collections.abc import Iterator

from tljudge.cost.calls import a_month, calls, has_unknown_target
from tljudge.cost.meter import ALWAYS, HOUR, MONTH, USED, Charge, Meter, unpriced
from tljudge.resolve.quantities import UnknownQuantity, amount, is_true, quantity
from tljudge.resolve.values import NOVALUE, Value, for_matching, why

_KB_A_GB = 1e6


def function(meter: Meter) -> Iterator[Charge]:
    """Charges of AWS::Lambda::Function: calls with their log, metrics, SnapStart snapshots."""
    memory = quantity(meter.get("MemorySize"), 128.0)
    architecture = meter.get("Architectures")
    chip: Value = "x86_64" if architecture is NOVALUE else architecture
    chip = architecture[0] if isinstance(architecture, list) and architecture else chip
    scratch = meter.get("EphemeralStorage")
    scratch = scratch.get("Size", NOVALUE) if isinstance(scratch, dict) else scratch
    disk = quantity(scratch, 512.0)
    named = any(p == meter.resource.id and "requests_month" in dict(changed)
                for p, changed in meter.policy.usage_of)  # fmt: skip
    for times, when in calls(meter.resource, meter.usage, named):
        if (
            isinstance(times, UnknownQuantity)
            or isinstance(memory, UnknownQuantity)
            or isinstance(disk, UnknownQuantity)
            or not isinstance(chip, str)
        ):
            unclear = [q.why for q in (times, memory, disk) if isinstance(q, UnknownQuantity)]
            reason = unclear[0] if unclear else "its architecture is unknown"
            yield unpriced("calls", MONTH, when, reason)
            continue
        seconds = times * meter.usage.function_ms / 1000
        written = times * meter.usage.log_kb_call / _KB_A_GB
        yield meter.charge(
            f"{amount(times, digits=0)} calls of {amount(memory)} MB, and their log",
            ("million", "lambda", times / 1e6),
            ("gb_second", f"lambda.{chip}", seconds * memory / 1024),
            ("gb_second", "lambda.ephemeral", seconds * max(0.0, disk - 512) / 1024),
            ("gb", "logs", written),
            ("gb_month", "logs", written),
            when=when,
        )
    if meter.usage.metrics:
        yield meter.metrics(meter.usage.metrics, USED)
    snap = meter.get("SnapStart")
    on = snap.get("ApplyOn", "None") if isinstance(snap, dict) else snap
    if on not in (NOVALUE, "None") and not for_matching(meter.get("Runtime"), "").startswith(
        "java"
    ):
        yield unpriced(
            "SnapStart", HOUR, ALWAYS, "the price file has no price for SnapStart snapshots"
        )


def version(meter: Meter) -> Iterator[Charge]:
    """Charges of AWS::Lambda::Version and Alias: provisioned concurrency."""
    name = "ProvisionedConcurrencyConfig"
    if meter.get(name) is not NOVALUE:
        yield unpriced("provisioned concurrency", HOUR, ALWAYS, "no price for it")


def http_api(meter: Meter) -> Iterator[Charge]:
    """Charges of AWS::ApiGatewayV2::Api."""
    if meter.get("ProtocolType") not in (NOVALUE, "HTTP"):
        yield unpriced("messages", MONTH, USED, "no price for this protocol")
        return
    yield _requests(meter, "http_api")


def rest_api(meter: Meter) -> Iterator[Charge]:
    """Charges of AWS::ApiGateway::RestApi."""
    yield _requests(meter, "rest_api")


def _requests(meter: Meter, item: str) -> Charge:
    times = meter.usage.requests_month
    shown = f"{amount(times, digits=0)} requests"
    return meter.charge(shown, ("million", item, times / 1e6), when=USED)


def stage(meter: Meter) -> Iterator[Charge]:
    """Charges of a stage of either API type: access log, cache, detailed metrics."""
    log = meter.get("AccessLogSettings")
    log = meter.get("AccessLogSetting") if log is NOVALUE else log
    if log is not NOVALUE:
        written = meter.usage.requests_month * meter.usage.log_kb_call / _KB_A_GB
        yield meter.charge(
            f"{amount(written)} GB of access log",
            ("gb", "logs", written),
            ("gb_month", "logs", written),
            when=USED,
        )
    if is_true(meter.get("CacheClusterEnabled")) is not False:
        yield unpriced("cache of the stage", HOUR, ALWAYS, "no price for it")
    routes = meter.get("RouteSettings")
    inner = [meter.get("DefaultRouteSettings"), routes]
    inner += routes.values() if isinstance(routes, dict) else []
    detailed = (s.get("DetailedMetricsEnabled", False) for s in inner if isinstance(s, dict))
    if any(is_true(flag) is not False for flag in detailed):
        yield unpriced("detailed metrics", HOUR, USED, "their number is unknown")


def queue(meter: Meter) -> Iterator[Charge]:
    """Charges of AWS::SQS::Queue."""
    yield _requests(meter, "queue")


def topic(meter: Meter) -> Iterator[Charge]:
    """Charges of AWS::SNS::Topic, with its inline subscriptions."""
    yield _requests(meter, "publish")
    inline = meter.get("Subscription")
    for subscription in inline if isinstance(inline, list) else ():
        if isinstance(subscription, dict) and subscription.get("Protocol") in (
            "email",
            "email-json",
        ):
            yield _mails(meter)


def subscription(meter: Meter) -> Iterator[Charge]:
    """AWS::SNS::Subscription."""
    if meter.get("Protocol") in ("email", "email-json"):
        yield _mails(meter)


def _mails(meter: Meter) -> Charge:
    sent = meter.usage.mails_month
    return meter.charge(f"{amount(sent)} mails", ("million", "mail", sent / 1e6))


def user_pool(meter: Meter) -> Iterator[Charge]:
    """Charges of AWS::Cognito::UserPool."""
    tier, more = meter.get("UserPoolTier"), meter.get("UserPoolAddOns")
    tier = "ESSENTIALS" if tier is NOVALUE else tier
    mode = more.get("AdvancedSecurityMode", "OFF") if isinstance(more, dict) else more
    if mode not in (NOVALUE, "OFF"):
        tier = "PLUS"
    if not isinstance(tier, str):
        yield unpriced("users", MONTH, USED, f"its tier: {why(tier)}")
        return
    count = meter.usage.users_month
    yield meter.monthly(f"{amount(count)} users, {tier}", f"user.{tier.lower()}", count, when=USED)


def timer(meter: Meter) -> Iterator[Charge]:
    """Charges of AWS::Events::Rule and AWS::Scheduler::Schedule, without those of their targets."""
    times = a_month(meter.get("ScheduleExpression"))
    if times == 0.0 or meter.get("State") == "DISABLED":
        return
    if meter.resource.type == "AWS::Scheduler::Schedule":
        count = times if isinstance(times, UnknownQuantity) else times / 1e6
        yield meter.charge("its ticks", ("million", "schedule", count))
    if has_unknown_target(meter.resource):
        yield unpriced(
            "what it calls", MONTH, ALWAYS, "its target is not declared in this deployment"
        )
