"""The generated tables are what their sources say today."""

from tljudge.data import Tagging, tagging, unscoped_actions
from tools import generate_tables


def test_tagging_is_what_the_schemas_say() -> None:
    """Generated again from the cfn-lint of this environment, it is the same."""
    assert generate_tables.text("tagging") == (generate_tables.DATA / "tagging.json").read_text()


def test_known_rows() -> None:
    """A list, a map, another name, none; an action that takes a resource and one that does not."""
    rows = tagging()
    assert rows["AWS::SNS::Topic"] == Tagging("Tags", "list", True)
    assert rows["AWS::Cognito::UserPool"] == Tagging("UserPoolTags", "map", True)
    assert rows["AWS::EC2::Route"] is None
    assert "describeinstances" in unscoped_actions()["ec2"]
    assert "startinstances" not in unscoped_actions()["ec2"]
