"""What became of the mutants: a table for a person, readable at 80 columns, and JSON."""

import json
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

from tljudge.mutation.score import Mutant, Score

WIDTH = 80
_NAME, _NUMBER, _BY = 32, 8, 30
SCHEMA_VERSION = 1


def render(score: Score) -> str:
    """A line for each fault, then survivors with their diffs; the last line is the result."""
    parts = [_table(score)]
    parts += [_survivor(one) for one in score.of("survived")]
    for title, lines in (
        ("killed by another rule than should notice, or by one that could not know", [
            f"{one.where}: {one.operator}: {', '.join(one.killed_by)}" for one in score.unexpected
        ]),
        ("break nothing", [
            f"{one.where}: {one.operator}: {one.reason}" for one in score.of("equivalent")
        ]),
        ("argued to break nothing, and no survivor; remove the argument", [
            f"{one.file} {one.resource} {one.place}: {one.operator}" for one in score.stale
        ]),
        ("no mutant was made of", [
            f"{one.file}: {one.operator}: {one.why}" for one in score.inapplicable
        ]),
    ):  # fmt: skip
        if lines:
            parts.append("\n".join((f"{title}:", *(_wrapped(line) for line in lines))))
    return "\n\n".join((*parts, result(score))) + "\n"


def result(score: Score) -> str:
    """One line with the verdict and the counts."""
    word = "FAIL" if score.exit_code() else "PASS"
    argued = len(score.of("equivalent"))
    return (
        f"mutate: {word}: {len(score.of('killed'))} of {score.total} mutants killed "
        f"({len(score.operators)} operators, {argued} equivalent)"
    )


def _table(score: Score) -> str:
    lines = [f"{'operator':<{_NAME}}{'mutants':>{_NUMBER}}{'killed':>{_NUMBER}}  by"]
    faults = {one.name: one.fault for one in score.operators}
    ways = Counter(one.fault for one in score.operators)
    by_fault: dict[str, list[Mutant]] = {fault: [] for fault in ways}
    for mutant in score.mutants:
        by_fault[faults[mutant.operator]].append(mutant)
    for fault, mutants in by_fault.items():
        name = f"{fault} ({ways[fault]} ways)" if ways[fault] > 1 else fault
        broken = [one for one in mutants if one.state != "equivalent"]
        killed = [one for one in broken if one.state == "killed"]
        by = ", ".join(dict.fromkeys(rule for one in killed for rule in one.killed_by))
        first, *more = textwrap.wrap(by, _BY) or [""]
        head = f"{name:<{_NAME}}{len(broken):>{_NUMBER}}{len(killed):>{_NUMBER}}  {first}"
        lines.append(head.rstrip())
        lines += [f"{'':<{_NAME + 2 * _NUMBER + 2}}{line}" for line in more]
    return "\n".join(lines)


def _survivor(mutant: Mutant) -> str:
    return "\n".join((_wrapped(f"survived: {mutant.where}: {mutant.operator}"), mutant.diff))


def _wrapped(line: str) -> str:
    return textwrap.fill(
        line, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def as_json(score: Score) -> str:
    """Every mutant, and the score; plain ASCII, so that any file name survives."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "score": {
            "mutants": score.total,
            "killed": len(score.of("killed")),
            "survived": len(score.of("survived")),
            "equivalent": len(score.of("equivalent")),
            "percent": round(100 * len(score.of("killed")) / max(1, score.total), 2),
            "operators": len(score.operators),
        },
        "operators": list(_operators(score)),
        "mutants": [asdict(one) | {"state": one.state} for one in score.mutants],
        "stale": [asdict(one) for one in score.stale],
        "inapplicable": [asdict(one) for one in score.inapplicable],
    }
    return json.dumps(document, indent=2) + "\n"


def _operators(score: Score) -> Iterator[dict[str, object]]:
    counts = Counter(one.operator for one in score.mutants)
    for one in score.operators:
        yield {
            "name": one.name,
            "breaks": one.breaks,
            "expected": list(one.expected),
            "mutants": counts[one.name],
        }
