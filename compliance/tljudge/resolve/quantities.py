"""Numbers and flags as a template holds them: known, or not known and why."""

from dataclasses import dataclass

from tljudge.resolve.parameters import number
from tljudge.resolve.values import NOVALUE, Text, Unknown, Value, why


@dataclass(frozen=True, slots=True)
class NotKnown:
    """A quantity nobody can know, and why."""

    why: str


Quantity = float | NotKnown


def quantity(value: Value, default: Quantity | None = None) -> Quantity:
    """The number a property holds, `"30"` too; `default` where it is not there."""
    if value is NOVALUE:
        return NotKnown("it is not given") if default is None else default
    if isinstance(value, Unknown | Text):
        return NotKnown(why(value))
    found = number(value) if isinstance(value, str | int | float) else value
    if isinstance(found, bool) or not isinstance(found, int | float):
        return NotKnown(f"{str(value)[:40]!r} is no number")
    return float(found)


def is_true(value: Value) -> bool | None:
    """Whether a flag is set; None where nobody can know."""
    if isinstance(value, Unknown | Text):
        return None
    return value is True or (isinstance(value, str) and value.lower() == "true")


def amount(value: float, *, digits: int = 3) -> str:
    """A number without zeros at its end."""
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
