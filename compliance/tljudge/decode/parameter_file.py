"""Read the parameter file: the parameters and stack tags of one environment, as JSON."""

import json
from collections.abc import Mapping
from pathlib import Path

from tljudge.decode.errors import shortened
from tljudge.decode.nodes import Scalar

Given = Mapping[str, Mapping[str, Scalar]]
"""The content of a parameter file: `{"Parameters": {...}, "Tags": {...}}`, both optional."""


_FORM = 'write {"Parameters": {...}, "Tags": {...}}'
# CodePipeline's template configuration file may hold a stack policy, which changes no value.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/continuous-delivery-codepipeline-cfn-artifacts.html
_IGNORED = ("StackPolicy",)


class ParametersError(Exception):
    """The parameter file cannot be used. The text says where, what was found, what to do."""


def read_parameters(path: Path) -> dict[str, dict[str, Scalar]]:
    """Read `{"Parameters": {...}, "Tags": {...}}`; both are optional, and StackPolicy is ignored.

    Raises:
        ParametersError: the file cannot be read, or has another shape.
    """
    try:
        text = path.read_text("utf-8")
        if not text.strip():
            raise ParametersError(f"{path}: is empty; {_FORM}")
        body = json.loads(text)
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
    if not isinstance(body, dict):
        found = "a list" if isinstance(body, list) else shortened(json.dumps(body, default=str))
        raise ParametersError(f"{where}: is {found}, not a mapping; {_FORM}")
    given: dict[str, dict[str, Scalar]] = {}
    for section, values in body.items():
        if section in _IGNORED:
            continue
        if section not in ("Parameters", "Tags"):
            raise ParametersError(f"{where}: unknown key {shortened(str(section))!r}; {_FORM}")
        if not isinstance(values, dict):
            raise ParametersError(f"{where}: {section} maps names to texts or numbers")
        for name, value in values.items():
            if not isinstance(value, str | int | float):
                raise ParametersError(
                    f"{where}: {section} maps names to texts or numbers; "
                    f"{shortened(str(name))!r} has neither"
                )
        given[section] = values
    return given
