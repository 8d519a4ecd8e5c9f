"""Packages a stack with the AWS CLI, and reads the parameters of an environment."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tljudge.cli.errors import UsageError
from tools import programs

LIMIT_S = 300
"""For an upload that hangs; it takes two seconds to a local endpoint, more over a slow line."""


def package(template: Path, bucket: str, environment: Mapping[str, str]) -> str:
    """Upload zips and nested templates with `aws cloudformation package`.

    Returns:
        The root template; S3 URLs replace its local paths.

    Raises:
        UsageError: the CLI failed; has its own message.
    """
    # To its standard output, as a file would stay behind when this process is killed.
    command = [sys.executable, "-m", "awscli", "cloudformation", "package"]
    command += ["--template-file", str(template), "--s3-bucket", bucket]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    quiet = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    try:
        done = programs.run(command, limit_s=LIMIT_S, environment={**clean, **quiet, **environment})
    except subprocess.TimeoutExpired:
        raise UsageError(
            f"package: the AWS CLI did not end within {LIMIT_S} s; look at the endpoint"
        ) from None
    if done.returncode != 0:
        raise UsageError(f"package: the AWS CLI failed: {done.stderr.strip()}")
    return done.stdout


def parameters(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The parameters and stack tags of an environment.

    The form is `{"Parameters": {…}, "Tags": {…}}`, which `aws cloudformation deploy
    --parameter-overrides file://…` reads too.

    Raises:
        UsageError: the file does not exist, or has another form.
    """
    try:
        document: Any = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.json")))
        raise UsageError(f"{path}: no such environment; known: {known}") from None
    except ValueError as error:
        raise UsageError(f"{path}: not JSON: {error}; see parameters/dev.json") from None
    return _section(path, document, "Parameters"), _section(path, document, "Tags")


def _section(path: Path, document: Any, name: str) -> dict[str, str]:
    section = document.get(name) if isinstance(document, dict) else None
    if not isinstance(section, dict) or not all(isinstance(v, str) for v in section.values()):
        raise UsageError(f"{path}: {name} must be an object of texts; see parameters/dev.json")
    return section


def as_list(values: Mapping[str, str], kind: str) -> list[dict[str, str]]:
    """CloudFormation's list form: `ParameterKey`/`ParameterValue`, or `Key`/`Value` for tags."""
    return [{f"{kind}Key": k, f"{kind}Value": v} for k, v in values.items()]
