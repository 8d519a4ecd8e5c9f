"""Errors of a file that cannot be judged, and how messages shorten long text."""

from tljudge.decode.nodes import Mark


class TemplateError(Exception):
    """CloudFormation would refuse the template. The text says where, what was found, what to do."""

    def __init__(self, file: str, mark: Mark, message: str) -> None:
        super().__init__(f"{file}:{mark[0]}: {message}")
        self.file, self.mark, self.message = file, mark, message


class NotATemplate(TemplateError):
    """The file is YAML or JSON, but not a template."""


def shortened(text: str, limit: int = 80) -> str:
    """Cut a text to `limit` characters in its middle: names and ARNs differ at their end."""
    if len(text) <= limit:
        return text
    tail = (limit - 3) // 2
    return f"{text[: limit - 3 - tail]}...{text[-tail:]}"
