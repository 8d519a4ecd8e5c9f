"""The Markdown page docs/rules.md, generated from the rules and the default policy.

A family of rules, such as `logs`, reads the section of the policy with the same name.
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
    """A table of all rules, then each rule with reason, fix, source and types."""
    defaults = sections(DEFAULT.read_text("utf-8"))
    lines = [HEAD.rstrip("\n"), "", "| rule | what must hold |", "|---|---|"]
    lines += [f"| [{rule.id}](#{rule.id.lower()}) | {_cell(rule.title)} |" for rule in rules]
    lines.append("")
    for family in dict.fromkeys(map(_family, rules)):
        lines += [f"## {family.upper()}", ""]
        if family in defaults:
            lines += [f"```toml\n{defaults[family]}\n```", ""]
        for rule in rules:
            if _family(rule) == family:
                lines += _described(rule)
    lines += ["## Of every rule", "", f"```toml\n{defaults['scenarios']}\n```", ""]
    lines += ["## What a run says about itself", ""]
    for rule in ABOUT:
        lines += _described(rule)
    return "\n".join(lines).rstrip("\n") + "\n"


def sections(text: str) -> dict[str, str]:
    """Split a policy into its top-level sections, with their comments and subtables, by name."""
    by_name: dict[str, list[str]] = {}
    pending: list[str] = []
    current: list[str] = []
    for line in text.splitlines():
        header = re.match(r"\[+\s*(\w+)", line)
        if header:
            current = by_name.setdefault(header[1], [])
        if header or (line and not line.startswith("#")):
            current += [*pending, line]
            pending = []
        else:
            # A comment or blank line belongs to the line after it.
            pending.append(line)
    current += pending
    return {name: "\n".join(lines).strip("\n") for name, lines in by_name.items()}


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
