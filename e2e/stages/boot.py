"""Boot: the target answers, and the inventory of its account is taken."""

import threading

from e2e.run import Run, StageFailed
from tools.deploy import inventory
from tools.programs import check_interrupt


def run(run: Run) -> str:
    """Start the target; take the inventory that `verify` compares with."""
    # Making a client reads a large service description; the target boots meanwhile.
    clients = threading.Thread(target=inventory.make_clients, args=(run.target,))
    clients.start()
    try:
        run.target.start(run.zips[name] for name in ("router", "queue_health", "stop"))
    finally:
        clients.join()
    check_interrupt()
    run.before = inventory.take(run.target)
    if run.before.not_listed:
        raise StageFailed(f"cannot list {', '.join(run.before.not_listed)}", logs=("ministack",))
    return f"{len(run.before.resources)} resources were there before"
