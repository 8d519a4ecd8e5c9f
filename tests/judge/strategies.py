"""Templates with faults, doubts and neither, for the laws."""

from typing import Any

from hypothesis import strategies as st

from tests.judge.factory import TAGS, of_type

SECTIONS: dict[str, Any] = {
    "Parameters": {
        "Free": {"Type": "String"},
        "Choice": {"Type": "String", "AllowedValues": ["a", "b"]},
        "Range": {"Type": "String", "Default": "10.0.0.0/8"},
    },
    "Conditions": {"IsA": {"Fn::Equals": [{"Ref": "Choice"}, "a"]}},
}
UNKNOWN: dict[str, Any] = {"Fn::ImportValue": "elsewhere"}

cidrs = st.sampled_from(
    ["0.0.0.0/0", "10.0.0.0/8", {"Ref": "Range"}, {"Ref": "Free"}, UNKNOWN,
     {"Fn::If": ["IsA", "0.0.0.0/0", "10.0.0.0/8"]}, {"Fn::Sub": "0.0.0.0/0"}]
)  # fmt: skip
actions = st.sampled_from(["s3:GetObject", "s3:*", "ec2:DescribeInstances", {"Ref": "Free"}])
targets = st.sampled_from(
    ["*", "arn:aws:s3:::b/*", {"Fn::Sub": "arn:aws:s3:::${Free}/*"}, UNKNOWN,
     {"Fn::If": ["IsA", "*", "arn:aws:s3:::b"]}]
)  # fmt: skip
days = st.sampled_from([30, "30", 31, {"Ref": "Free"}, {"Fn::If": ["IsA", 30, 31]}, UNKNOWN])
values = st.sampled_from(["x", "", {"Ref": "Free"}, {"Ref": "Choice"}, UNKNOWN])

groups = st.builds(
    lambda found: of_type(
        "AWS::EC2::SecurityGroup",
        {"SecurityGroupEgress": [{"IpProtocol": "-1", "CidrIp": one} for one in found]},
    ),
    st.lists(cidrs, max_size=3),
)
policies = st.builds(
    lambda action, target: of_type(
        "AWS::IAM::ManagedPolicy",
        {
            "PolicyDocument": {
                "Statement": [{"Effect": "Allow", "Action": [action], "Resource": [target]}]
            }
        },
    ),
    actions,
    targets,
)
log_groups = st.builds(lambda n: of_type("AWS::Logs::LogGroup", {"RetentionInDays": n}), days)
tables = st.builds(
    lambda value: of_type(
        "AWS::DynamoDB::Table",
        {"Tags": [{"Key": k, "Value": value if k == "Project" else v} for k, v in TAGS.items()]},
    ),
    values,
)
resources = st.one_of(groups, policies, log_groups, tables)
several = st.dictionaries(
    st.sampled_from([f"R{i}" for i in range(6)]), resources, min_size=1, max_size=4
)
