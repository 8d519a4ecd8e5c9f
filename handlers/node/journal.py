"""Answers on the node's own disk: what the model has said is published, never asked again.

Written before the answer is published, so a worker that dies in between finds it; and kept longer
than Redis keeps a reply, so a job that is sent again after the cache lost everything finds it too.
An entry answers one body only: the same id with another prompt is another question.
"""

import contextlib
import os
import sqlite3
import time
from pathlib import Path

LIFE_S = 900


class Journal:
    """One SQLite file, used by one thread at a time.

    Args:
        path: made if it is not there. A file that is no journal is set aside: losing it can cost a
            second run of the model, refusing to start would cost every job.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._database = _open(path)
        except sqlite3.OperationalError:
            # Locked, or no permission: the journal itself may be whole.
            raise
        except sqlite3.DatabaseError:
            path.replace(path.with_suffix(".broken"))
            self._database = _open(path)

    def answer(self, job_id: str, body: str) -> str | None:
        """What was answered to this job with this body in the last 900 s."""
        found = self._database.execute(
            "SELECT reply FROM answers WHERE id = ? AND body = ? AND written_s > ?",
            (job_id, body, time.time() - LIFE_S),
        ).fetchone()
        return None if found is None else str(found[0])

    def write(self, job_id: str, body: str, reply: str) -> None:
        """Keep an answer; on the disk when this returns.

        Raises:
            sqlite3.Error: the disk is full or broken.
        """
        now_s = time.time()
        with self._database:
            self._database.execute("DELETE FROM answers WHERE written_s <= ?", (now_s - LIFE_S,))
            self._database.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", (job_id, body, reply, now_s)
            )

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _open(path: Path) -> sqlite3.Connection:
    # Replies are the users': nobody else on the machine reads them.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    database = sqlite3.connect(path, timeout=1.0, check_same_thread=False)
    with contextlib.ExitStack() as undo:
        undo.callback(database.close)
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA secure_delete = ON")
        with database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS answers"
                " (id TEXT, body TEXT, reply TEXT, written_s REAL, PRIMARY KEY (id, body))"
            )
            database.execute("DELETE FROM answers WHERE written_s <= ?", (time.time() - LIFE_S,))
        undo.pop_all()
    return database
