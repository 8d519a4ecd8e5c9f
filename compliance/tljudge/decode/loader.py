"""Decode the text of a template: CloudFormation in YAML or JSON.

A template is untrusted input, so the decoder bounds its size, depth and expansion.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
"""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from tljudge.decode.errors import TemplateError
from tljudge.decode.foreach import PREFIX
from tljudge.decode.parser import Parser
from tljudge.decode.source import MAX_BYTES, Source
from tljudge.decode.template import Template
from tljudge.decode.validation import validated

NOTHING: Mapping[str, object] = {}


def load(path: Path, given: Mapping[str, object] | None = NOTHING) -> Template:
    """Read a file and decode it; arguments and errors as for `decode`."""
    return decode(Source.read(path), given)


def decode(source: Source, given: Mapping[str, object] | None = NOTHING) -> Template:
    """Decode a file that was read.

    Args:
        source: the file.
        given: values that the caller passes for parameters; None if they are unknown. Only the
            collections of `Fn::ForEach` depend on them.

    Raises:
        TemplateError: CloudFormation would refuse the template.
        NotATemplate: the file parses, but is not a template.
    """
    return _decoded(source.text(), str(source.path), given, source.digest)


def read(
    text: str, file: str = "template.yaml", given: Mapping[str, object] | None = NOTHING
) -> Template:
    """Decode a text without a file; arguments and errors as for `decode`."""
    return _decoded(text, file, given, "")


def _decoded(text: str, file: str, given: Mapping[str, object] | None, digest: str) -> Template:
    if len(text) > MAX_BYTES:
        raise TemplateError(file, (1, 1), f"longer than {MAX_BYTES} characters; split it")
    is_json = text.lstrip()[:1] == "{"
    if is_json:
        # JSON allows tabs between tokens and escaped surrogate pairs; libyaml allows neither.
        text = _SURROGATES.sub(_joined, text.replace("\t", " "))
    try:
        root = Parser(text, file, is_json).document()
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark
        mark = (1, 1) if at is None else (at.line + 1, at.column + 1)
        raise TemplateError(
            file, mark, f"does not parse: {error.problem}; correct the syntax here"
        ) from None
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise TemplateError(
            file, (1, 1), f"does not parse: {str(error).splitlines()[0]}; correct the syntax"
        ) from None
    return validated(root, file, given, digest, has_foreach=PREFIX in text)


_SURROGATES = re.compile(r"(?<!\\)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


def _joined(match: re.Match[str]) -> str:
    high, low = int(match[1], 16), int(match[2], 16)
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
