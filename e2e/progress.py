"""The progress of a smoke: a live table on a terminal, elsewhere one line a stage."""

import sys

from rich.console import Console
from rich.live import Live
from rich.table import Table

from e2e.report import StageResult


class Progress:
    """Shows stages on standard error: a live table on a terminal, lines otherwise."""

    def __init__(self, quiet: bool = False) -> None:
        """Show nothing before the first stage, and nothing at all when `quiet`."""
        self._console = Console(stderr=True, highlight=False)
        self._quiet = quiet
        self._done: list[StageResult] = []
        self._live: Live | None = None

    def begins(self, name: str) -> None:
        """Show that a stage has begun."""
        if self._quiet or not self._console.is_terminal:
            return
        if self._live is None:
            self._live = Live(console=self._console, refresh_per_second=10)
            self._live.start()
        self._live.update(self._table(running=name))

    def ends(self, result: StageResult) -> None:
        """Show the result of a stage."""
        self._done.append(result)
        if self._live is not None:
            self._live.update(self._table())
        elif not self._quiet:
            word = "ok" if result.passed else "FAILED"
            line = f"{result.name:<14}{result.seconds:>7.2f} s  {word}  {result.detail}"
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Stop updating the table; it stays on the terminal."""
        if self._live is not None:
            self._live.stop()

    def _table(self, running: str = "") -> Table:
        table = Table(box=None, pad_edge=False)
        table.add_column("stage")
        table.add_column("seconds", justify="right")
        table.add_column("what it saw")
        for result in self._done:
            style = "" if result.passed else "red"
            table.add_row(result.name, f"{result.seconds:.2f}", result.detail, style=style)
        if running:
            table.add_row(running, "…", "", style="dim")
        return table
