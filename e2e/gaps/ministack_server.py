"""Starts MiniStack, and fills the gaps that must be filled inside its process.

Run by path with MiniStack's own interpreter, which has the standard library and MiniStack alone.
The gaps use private tables of MiniStack; its version is pinned, and `tests/emulator` fails when an
upgrade changes one of them. Ends when its standard input closes, so that it cannot outlive the
process that started it.
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
