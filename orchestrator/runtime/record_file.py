"""The record's SQLite file: what rules could read, and what was told and done, for replays.

It is no journal: nothing is decided by it, so it is written without waiting for the disk, may be
read while the service writes (``recorded``), and may be deleted while the service is stopped.
``WHOLE`` rows tell where all facts were written anew: what was before is void.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from orchestrator.core.rulebook.traces import Trace
from orchestrator.runtime.journal import Entry, Intent, Line, Result

NAME: Final = "record.sqlite"  # in state_dir
APPLICATION_ID: Final = 0x41534F46  # "ASOF"
VERSION: Final = 2
WHOLE: Final = ""  # the path of a row from which on all facts are written anew
IS_WHOLE: Final = f"path = '{WHOLE}'"  # word for word as in the index, or SQLite cannot use it
# max(id) would be looked for in the whole table
FORGET_UP_TO: Final = (
    f"SELECT id, at FROM fact WHERE {IS_WHOLE} AND"
    " (at <= ? OR id <= (SELECT max(id) FROM fact) - ?) ORDER BY at DESC LIMIT 1"
)
_TABLES: Final = ("fact", "told", "command", "rule_trace")
_SCHEMA: Final = f"""
CREATE TABLE fact (
  id INTEGER PRIMARY KEY, at REAL NOT NULL, path TEXT NOT NULL, value TEXT NOT NULL
) STRICT;
CREATE INDEX fact_at ON fact (at);
CREATE INDEX fact_whole ON fact (at) WHERE {IS_WHOLE};
CREATE TABLE told (id INTEGER PRIMARY KEY, at REAL NOT NULL, text TEXT NOT NULL) STRICT;
CREATE INDEX told_at ON told (at);
CREATE TABLE command (
  id INTEGER PRIMARY KEY, at REAL NOT NULL, command INTEGER NOT NULL, epoch INTEGER NOT NULL,
  what TEXT NOT NULL, done_at REAL, ok INTEGER, says TEXT
) STRICT;
CREATE INDEX command_at ON command (at);
CREATE INDEX command_open ON command (command, epoch) WHERE done_at IS NULL;
CREATE TABLE rule_trace (
  id INTEGER PRIMARY KEY, at REAL NOT NULL, rule TEXT NOT NULL, what TEXT NOT NULL,
  says TEXT NOT NULL, terms TEXT NOT NULL
) STRICT;
CREATE INDEX rule_trace_at ON rule_trace (at);
"""


@dataclass(slots=True)
class Batch:
    """What is written at once, each with its time (epoch seconds)."""

    facts: list[tuple[float, str, Any]] = field(default_factory=list)
    lines: list[tuple[float, Line]] = field(default_factory=list)
    intents: list[tuple[float, Intent]] = field(default_factory=list)
    results: list[tuple[float, Result]] = field(default_factory=list)
    traces: list[Trace] = field(default_factory=list)

    def add(self, now: float, entry: Entry) -> None:
        """Take in what a step of the core left behind."""
        self.lines += [(now, line) for line in entry.lines]
        self.intents += [(now, intent) for intent in entry.intents]
        self.results += [(now, result) for result in entry.results]
        self.traces += entry.traces


def open_to_write(path: Path) -> sqlite3.Connection:
    """Open, create or begin anew (a record of another version); raises sqlite3.Error or OSError."""
    path.touch(mode=0o600)
    db = sqlite3.connect(path, timeout=0.2, isolation_level=None)
    try:
        _prepare(db)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection) -> None:
    fresh = not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if not fresh and db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise sqlite3.DatabaseError("it is a file of another program")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=OFF")
    if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
        db.executescript("".join(f"DROP TABLE IF EXISTS {table};" for table in _TABLES) + _SCHEMA)
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute(f"PRAGMA user_version={VERSION}")


def write(db: sqlite3.Connection, batch: Batch) -> None:
    """Append; raises sqlite3.Error."""
    db.execute("BEGIN")
    db.executemany(
        "INSERT INTO fact (at, path, value) VALUES (?, ?, ?)",
        [(at, name, json.dumps(value, separators=(",", ":"))) for at, name, value in batch.facts],
    )
    db.executemany(
        "INSERT INTO told (at, text) VALUES (?, ?)", [(at, line.text) for at, line in batch.lines]
    )
    db.executemany(
        "INSERT INTO command (at, command, epoch, what) VALUES (?, ?, ?, ?)",
        [(at, i.command, i.epoch, i.what) for at, i in batch.intents],
    )
    db.executemany(
        "UPDATE command SET done_at=?, ok=?, says=?"
        " WHERE command=? AND epoch=? AND done_at IS NULL",
        [(at, r.ok, r.says, r.command, r.epoch) for at, r in batch.results],
    )
    db.executemany(
        "INSERT INTO rule_trace (at, rule, what, says, terms) VALUES (?, ?, ?, ?, ?)",
        [(t.at, t.rule, t.what.value, t.says, "\n".join(t.terms)) for t in batch.traces],
    )
    db.execute("COMMIT")


def forget(db: sqlite3.Connection, before: float, keep: int, most: int) -> None:
    """Delete what is older or beyond so many facts, up to a whole record; ``most`` facts a call.

    Raises sqlite3.Error.
    """
    found = db.execute(FORGET_UP_TO, (before, keep)).fetchone()
    if found is None:
        return
    last, at = found
    db.execute("BEGIN")
    db.execute(
        "DELETE FROM fact WHERE id IN (SELECT id FROM fact WHERE id < ? ORDER BY id LIMIT ?)",
        (last, most),
    )
    for table in ("told", "command", "rule_trace"):
        db.execute(f"DELETE FROM {table} WHERE at < ?", (at,))
    db.execute("COMMIT")
