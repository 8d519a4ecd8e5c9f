"""The rules as a page: generated from what they say of themselves, so that it is never out of date.

A family of rules reads the section of the policy that has its name.
"""

import re
from collections.abc import Iterator, Sequence

from tljudge.engine.policy import DEFAULT
from tljudge.engine.rule import Rule
from tljudge.formatters.about_runs import ABOUT

HEAD = """\
# Rules

<!-- Generated: tl rules --format markdown > docs/rules.md -->

What `tl check` decides, family by family, with the defaults of the policy that a family reads; a
policy of your own (`--policy`) replaces single keys. `docs/write-a-rule.md` says how to add a rule.
"""
_EVERY = {"*": "every type that takes tags", "**": "every type"}


def render(rules: Sequence[Rule]) -> str:
    """A table of all, then each with its reasons."""
    defaults = sections(DEFAULT.read_text("utf-8"))
    lines = [HEAD.rstrip("\n"), "", "| rule | what must hold |", "|---|---|"]
    lines += [f"| [{one.id}](#{one.id.lower()}) | {_cell(one.title)} |" for one in rules]
    lines.append("")
    for family in dict.fromkeys(map(_family, rules)):
        lines += [f"## {family.upper()}", ""]
        if family in defaults:
            lines += [f"```toml\n{defaults[family]}\n```", ""]
        for one in rules:
            if _family(one) == family:
                lines += _described(one)
    lines += ["## Of every rule", "", f"```toml\n{defaults['scenarios']}\n```", ""]
    lines += ["## What a run says about itself", ""]
    for one in ABOUT:
        lines += _described(one)
    return "\n".join(lines).rstrip("\n") + "\n"


def sections(text: str) -> dict[str, str]:
    """The text of each section of a policy, with its comments and the tables within."""
    found: dict[str, list[str]] = {}
    pending: list[str] = []
    here: list[str] = []
    for line in text.splitlines():
        header = re.match(r"\[+\s*(\w+)", line)
        if header:
            here = found.setdefault(header[1], [])
        if header or (line and not line.startswith("#")):
            here += [*pending, line]
            pending = []
        else:
            # It belongs to what comes after it.
            pending.append(line)
    here += pending
    return {name: "\n".join(lines).strip("\n") for name, lines in found.items()}


def _family(rule: Rule) -> str:
    return rule.id.split("_")[1].lower()


def _described(rule: Rule) -> Iterator[str]:
    yield f"### {rule.id}"
    yield f"\n{rule.title}.\n"
    yield f"- why: {rule.why}"
    yield f"- fix: {rule.fix}"
    if rule.source:
        yield f"- source: <{rule.source}>"
    if rule.types:
        listed = ", ".join(_EVERY.get(kind, f"`{kind}`") for kind in rule.types)
        yield f"- types: {listed}"
        path = "compliance/" + rule.check.__module__.replace(".", "/") + ".py"
        yield f"- file: [{path}](../{path})"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
