"""Read the parameter file: the parameters and stack tags of one environment, as JSON."""

import json
from collections.abc import Mapping
from pathlib import Path

from tljudge.decode.nodes import Scalar

Given = Mapping[str, Mapping[str, Scalar]]
"""The content of a parameter file: `{"Parameters": {...}, "Tags": {...}}`, both optional."""


class ParametersError(Exception):
    """The parameter file cannot be used. The text says where, what was found, what to do."""


def read_parameters(path: Path) -> dict[str, dict[str, Scalar]]:
    """Read `{"Parameters": {...}, "Tags": {...}}`; both are optional.

    Raises:
        ParametersError: the file cannot be read, or has another shape.
    """
    try:
        body = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ParametersError(f"{path}: cannot be read: {error.strerror}; name a file") from None
    except UnicodeDecodeError as error:
        raise ParametersError(
            f"{path}: byte {error.start} is not UTF-8; save it as UTF-8"
        ) from None
    except RecursionError:
        raise ParametersError(f"{path}: is nested too deep; name a parameter file") from None
    except ValueError as error:
        raise ParametersError(f"{path}: {error}; correct the JSON") from None
    return checked_parameters(str(path), body)


def checked_parameters(where: str, body: object) -> dict[str, dict[str, Scalar]]:
    """Parameters and stack tags as the judge takes them.

    Args:
        where: the file, or what else a message should name.
        body: what it holds.

    Raises:
        ParametersError: it has another form.
    """
    if not isinstance(body, dict) or not body.keys() <= {"Parameters", "Tags"}:
        raise ParametersError(f'{where}: write {{"Parameters": {{...}}, "Tags": {{...}}}}')
    for section, values in body.items():
        if not isinstance(values, dict) or not all(
            isinstance(value, str | int | float) for value in values.values()
        ):
            raise ParametersError(f"{where}: {section} maps names to texts or numbers")
    given: dict[str, dict[str, Scalar]] = body
    return given
