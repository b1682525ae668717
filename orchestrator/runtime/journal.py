"""The journal: what must survive a crash, in one SQLite file (WAL, ``synchronous=FULL``).

One transaction per step of the core, committed before any of its commands is carried out: the
pair's durable state, the intents (commands about to be executed), the results that came in, and
the story lines. A second orchestrator on the same file is kept out by SQLite's exclusive lock.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.rulebook.traces import Trace, What
from orchestrator.errors import JournalError
from orchestrator.runtime.journal_file import open_database, prune


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
    traces: Sequence[Trace] = ()  # what changed in rules

    @property
    def empty(self) -> bool:
        """Nothing to write."""
        return self.state is None and not (
            self.intents or self.results or self.lines or self.mirrored or self.unmirrored
            or self.traces
        )  # fmt: skip


class Journal:
    """The open journal; not to be shared between threads."""

    def __init__(self, path: Path) -> None:
        """Open or create it. Raises JournalError with what to do."""
        self.path = path
        self._db = open_database(path)

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
        db.executemany(
            "INSERT INTO rule_trace (at, rule, what, says, terms) VALUES (?, ?, ?, ?, ?)",
            [(t.at, t.rule, t.what.value, t.says, "\n".join(t.terms)) for t in entry.traces],
        )
        if entry.traces:  # they come with every turn of a condition: not only when it is opened
            prune(db, "rule_trace")
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

    def traces(self, rule: str, limit: int, of: Collection[What] = tuple(What)) -> list[Trace]:
        """The newest changes of a rule (only those ``of`` these kinds), oldest first."""
        rows = self._db.execute(
            "SELECT at, rule, what, says, terms FROM rule_trace WHERE rule=?"
            f" AND what IN ({','.join('?' * len(of))}) ORDER BY id DESC LIMIT ?",
            (rule, *(what.value for what in of), limit),
        )
        return [
            Trace(at, name, What(what), says, tuple(terms.split("\n")))
            for at, name, what, says, terms in rows
        ][::-1]

    def close(self) -> None:
        """Close it; the WAL is folded into the file."""
        self._db.close()
