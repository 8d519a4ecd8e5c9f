"""The report of a mutation run: a table at most 80 columns wide, and JSON."""

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
    """A table with a line for each fault, then each survivor with its diff; the result is last."""
    parts = [_table(score)]
    parts += [_survivor(mutant) for mutant in score.of("survived")]
    for title, lines in (
        ("killed by an unexpected rule, or only by UNKNOWN", [
            f"{mutant.where}: {mutant.operator}: {', '.join(mutant.killed_by)}"
            for mutant in score.unexpected
        ]),
        ("equivalent, so they break nothing", [
            f"{mutant.where}: {mutant.operator}: {mutant.reason}"
            for mutant in score.of("equivalent")
        ]),
        ("listed as equivalent, but did not survive; remove them from equivalents.py", [
            f"{stale.file} {stale.resource} {stale.place}: {stale.operator}"
            for stale in score.stale
        ]),
        ("inapplicable mutations", [
            f"{mutation.file}: {mutation.operator}: {mutation.why}"
            for mutation in score.inapplicable
        ]),
    ):  # fmt: skip
        if lines:
            parts.append("\n".join((f"{title}:", *(_wrapped(line) for line in lines))))
    return "\n\n".join((*parts, result(score))) + "\n"


def result(score: Score) -> str:
    """One line with the verdict and the counts."""
    word = "FAIL" if score.exit_code() else "PASS"
    equivalent = len(score.of("equivalent"))
    return (
        f"mutate: {word}: {len(score.of('killed'))} of {score.total} mutants killed "
        f"({len(score.operators)} operators, {equivalent} equivalent)"
    )


def _table(score: Score) -> str:
    lines = [f"{'operator':<{_NAME}}{'mutants':>{_NUMBER}}{'killed':>{_NUMBER}}  by"]
    faults = {operator.name: operator.fault for operator in score.operators}
    ways = Counter(operator.fault for operator in score.operators)
    by_fault: dict[str, list[Mutant]] = {fault: [] for fault in ways}
    for mutant in score.mutants:
        by_fault[faults[mutant.operator]].append(mutant)
    for fault, mutants in by_fault.items():
        name = f"{fault} ({ways[fault]} ways)" if ways[fault] > 1 else fault
        broken = [mutant for mutant in mutants if mutant.state != "equivalent"]
        killed = [mutant for mutant in broken if mutant.state == "killed"]
        by = ", ".join(dict.fromkeys(rule for mutant in killed for rule in mutant.killed_by))
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
    """The score, the operators and every mutant as JSON; ASCII, so that any file name survives."""
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
        "mutants": [asdict(mutant) | {"state": mutant.state} for mutant in score.mutants],
        "stale": [asdict(equivalent) for equivalent in score.stale],
        "inapplicable": [asdict(mutation) for mutation in score.inapplicable],
    }
    return json.dumps(document, indent=2) + "\n"


def _operators(score: Score) -> Iterator[dict[str, object]]:
    counts = Counter(mutant.operator for mutant in score.mutants)
    for operator in score.operators:
        yield {
            "name": operator.name,
            "breaks": operator.breaks,
            "expected": list(operator.expected),
            "mutants": counts[operator.name],
        }
