"""Why a file cannot be judged as a template."""

from tljudge.decode.nodes import Mark


class TemplateError(Exception):
    """CloudFormation would refuse the template: where, what was found, what to do."""

    def __init__(self, file: str, mark: Mark, message: str) -> None:
        super().__init__(f"{file}:{mark[0]}: {message}")
        self.file, self.mark, self.message = file, mark, message


class NotATemplate(TemplateError):
    """The file is YAML or JSON of another kind."""
