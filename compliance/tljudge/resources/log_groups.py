"""Log groups: whether the deployment declares the group that a name or ARN refers to."""

from tljudge.resolve.deployment import Deployment, Resource
from tljudge.resolve.values import NOVALUE, Text, Unknown, Value, is_plain, join, key_of, pieces

GROUP = "AWS::Logs::LogGroup"


def is_declared(deployment: Deployment, *names: Value) -> bool | None:
    """Whether the deployment declares a log group under one of these names or ARNs.

    Returns:
        None if an unknown name leaves it open.
    """
    unclear = not all(is_plain(name) for name in names)
    wanted_names = set()
    for name in names:
        for piece in pieces(name):
            target = deployment.at(piece.origin) if isinstance(piece, Unknown) else None
            if target is not None and target.type == GROUP and target.exists():
                return True
        wanted_names.add(_bare(key_of(name)))
    for group in deployment.of_type(GROUP):
        declared = group.get("LogGroupName")
        if declared is NOVALUE:
            continue
        if key_of(declared) in wanted_names:
            return True
        unclear = unclear or not is_plain(declared)
    return None if unclear else False


def _bare(name: str) -> str:
    """The NAME in arn:aws:logs:region:account:log-group:NAME:*; a plain name as it is."""
    if ":log-group:" in name:
        name = name.split(":log-group:", 1)[1]
    return name.removesuffix(":*")


def function_group(function: Resource) -> tuple[Value, ...]:
    """The names of the log group of a function, by function name and by reference.

    Without LoggingConfig, Lambda writes to `/aws/lambda/` and the function's name.
    """
    config = function.get("LoggingConfig")
    if isinstance(config, Unknown):
        return (config,)
    if isinstance(config, dict) and "LogGroup" in config:
        return (config["LogGroup"],)
    path, name = function.stack.path, function.get("FunctionName")
    itself = Unknown(f"{path}{function.id}", "", True, True)
    names = [join(["/aws/lambda/", itself])]
    if isinstance(name, str | Unknown | Text):
        names.insert(0, join(["/aws/lambda/", name]))
    return tuple(names)
