"""One local AWS account for the tests of this folder; always ended."""

import secrets
from collections.abc import Iterator

import pytest

from e2e.run import Run
from e2e.stages import deploy, destroy, sign_in
from e2e.targets.ministack import MiniStack
from tools.deploy import package
from tools.deploy.environments import ROOT, handlers_python, ministack_python


@pytest.fixture(scope="session")
def zips() -> None:
    """The zips where the templates expect them."""
    package.build(handlers_python(), ROOT)


@pytest.fixture(scope="module")
def account(zips: None) -> Iterator[MiniStack]:
    """A running local account."""
    target = MiniStack(ministack_python())
    try:
        target.start()
        yield target
    finally:
        target.stop()


@pytest.fixture(scope="module")
def run(account: MiniStack) -> Iterator[Run]:
    """Our stack with its users signed in."""
    name = f"tl-test-{secrets.token_hex(3)}"
    run = Run(target=account, name=name, source=ROOT, handlers_python=handlers_python())
    deploy.run(run)
    sign_in.run(run)
    yield run
    destroy.run(run)
