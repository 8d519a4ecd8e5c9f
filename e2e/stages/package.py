"""Package: the smoke builds the same zips that are deployed to AWS."""

from e2e.run import Run
from tools.deploy import package


def run(run: Run) -> str:
    """Build the five zips; refuses native code and more than 5 MiB."""
    run.zips = package.build(run.handlers_python, run.source)
    size_kib = sum(path.stat().st_size for path in run.zips.values()) // 1024
    return f"{len(run.zips)} zips, {size_kib} KiB"
