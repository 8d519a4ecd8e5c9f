"""Numbers and flags of a template: known, or unknown with a reason."""

from dataclasses import dataclass

from tljudge.decode.errors import shortened
from tljudge.resolve.parameters import number
from tljudge.resolve.values import NOVALUE, Text, Unknown, Value, why


@dataclass(frozen=True, slots=True)
class UnknownQuantity:
    """A number that the template does not decide, and why."""

    why: str


Quantity = float | UnknownQuantity


def quantity(value: Value, default: Quantity | None = None) -> Quantity:
    """The number in a property, also from text such as `"30"`; `default` if it is absent."""
    if value is NOVALUE:
        return UnknownQuantity("it is not set") if default is None else default
    if isinstance(value, Unknown | Text):
        return UnknownQuantity(why(value))
    number_or_value = number(value) if isinstance(value, str | int | float) else value
    if isinstance(number_or_value, bool) or not isinstance(number_or_value, int | float):
        return UnknownQuantity(f"{shortened(str(value), 40)!r} is not a number")
    return float(number_or_value)


def is_true(value: Value) -> bool | None:
    """Whether a flag is true; None if it is unknown. An absent flag is false."""
    if isinstance(value, Unknown | Text):
        return None
    return value is True or (isinstance(value, str) and value.lower() == "true")


def amount(value: float, *, digits: int = 3) -> str:
    """Format a number with thousands separators and without trailing zeros."""
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
