"""Boot: the target answers, and what its account held before is written down."""

import threading

from e2e import inventory
from e2e.run import Run, StageFailed
from tools.programs import check_interrupt, is_interrupted


def run(run: Run) -> str:
    """Start the target; take the inventory that the end is compared with."""
    # A client is made of a large service description; the target boots meanwhile.
    clients = threading.Thread(target=_make_clients, args=(run,))
    clients.start()
    try:
        run.target.start(run.zips[name] for name in ("router", "queue_health", "stop"))
    finally:
        clients.join()
    check_interrupt()
    run.before = inventory.take(run.target)
    if run.before.not_looked:
        raise StageFailed(f"cannot list {', '.join(run.before.not_looked)}", logs=("ministack",))
    return f"{len(run.before.found)} resources were there before"


def _make_clients(run: Run) -> None:
    """The target keeps them; the inventory asks for them again."""
    for service in sorted({kind.service for kind in inventory.KINDS}):
        if is_interrupted():
            return
        run.target.client(service)
