"""Given parameters against what templates declare: CloudFormation refuses what this refuses.

A name that no template declares would otherwise be ignored, and the run would judge the defaults of
the parameter that its author meant.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
"""

import difflib
import signal
import threading
from collections.abc import Iterable, Mapping, Sequence
from types import FrameType

from tljudge.decode.errors import shortened
from tljudge.decode.nodes import Map, Node, Scalar, as_text, is_static
from tljudge.decode.parameter_file import ParametersError
from tljudge.decode.template import Template
from tljudge.resolve.parameters import admits, number

PATTERN_S = 0.5
"""CPU seconds for one value and its AllowedPattern."""
_SHORT = 16


def undeclared(given: Iterable[str], declared: Iterable[str], paths: Iterable[object]) -> list[str]:
    """A line for each given name that no root template declares.

    A nested template takes its parameters from its parent, so its declarations do not count.

    Args:
        given: names in the parameter file.
        declared: names that the root templates of the run declare, all together.
        paths: files and folders of the run, as the user named them.
    """
    names = set(declared)
    where = ", ".join(map(str, paths))
    return [
        f"no template in {where} takes a parameter {shortened(name)!r}; {_hint(name, names)}"
        for name in given
        if name not in names
    ]


def _hint(name: str, declared: set[str]) -> str:
    near = difflib.get_close_matches(name, sorted(declared), n=1)
    return f"did you mean {near[0]}?" if near else "remove it, or declare it"


def refused(template: Template, given: Mapping[str, Scalar]) -> list[str]:
    """A line for each given value that the template's own declaration refuses."""
    lines = []
    for name, value in given.items():
        declared = template.parameters.get(name)
        if not isinstance(declared, Map):
            continue
        wanted = _constraint_broken(declared, as_text(value))
        if wanted:
            # The value of a NoEcho parameter is a secret.
            is_secret = as_text(declared.get("NoEcho", "")).lower() == "true"
            shown = "a value that" if is_secret else f"{shortened(as_text(value))!r}, which"
            place = f"{template.file}:{template.parameters.marks[name][0]}"
            lines.append(f"parameter {name} is {shown} {place} refuses; it takes {wanted}")
    return lines


def require_usable(where: object, faults: Sequence[str]) -> None:
    """Refuse parameters that no deployment of these templates could have.

    Args:
        where: the parameter file, or what else the message should name.
        faults: the lines of `undeclared` and `refused`.

    Raises:
        ParametersError: with the first of them.
    """
    if faults:
        more = f" ({len(faults) - 1} more)" if len(faults) > 1 else ""
        raise ParametersError(f"{where}: {faults[0]}{more}")


def _constraint_broken(declared: Map[Node], text: str) -> str:
    """What the parameter takes, if it does not take this value; else empty."""
    kind = as_text(declared.get("Type", "String"))
    if kind.startswith("AWS::SSM::Parameter::Value"):
        return ""  # constraints hold for the stored value, which only the account knows
    is_list = kind == "CommaDelimitedList" or kind.startswith("List<")
    for piece in [piece.strip() for piece in text.split(",")] if is_list else [text]:
        if wanted := _refusal(declared, kind, piece):
            return wanted
    return ""


def _refusal(declared: Map[Node], kind: str, text: str) -> str:
    allowed = declared.get("AllowedValues")
    if isinstance(allowed, list) and all(map(is_static, allowed)):
        texts = [as_text(value) for value in allowed]
        same = any(number(value) == number(text) for value in texts) if "Number" in kind else False
        if text not in texts and not same:
            return shortened(" or ".join(texts), 200)
    if "Number" in kind:
        return _number_refusal(declared, text)
    if not _is_within(declared, "MinLength", "MaxLength", len(text)):
        return f"{_bounds(declared, 'MinLength', 'MaxLength')} characters"
    if not _admits_in_time(declared, text):
        return f"what AllowedPattern {shortened(as_text(declared['AllowedPattern']))} admits"
    return ""


def _admits_in_time(declared: Map[Node], text: str) -> bool:
    """Whether AllowedPattern admits a text; one that takes more than `PATTERN_S` admits it, too.

    A pattern may be written to take for ever, and only the main thread can end it. Another thread
    decides a text of at most `_SHORT` characters, and lets a longer one pass.
    """
    if threading.current_thread() is not threading.main_thread():
        return len(text) > _SHORT or admits(declared, text)
    before = signal.signal(signal.SIGVTALRM, _give_up)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, PATTERN_S)
        try:
            return admits(declared, text)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except _TooSlow:
        return True
    finally:
        signal.signal(signal.SIGVTALRM, before)


class _TooSlow(Exception):
    pass


def _give_up(number: int, frame: FrameType | None) -> None:
    raise _TooSlow


def _number_refusal(declared: Map[Node], text: str) -> str:
    try:
        value = float(text)
    except ValueError:
        return "a number"
    if not _is_within(declared, "MinValue", "MaxValue", value):
        return f"a number {_bounds(declared, 'MinValue', 'MaxValue')}"
    return ""


def _is_within(declared: Map[Node], least: str, most: str, value: float) -> bool:
    low, high = number(declared.get(least)), number(declared.get(most))
    return not (isinstance(low, int | float) and value < low) and not (
        isinstance(high, int | float) and value > high
    )


def _bounds(declared: Map[Node], least: str, most: str) -> str:
    low, high = declared.get(least), declared.get(most)
    if low is None:
        return f"up to {as_text(high)}"
    return f"from {as_text(low)}" + ("" if high is None else f" to {as_text(high)}")
