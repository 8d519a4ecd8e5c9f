"""Runs the commands of an operations page as they stand there, on the local account.

A page gives its commands in blocks of bash below headings. `STACK`, `deploy` and `output` are those
of the first page. Two programs stand in for those that cannot reach a local account: `aws`
is the CLI of this environment, and `curl` finds the API by its local address.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from e2e.run import Run
from e2e.targets.ministack import MiniStack
from tools.deploy.environments import ROOT

OPERATIONS = ROOT / "docs" / "operations"
# The CLI's waiters ask every 15 or 30 s.
LIMIT_S = 250
_CURL = """
import json, os, sys, urllib.error, urllib.request
words, headers, method, data, url = sys.argv[1:], {}, None, None, ""
while words:
    word = words.pop(0)
    if word == "-H":
        name, _, value = words.pop(0).partition(": ")
        headers[name] = value
    elif word == "-X":
        method = words.pop(0)
    elif word == "-d":
        data = words.pop(0).encode()
    elif not word.startswith("-"):
        url = word.replace(os.environ["API_ENDPOINT"], os.environ["LOCAL_API"])
    elif word != "-sS":
        sys.exit(f"curl: {word} is not known here")
asked = urllib.request.Request(url, data, headers, method=method)
try:
    with urllib.request.urlopen(asked) as answer:
        print(answer.read().decode())
except urllib.error.HTTPError as error:
    print(error.read().decode())
"""


def commands(page: str, heading: str) -> str:
    """The bash of one section of a page, as one script.

    Raises:
        ValueError: the page has no such section, or it has no commands.
    """
    text = (OPERATIONS / page).read_text("utf-8")
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE))
    if heading not in sections:
        raise ValueError(f"{page}: no section {heading!r}; it has {', '.join(sections)}")
    blocks = re.findall(r"^```bash\n(.*?)^```$", sections[heading], re.DOTALL | re.MULTILINE)
    if not blocks:
        raise ValueError(f"{page}: the section {heading!r} has no commands")
    return "".join(blocks)


def run_script(
    script: str, run: Run, account: MiniStack, folder: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a script of a page; a command that fails ends it.

    Args:
        folder: an empty folder; it gets the project's `docs`, and `build/stack.yaml` as after
            packaging.
        variables: what the page tells its reader to set, such as `TOKEN`.
    """
    programs = folder / "programs"
    programs.mkdir()
    for name, words in (("aws", ["-m", "awscli"]), ("curl", ["-c", _CURL])):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, *words])} "$@"\n')
        program.chmod(0o755)
    (folder / "docs").symlink_to(ROOT / "docs")
    (folder / "build").mkdir()
    (folder / "build" / "stack.yaml").write_text(run.packaged)
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", _preamble() + script],
        cwd=folder,
        env={
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "AWS_CONFIG_FILE": "/dev/null",
            "STACK": run.name,
            "API_ENDPOINT": run.outputs["ApiEndpoint"],
            "LOCAL_API": account.api_url(run.outputs["ApiEndpoint"]),
            **account.cli_environment(),
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )


def _preamble() -> str:
    """The functions `deploy` and `output`, as the first page defines them."""
    text = (OPERATIONS / "epic-2-secure-edge.md").read_text("utf-8")
    (deploy,) = re.findall(r"^deploy\(\) \{\n.*?^\}\n", text, re.DOTALL | re.MULTILINE)
    (output,) = re.findall(r"^output\(\) \{.*?\}\n", text, re.DOTALL | re.MULTILINE)
    return str(deploy + output)
