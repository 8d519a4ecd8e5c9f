"""The mail comes at seven in Berlin, from budgets that cost nothing, and may do nothing else."""

import json

from tests.compliance.templates import named, policy_statements, properties
from tinyllama.cost_summary import control

REPORT = named("report.yaml")


def test_mail_is_sent_at_seven_on_the_clocks_of_berlin() -> None:
    """The local endpoint drops the time zone, so only this sees it."""
    (schedule,) = REPORT.resources("AWS::Scheduler::Schedule").values()
    given = properties(schedule)
    seen = {key: given[key] for key in given if key.startswith("Schedule")}
    assert seen == {
        "ScheduleExpression": "cron(0 7 * * ? *)",
        "ScheduleExpressionTimezone": "Europe/Berlin",
    }
    assert (given["FlexibleTimeWindow"], given["State"]) == ({"Mode": "OFF"}, "ENABLED")


def test_claim_ends_after_the_function_and_before_the_next_try() -> None:
    """Else two tries would run at once, or the second one would leave the mail."""
    (function,) = REPORT.resources("AWS::Lambda::Function").values()
    assert properties(function)["Timeout"] < control.CLAIM_S < 60


def test_budgets_only_count() -> None:
    """No alert and no action, which could cost; fixed names, which therefore never collide."""
    budgets = REPORT.resources("AWS::Budgets::Budget")
    assert len(budgets) == 6
    for logical_id, budget in budgets.items():
        given = properties(budget)
        assert set(given) == {"Budget", "ResourceTags"}, logical_id
        assert given["Budget"]["BudgetName"]["Fn::Sub"].startswith("${Name}-report-")
        assert given["Budget"]["CostTypes"] == {"IncludeCredit": False, "IncludeRefund": False}
    units = [properties(budget)["Budget"]["TimeUnit"] for budget in budgets.values()]
    assert units == ["DAILY", *["MONTHLY"] * 5]
    assert not list(REPORT.resources("AWS::Budgets::BudgetsAction"))


def test_function_may_view_each_budget_that_it_reads() -> None:
    """The services by the names of the mail, and no other budget."""
    (function,) = REPORT.resources("AWS::Lambda::Function").values()
    named_ones = properties(function)["Environment"]["Variables"]
    services = json.loads(named_ones["TL_SERVICE_BUDGETS"]["Fn::Sub"])
    read = {"${MonthBudget}", "${DayBudget}", *services.values()}
    (statement,) = (
        s for s in policy_statements(REPORT.body) if s["Action"] == "budgets:ViewBudget"
    )
    assert {arn["Fn::Sub"].split(":budget/")[1] for arn in statement["Resource"]} == read
    own = {f"${{{logical_id}}}" for logical_id in REPORT.resources("AWS::Budgets::Budget")}
    assert own | {"${MonthBudget}"} == read


def test_month_is_read_from_the_budget_of_the_guard() -> None:
    """One budget counts the month; its credits are left out, as the mail says."""
    (budget,) = named("guard.yaml").resources("AWS::Budgets::Budget").values()
    assert properties(budget)["Budget"]["TimeUnit"] == "MONTHLY"
    assert properties(budget)["Budget"]["CostTypes"]["IncludeCredit"] is False
    assert named("guard.yaml").body["Outputs"]["MonthBudget"]["Value"] == {"Ref": "Budget"}
    given = properties(named("stack.yaml").body["Resources"]["Report"])["Parameters"]
    assert given["MonthBudget"] == {"Fn::GetAtt": "Guard.Outputs.MonthBudget"}
