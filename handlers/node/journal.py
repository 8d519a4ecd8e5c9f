"""The journal: the model's answers on the node's own disk, so that no question runs twice.

The worker writes an answer here before it publishes it, so it finds the answer after a crash in
between. The journal keeps it longer than Redis keeps a reply, for a job that its owner sends again
after the cache lost everything. An entry answers a single body: the same id with another prompt is
another question.
"""

import contextlib
import os
import sqlite3
import threading
import time
from pathlib import Path

from tinyllama.utils.observability import logs

LIFE_S = 900


class Journal:
    """An SQLite file; its methods take turns, so that every slot can call them.

    Args:
        path: created if missing. A file that is no journal is renamed: losing it can cost a second
            run of the model, refusing to start would cost every job. For the same reason a journal
            that cannot be opened, on a full disk for example, is logged and tried again at each
            use.

    Raises:
        sqlite3.OperationalError: another process has locked it, so two workers use one journal.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        try:
            self._database()
        except sqlite3.Error as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise
            logs.write("ERROR", event="journal_not_opened", why=str(error))

    def answer(self, job_id: str, body: str) -> str | None:
        """Return the answer to this job with this body of the last 900 s, or None.

        Raises:
            sqlite3.Error: the journal cannot be opened or read.
        """
        with self._lock:
            row = (
                self._database()
                .execute(
                    "SELECT reply FROM answers WHERE id = ? AND body = ? AND written_s > ?",
                    (job_id, body, time.time() - LIFE_S),
                )
                .fetchone()
            )
        return None if row is None else str(row[0])

    def write(self, job_id: str, body: str, reply: str) -> None:
        """Store an answer; it is on the disk when this returns.

        Raises:
            sqlite3.Error: the disk is full or broken, or the journal cannot be opened.
        """
        now_s = time.time()
        # One transaction at a time: a second thread's would be part of the first.
        with self._lock, self._database() as database:
            database.execute("DELETE FROM answers WHERE written_s <= ?", (now_s - LIFE_S,))
            database.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", (job_id, body, reply, now_s)
            )

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._opened is not None:
            self._opened.close()

    def _database(self) -> sqlite3.Connection:
        if self._opened is None:
            try:
                self._opened = _open(self._path)
            except OSError as error:
                failed = sqlite3.OperationalError(str(error))
                failed.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
                raise failed from error
            except sqlite3.OperationalError:
                # No space, no permission, locked: the journal itself may be intact.
                raise
            except sqlite3.DatabaseError:
                self._path.replace(self._path.with_suffix(".broken"))
                self._opened = _open(self._path)
        return self._opened


def _open(path: Path) -> sqlite3.Connection:
    # Replies belong to users: no other account of the machine may read them.
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
