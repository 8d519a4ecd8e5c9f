"""A folder of templates of every kind: those of the judge's own tests, ours, and awkward ones.

As a pytest plugin this module keeps a copy of every template that a judge's test judges, so the
corpus holds what passes, fails and is unknown for each rule, also for the next one.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
KEEP_IN = "TL_CORPUS"


def build(folder: Path) -> None:
    """Fill a folder with some hundred templates; subfolders say where they come from."""
    shutil.copytree(PROJECT / "cloudformation", folder / "ours")
    shutil.copytree(PROJECT / "tests/fixtures", folder / "fixtures")
    awkward(folder / "awkward")
    harvest(folder / "judge")


def harvest(folder: Path) -> None:
    """The templates of the tests of the rules."""
    folder.mkdir()
    files = [path for path in sorted((PROJECT / "tests/judge").glob("test_*.py")) if _judges(path)]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.compliance.corpus"]
    command += ["-p", "no:cacheprovider", "--confcutdir", "tests/judge"]
    done = subprocess.run(
        [*command, *map(str, files)],
        cwd=PROJECT,
        env={
            **os.environ,
            KEEP_IN: str(folder),
            "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'compliance'}",
        },
        capture_output=True,
        text=True,
        timeout=900,
    )
    # What those tests assert is not asked here: 1 says that one failed, 2 and above that none ran.
    assert done.returncode in (0, 1), done.stdout + done.stderr


def _judges(path: Path) -> bool:
    """Whether a file asks what a rule's word on a template is, with what this environment has.

    Those of the bounds do too; their templates are large, and of no other kind.
    """
    text = path.read_text("utf-8")
    asks = " word(" in text and not path.name.startswith("test_bounds_")
    return asks and "hypothesis" not in text


def pytest_configure() -> None:
    """Keep what is judged, in a run of the judge's tests that `harvest` started."""
    if KEEP_IN not in os.environ:
        return
    from tests.judge import factory

    folder, check = Path(os.environ[KEEP_IN]), vars(factory)["check"]
    kept: set[str] = set()

    def keep(paths: list[Path], *arguments: Any, **more: Any) -> Any:
        for path in paths:
            text = path.read_text("utf-8")
            if text not in kept:
                kept.add(text)
                (folder / f"{len(kept):03}{path.suffix}").write_text(text, "utf-8")
        return check(paths, *arguments, **more)

    vars(factory)["check"] = keep


WAIVER = """

[[waivers]]
rule = "TL_IAM_3"
resource = "Waived"
reason = "one of the awkward templates has it"
expires = 2099-01-31
"""
GROUP = "  {name}: {{Type: 'AWS::Logs::LogGroup', Properties: {{LogGroupName: {name}}}}}\n"
HEAD = "AWSTemplateFormatVersion: '2010-09-09'\nResources:\n"
OFF = """\
Parameters:
  UseGpu: {Type: String, Default: "false"}
Conditions:
  Gpu: !Equals [!Ref UseGpu, "true"]
Resources:
"""
AWKWARD: dict[str, str | bytes] = {
    # Behind a condition that is false by default, alone and beside what is there.
    "off.yaml": OFF
    + "  Gated: {Type: 'AWS::EC2::SecurityGroup', Condition: Gpu, "
    + "Properties: {GroupDescription: x}}\n",
    "off_and_on.yaml": OFF
    + GROUP.format(name="There")
    + "  Gated: {Type: 'AWS::Logs::LogGroup', Condition: Gpu}\n",
    "off_sibling.yaml": OFF
    + """\
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: x
      SecurityGroupEgress: [{IpProtocol: tcp, FromPort: 1, ToPort: 1, CidrIp: 10.0.0.0/8}]
  World:
    Type: AWS::EC2::SecurityGroupEgress
    Condition: Gpu
    Properties: {GroupId: !Ref Group, IpProtocol: "-1", CidrIp: 0.0.0.0/0}
""",
    # A function and its group, which no single resource shows.
    "siblings.yaml": HEAD
    + "  F: {Type: 'AWS::Lambda::Function', Properties: {FunctionName: f}}\n"
    + "  L: {Type: 'AWS::Logs::LogGroup', Properties: "
    + "{LogGroupName: /aws/lambda/other, RetentionInDays: 30}}\n",
    # Nested, twice with other parameters, and not to be found.
    "parent.yaml": HEAD
    + """\
  One: {Type: 'AWS::CloudFormation::Stack', Properties: {TemplateURL: below/child.yaml}}
  Two:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateURL: below/child.yaml, Parameters: {Days: 30}}
""",
    "below/child.yaml": """\
Parameters:
  Days: {Type: Number, Default: 31}
Resources:
  L: {Type: 'AWS::Logs::LogGroup', Properties: {RetentionInDays: !Ref Days}}
""",
    "lost.yaml": HEAD
    + "  X: {Type: 'AWS::CloudFormation::Stack', Properties: {TemplateURL: no/such.yaml}}\n",
    # Copies of one another: the file tells the findings apart.
    "copy_1.yaml": HEAD + GROUP.format(name="Same"),
    "copy_2.yaml": HEAD + GROUP.format(name="Same"),
    # What checkov passes over in silence, or ends for.
    "duplicate_key.yaml": HEAD + GROUP.format(name="Twice") + GROUP.format(name="Twice"),
    "no_yaml.yaml": HEAD + "  X: [\n# AWS::Nothing\n",
    "null.yaml": HEAD + GROUP.format(name="N") + "    DependsOn:\n",
    "type_is_a_list.yaml": HEAD + GROUP.format(name="L") + "  X: {Type: [AWS::SQS::Queue]}\n",
    "type_is_a_number.yaml": HEAD + GROUP.format(name="L") + "  X: {Type: 3}\n",
    "properties_are_a_list.yaml": HEAD + "  X: {Type: 'AWS::SQS::Queue', Properties: [a]}\n",
    "resources_are_text.yaml": "AWSTemplateFormatVersion: '2010-09-09'\nResources: none\n",
    "no_resources.yaml": "AWSTemplateFormatVersion: '2010-09-09'\nDescription: nothing\n",
    "circle.yaml": HEAD + "  X: {Type: 'AWS::SQS::Queue', DependsOn: X}\n",
    "lost_reference.yaml": HEAD
    + "  X: {Type: 'AWS::SQS::Queue', Properties: {QueueName: !Ref Nobody}}\n",
    "not_utf8.yaml": b"# AWS::\nResources: {X: {Type: 'AWS::SQS::Queue', DependsOn: '\xff'}}\n",
    # What a macro makes, and findings of no resource.
    "macro.yaml": "Transform: Mine\n" + HEAD + GROUP.format(name="M"),
    "loop.yaml": "Transform: AWS::LanguageExtensions\n"
    + HEAD
    + GROUP.format(name="Beside")
    + "  Fn::ForEach::Groups: [Name, [a, b], {'L${Name}': {Type: 'AWS::Logs::LogGroup'}}]\n",
    "sam.yaml": "Transform: AWS::Serverless-2016-10-31\nResources:\n"
    + "  F: {Type: 'AWS::Serverless::Function', Properties: {Handler: a.b, Runtime: python3.13}}\n",
    # Named by a waiver, and skipped in checkov's own way, which waives nothing.
    "waived.yaml": HEAD
    + """\
  Waived:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Statement: []}
      Policies:
        - PolicyName: p
          PolicyDocument: {Statement: {Effect: Allow, Action: 's3:PutObject', Resource: '*'}}
""",
    "skipped.yaml": HEAD
    + "  # checkov:skip=TL_LOGS_1:nobody looks\n"
    + "  L:\n    Type: AWS::Logs::LogGroup\n"
    + "    Metadata: {checkov: {skip: [{id: TL_LOGS_1, comment: nobody looks}]}}\n"
    + "    Properties: {LogGroupName: x}\n",
    # One rule, one resource, two verdicts.
    "fail_and_unknown.yaml": HEAD
    + """\
  P:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Statement:
          - {Effect: Allow, Action: 's3:*', Resource: 'arn:aws:s3:::b/*'}
          - {Effect: Allow, Action: !ImportValue action, Resource: 'arn:aws:s3:::b/*'}
""",
    # Other kinds of file, and names.
    "compose.yaml": "services: {web: {image: 'nginx:1'}}\n",
    "two_documents.yaml": "a: 1\n---\nb: 2\n",
    "list.json": "[1, 2]\n",
    "with space ü.template": HEAD + GROUP.format(name="Named"),
    "deep/er/still.yml": HEAD + GROUP.format(name="Deep"),
    ".hidden/away.yaml": HEAD + GROUP.format(name="Hidden"),
    "node_modules/theirs.yaml": HEAD + GROUP.format(name="Theirs"),
}


def awkward(folder: Path) -> None:
    """What checkov passes over, drops, refuses, or gives in pieces."""
    for name, text in AWKWARD.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    body = {"Resources": {"L": {"Type": "AWS::Logs::LogGroup", "Properties": {}}}}
    (folder / "tabs.json").write_text(json.dumps(body, indent="\t"), "utf-8")
