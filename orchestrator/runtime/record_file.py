"""The record's SQLite file: what rules could read and what was told, for replays.

It is no journal: nothing is decided by it, so it is written without waiting for the disk, may be
read while the service writes, and may be deleted at any time. ``whole`` rows tell where all facts
were written anew: a reader begins at one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from orchestrator.errors import JournalError

APPLICATION_ID: Final = 0x41534F46  # "ASOF"
VERSION: Final = 1
WHOLE: Final = ""  # the path of a row from which on all facts are written anew
_SCHEMA: Final = f"""
CREATE TABLE fact (
  id INTEGER PRIMARY KEY, at REAL NOT NULL, path TEXT NOT NULL, value TEXT NOT NULL
) STRICT;
CREATE INDEX fact_at ON fact (at);
CREATE INDEX fact_whole ON fact (at) WHERE path = '{WHOLE}';
CREATE TABLE told (id INTEGER PRIMARY KEY, at REAL NOT NULL, text TEXT NOT NULL) STRICT;
CREATE INDEX told_at ON told (at);
"""
Fact = tuple[float, str, Any]


def open_to_write(path: Path) -> sqlite3.Connection:
    """Open or create it; raises sqlite3.Error or OSError."""
    path.touch(mode=0o600)
    db = sqlite3.connect(path, timeout=0.2, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=OFF")
    if not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        db.executescript(_SCHEMA)
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute(f"PRAGMA user_version={VERSION}")
    return db


def write(db: sqlite3.Connection, facts: Sequence[Fact], told: Sequence[tuple[float, str]]) -> None:
    """Append; raises sqlite3.Error."""
    db.execute("BEGIN")
    db.executemany(
        "INSERT INTO fact (at, path, value) VALUES (?, ?, ?)",
        [(at, name, json.dumps(value, separators=(",", ":"))) for at, name, value in facts],
    )
    db.executemany("INSERT INTO told (at, text) VALUES (?, ?)", told)
    db.execute("COMMIT")


def forget(db: sqlite3.Connection, before: float, most: int) -> None:
    """Delete rows that are older, no more than so many at once; from a whole record on it lasts."""
    row = db.execute(
        "SELECT max(id) FROM fact WHERE path = ? AND at <= ?", (WHOLE, before)
    ).fetchone()
    if row[0] is not None:
        db.execute(
            "DELETE FROM fact WHERE id IN (SELECT id FROM fact WHERE id < ? ORDER BY id LIMIT ?)",
            (row[0], most),
        )
        db.execute("DELETE FROM told WHERE at < ?", (before,))


class RecordReader:
    """Reads a record, also while the service writes it."""

    def __init__(self, path: Path) -> None:
        """Raises JournalError with a sentence when it can't be read."""
        self.path = path
        try:
            self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
            found = self._db.execute("PRAGMA application_id").fetchone()[0]
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.Error as error:
            raise JournalError(f"The record {path} cannot be read ({error}).") from error
        if found != APPLICATION_ID:
            raise JournalError(f"{path} is no record of asterisk-orchestrator.")
        if version != VERSION:
            raise JournalError(
                f"{path} is of another version of asterisk-orchestrator ({version}, not {VERSION})."
            )

    def begin(self, since: float | None) -> float:
        """Where a replay can begin: the last whole record until then, or the first there is."""
        last = self._one("SELECT max(at) FROM fact WHERE path = ? AND at <= ?", WHOLE, since or 0)
        begin = last if last is not None else self._one(
            "SELECT min(at) FROM fact WHERE path = ?", WHOLE
        )  # fmt: skip
        if begin is None:
            raise JournalError(f"Nothing is recorded in {self.path} yet.")
        return begin

    def _one(self, sql: str, *values: object) -> float | None:
        value: float | None = self._db.execute(sql, values).fetchone()[0]
        return value

    def facts(self, begin: float, until: float | None) -> Iterator[Fact]:
        """Each change in order, ``WHOLE`` rows among them."""
        rows = self._db.execute(
            "SELECT at, path, value FROM fact WHERE at >= ? AND at <= ? ORDER BY id",
            (begin, until if until is not None else float("inf")),
        )
        for at, path, value in rows:
            yield at, path, json.loads(value)

    def told(self, since: float, until: float | None) -> list[tuple[float, str]]:
        """What was said meanwhile: decisions, commands, what rules asked for."""
        return list(
            self._db.execute(
                "SELECT at, text FROM told WHERE at >= ? AND at <= ? ORDER BY id",
                (since, until if until is not None else float("inf")),
            )
        )
