"""Start MiniStack with every gap filled that must be filled from inside its process.

Run by path with MiniStack's own interpreter, so only the standard library and MiniStack are there.
It reaches into private tables of MiniStack; the version is pinned and `tests/emulator` fails when
an upgrade changes what is leaned on. Ends when its standard input closes, so that it cannot outlive
whoever started it.
"""

import os
import signal
import sys
import threading
from pathlib import Path


def main() -> None:
    """Install the gaps, then serve."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from e2e.gaps import code_cache
    from e2e.gaps.catalogue import INSIDE

    for gap in INSIDE:
        gap.install()
    code_cache.install()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from ministack.app import main as serve

    serve()


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
