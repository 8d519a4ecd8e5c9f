"""Boot: the target answers, and the inventory of its account is taken."""

import threading

from e2e.run import Run, StageFailed
from tools.deploy import inventory
from tools.deploy.listings import LISTINGS
from tools.programs import check_interrupt


def run(run: Run) -> str:
    """Start the target; take the inventory that `verify` compares with."""
    # Making a client reads a large service description; the target boots meanwhile.
    given_up = threading.Event()
    clients = threading.Thread(target=_make_clients, args=(run, given_up))
    clients.start()
    try:
        run.target.start(run.zips[name] for name in ("router", "queue_health", "stop"))
    except BaseException:
        given_up.set()
        raise
    finally:
        clients.join()
    check_interrupt()
    run.before = inventory.take(run.target)
    if run.before.not_listed:
        raise StageFailed(f"cannot list {', '.join(run.before.not_listed)}", logs=("ministack",))
    return f"{len(run.before.resources)} resources were there before"


def _make_clients(run: Run, given_up: threading.Event) -> None:
    """The target keeps them for the inventory; Ctrl-C does not wait for all of them."""
    for service in sorted({one.call.service for one in LISTINGS.values()}):
        if given_up.is_set():
            return
        run.target.client(service)
