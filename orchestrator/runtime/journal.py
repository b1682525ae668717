"""The journal: what must survive a crash, in one SQLite file (WAL, ``synchronous=FULL``).

One transaction per step of the core, committed before any of its commands is carried out: the
pair's durable state, the intents (commands about to be executed), the results that came in, and
the story lines. A second orchestrator on the same file is kept out by SQLite's exclusive lock.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import JournalError

APPLICATION_ID = 0x41534F52  # "ASOR": tells our file from any other SQLite file
SCHEMA_VERSION = 2
KEEP_HISTORY = 100_000  # rows kept when the journal is opened
KEEP_COMMANDS = 20_000

# What the mirror wrote on the nodes; only that may it ever remove again.
_LEDGER = """
CREATE TABLE mirrored (
  kind TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
"""
_SCHEMA = """
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
_MIGRATIONS = {1: _LEDGER}  # from that version to the next


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the story: what the log says, the history keeps and ``--watch`` shows."""

    severity: str
    text: str


@dataclass(frozen=True, slots=True)
class Intent:
    """A command that is about to be carried out."""

    command: int
    epoch: int
    what: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a command."""

    command: int
    epoch: int
    ok: bool
    says: str


@dataclass(frozen=True, slots=True)
class Told:
    """A line of the story with its time."""

    at: float
    severity: str
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What one step of the core leaves behind; ``state`` is None when it did not change."""

    epoch: int
    state: Mapping[str, object] | None = None
    intents: Sequence[Intent] = ()
    results: Sequence[Result] = ()
    lines: Sequence[Line] = ()
    mirrored: Sequence[tuple[str, str]] = ()  # kind and key, about to be written by the mirror
    unmirrored: Sequence[tuple[str, str]] = ()

    @property
    def empty(self) -> bool:
        """Nothing to write."""
        return self.state is None and not (
            self.intents or self.results or self.lines or self.mirrored or self.unmirrored
        )


class Journal:
    """The open journal; not to be shared between threads."""

    def __init__(self, path: Path) -> None:
        """Open or create it. Raises JournalError with what to do."""
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise JournalError(
                f"The state directory {path.parent} cannot be written ({error.strerror}). "
                "Nothing was started. Give it to the service's user, or set state_dir."
            ) from error
        try:
            self._db = sqlite3.connect(path, timeout=1.0, isolation_level=None)
            self._open()
        except sqlite3.Error as error:
            raise self._opening_error(error) from error

    def _open(self) -> None:
        db = self._db
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        fresh = not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        version = 0 if fresh else self._check()
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("BEGIN IMMEDIATE")
        if fresh:
            self._create(_SCHEMA)
            db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            version = min(_MIGRATIONS)
        while version < SCHEMA_VERSION:
            self._create(_MIGRATIONS[version])
            version += 1
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        self._prune()
        db.execute("COMMIT")

    def _create(self, statements: str) -> None:
        for statement in statements.split(";")[:-1]:
            self._db.execute(statement)

    def _check(self) -> int:
        """The schema's version; raises when the file is not ours, not readable or too new."""
        found = self._db.execute("PRAGMA application_id").fetchone()[0]
        if found != APPLICATION_ID:
            raise JournalError(
                f"{self.path} is a SQLite file of another program. It was not touched and nothing "
                "was started. Set state_dir to a directory of the orchestrator's own."
            )
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (*_MIGRATIONS, SCHEMA_VERSION):
            raise JournalError(
                f"{self.path} has schema version {version}, this orchestrator writes "
                f"{SCHEMA_VERSION}. Nothing was started. Install the version that wrote it, or "
                f"move the file away ({self._move_away()}): the orchestrator then learns from "
                "the nodes who is active."
            )
        verdict = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        return int(version)

    def _move_away(self) -> str:
        return f"mv {self.path} {self.path}.damaged; rm -f {self.path}-wal"

    def _opening_error(self, error: sqlite3.Error) -> JournalError:
        if "locked" in str(error):
            return JournalError(
                f"Another orchestrator is running on the journal {self.path}. Nothing was "
                "started. Stop the other one, or give this pair a state_dir of its own."
            )
        if isinstance(error, sqlite3.OperationalError):
            return JournalError(
                f"The journal {self.path} cannot be opened ({error}). Nothing was started. Look "
                "at the disk's free space and the file's owner."
            )
        return JournalError(
            f"The journal {self.path} is damaged ({error}). It was left as it is and nothing was "
            f"started. Move it away ({self._move_away()}) and start again: the orchestrator then "
            "learns from the nodes who is active."
        )

    def _prune(self) -> None:
        for table, keep in (("history", KEEP_HISTORY), ("command", KEEP_COMMANDS)):
            self._db.execute(
                f"DELETE FROM {table} WHERE id <= (SELECT max(id) FROM {table}) - ?", (keep,)
            )

    def write(self, now: float, entry: Entry) -> None:
        """Commit one step, durably. Raises JournalError; then nothing of it was written."""
        if entry.empty:
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._write(now, entry)
            self._db.execute("COMMIT")
        except (sqlite3.Error, ValueError, TypeError) as error:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise JournalError(
                f"The journal {self.path} cannot be written ({error}). The orchestrator goes on "
                "watching but decides and does nothing until it can: look at the disk's free "
                "space; it tries again by itself."
            ) from error

    def _write(self, now: float, entry: Entry) -> None:
        db = self._db
        db.executemany(
            "UPDATE command SET done_at=?, ok=?, says=?"
            " WHERE command=? AND epoch=? AND done_at IS NULL",
            [(now, r.ok, r.says, r.command, r.epoch) for r in entry.results],
        )
        if entry.state is not None:
            db.execute(
                "INSERT INTO pair VALUES (1, ?, ?, ?) ON CONFLICT (one) DO UPDATE"
                " SET at=excluded.at, epoch=excluded.epoch, state=excluded.state",
                (now, entry.epoch, json.dumps(entry.state, separators=(",", ":"))),
            )
        db.executemany(
            "INSERT INTO command (command, epoch, at, what) VALUES (?, ?, ?, ?)",
            [(i.command, i.epoch, now, i.what) for i in entry.intents],
        )
        db.executemany(
            "INSERT INTO history (at, severity, text) VALUES (?, ?, ?)",
            [(now, line.severity, line.text) for line in entry.lines],
        )
        db.executemany("DELETE FROM mirrored WHERE kind=? AND key=?", entry.unmirrored)
        db.executemany("INSERT OR IGNORE INTO mirrored VALUES (?, ?)", entry.mirrored)

    def state(self) -> dict[str, object] | None:
        """The pair's durable state as last committed; None in a new journal."""
        row = self._db.execute("SELECT state FROM pair").fetchone()
        if row is None:
            return None
        state: dict[str, object] = json.loads(row[0])
        return state

    def mirrored(self) -> list[tuple[str, str]]:
        """Kind and key of everything that the mirror ever wrote and did not remove."""
        return list(self._db.execute("SELECT kind, key FROM mirrored"))

    def unfinished(self) -> list[Intent]:
        """Commands whose result was never written: a crash came between."""
        rows = self._db.execute(
            "SELECT command, epoch, what FROM command WHERE done_at IS NULL ORDER BY id"
        )
        return [Intent(*row) for row in rows]

    def give_up_unfinished(self, now: float) -> list[Intent]:
        """Close them as "not known": the resumed core checks the world, not our memory of it."""
        left = self.unfinished()
        with self._db:
            self._db.execute(
                "UPDATE command SET done_at=?, says='not known: the service ended first'"
                " WHERE done_at IS NULL",
                (now,),
            )
        return left

    def history(self, limit: int) -> list[Told]:
        """The newest lines of the story, oldest first."""
        rows = self._db.execute(
            "SELECT at, severity, text FROM history ORDER BY id DESC LIMIT ?", (limit,)
        )
        return [Told(*row) for row in rows][::-1]

    def close(self) -> None:
        """Close it; the WAL is folded into the file."""
        self._db.close()
