"""The journal's SQLite file: its tables, made or brought up to date when it is opened."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from orchestrator.errors import JournalError

APPLICATION_ID: Final = 0x41534F52  # "ASOR": tells our file from any other SQLite file
SCHEMA_VERSION: Final = 3
# Rows that are kept; older ones are deleted when the journal is opened, traces also meanwhile.
KEPT: Final = {"history": 100_000, "command": 20_000, "rule_trace": 100_000}

_SCHEMA: Final = """
CREATE TABLE pair (
  one INTEGER PRIMARY KEY CHECK (one = 1), at REAL NOT NULL, epoch INTEGER NOT NULL,
  state TEXT NOT NULL
) STRICT;
CREATE TABLE command (
  id INTEGER PRIMARY KEY, command INTEGER NOT NULL, epoch INTEGER NOT NULL, at REAL NOT NULL,
  what TEXT NOT NULL, done_at REAL, ok INTEGER, says TEXT
) STRICT;
CREATE INDEX command_open ON command (command, epoch) WHERE done_at IS NULL;
CREATE TABLE history (
  id INTEGER PRIMARY KEY, at REAL NOT NULL, severity TEXT NOT NULL, text TEXT NOT NULL
) STRICT;
"""
# What the mirror wrote on the nodes; only that may it ever remove again.
_LEDGER: Final = """
CREATE TABLE mirrored (
  kind TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
"""
# What rules did and why, for 'explain'.
_TRACES: Final = """
CREATE TABLE rule_trace (
  id INTEGER PRIMARY KEY, at REAL NOT NULL, rule TEXT NOT NULL, what TEXT NOT NULL,
  says TEXT NOT NULL, terms TEXT NOT NULL
) STRICT;
CREATE INDEX rule_trace_rule ON rule_trace (rule, id);
"""
_MIGRATIONS: Final = {1: _LEDGER, 2: _TRACES}  # from that version to the next


def open_database(path: Path) -> sqlite3.Connection:
    """Open or create it, for this process alone. Raises JournalError with what to do."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise JournalError(
            f"The state directory {path.parent} cannot be written ({error.strerror}). "
            "Nothing was started. Give it to the service's user, or set state_dir."
        ) from error
    try:
        db = sqlite3.connect(path, timeout=1.0, isolation_level=None)
        _prepare(db, path)
    except sqlite3.Error as error:
        raise _opening_error(path, error) from error
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    db.execute("PRAGMA locking_mode=EXCLUSIVE")
    fresh = not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    version = 0 if fresh else check(db, path)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("BEGIN IMMEDIATE")
    if fresh:
        _create(db, _SCHEMA)
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        version = min(_MIGRATIONS)
    while version < SCHEMA_VERSION:
        _create(db, _MIGRATIONS[version])
        version += 1
    db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    for table in KEPT:
        prune(db, table)
    db.execute("COMMIT")


def prune(db: sqlite3.Connection, table: str) -> None:
    """Delete the oldest rows beyond those that are kept."""
    db.execute(f"DELETE FROM {table} WHERE id <= (SELECT max(id) FROM {table}) - ?", (KEPT[table],))


def _create(db: sqlite3.Connection, statements: str) -> None:
    for statement in statements.split(";")[:-1]:
        db.execute(statement)


def check(db: sqlite3.Connection, path: Path) -> int:
    """The schema's version; raises when the file is not ours, not readable or too new."""
    found = db.execute("PRAGMA application_id").fetchone()[0]
    if found != APPLICATION_ID:
        raise JournalError(
            f"{path} is a SQLite file of another program. It was not touched and nothing "
            "was started. Set state_dir to a directory of the orchestrator's own."
        )
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version not in (*_MIGRATIONS, SCHEMA_VERSION):
        raise JournalError(
            f"{path} has schema version {version}, this orchestrator writes "
            f"{SCHEMA_VERSION}. Nothing was started. Install the version that wrote it, or "
            f"move the file away ({_move_away(path)}): the orchestrator then learns from "
            "the nodes who is active."
        )
    verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)
    return int(version)


def _move_away(path: Path) -> str:
    return f"mv {path} {path}.damaged; rm -f {path}-wal"


def _opening_error(path: Path, error: sqlite3.Error) -> JournalError:
    if "locked" in str(error):
        return JournalError(
            f"Another orchestrator is running on the journal {path}. Nothing was "
            "started. Stop the other one, or give this pair a state_dir of its own."
        )
    if isinstance(error, sqlite3.OperationalError):
        return JournalError(
            f"The journal {path} cannot be opened ({error}). Nothing was started. Look "
            "at the disk's free space and the file's owner."
        )
    return JournalError(
        f"The journal {path} is damaged ({error}). It was left as it is and nothing was "
        f"started. Move it away ({_move_away(path)}) and start again: the orchestrator then "
        "learns from the nodes who is active."
    )
