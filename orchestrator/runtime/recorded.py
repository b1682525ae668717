"""Reads a record (``record_file``), also while the service writes it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from orchestrator.core.facts.record import Changes
from orchestrator.core.rulebook.traces import Trace, What
from orchestrator.errors import JournalError
from orchestrator.runtime.journal_file import APPLICATION_ID as JOURNAL_ID
from orchestrator.runtime.record_file import APPLICATION_ID, IS_WHOLE, VERSION

_BESIDE = "the facts are in record.sqlite beside it, which can be read at any time"


@dataclass(frozen=True, slots=True)
class Carried:
    """A command that was carried out; the last three are None when its end was not recorded."""

    at: float  # epoch seconds, as all times here
    what: str
    done_at: float | None
    ok: bool | None
    says: str | None


class RecordReader:
    """One record. Every method raises JournalError, with what to do, when it is damaged."""

    def __init__(self, path: Path) -> None:
        """Raises JournalError with a sentence when it is none of ours or cannot be read."""
        self.path = path
        if not path.is_file():
            raise JournalError(
                f"There is no record {path}. The service writes record.sqlite into its state_dir "
                "while it runs."
            )
        with self._reading():
            self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
            found = self._db.execute("PRAGMA application_id").fetchone()[0]
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found == JOURNAL_ID:
            raise JournalError(f"{path} is a journal; {_BESIDE}.")
        if found != APPLICATION_ID:
            raise JournalError(f"{path} is no record of asterisk-orchestrator.")
        if version != VERSION:
            raise JournalError(
                f"{path} was written by another version of asterisk-orchestrator (record version "
                f"{version}, this one reads {VERSION}). Read it with the version that wrote it."
            )

    def begin(self, since: float | None) -> float:
        """Where a replay can begin: the last whole record until then, or the first there is."""
        last = self._one(f"SELECT max(at) FROM fact WHERE {IS_WHOLE} AND at <= ?", since or 0)
        begin = last if last is not None else self._one(
            f"SELECT min(at) FROM fact WHERE {IS_WHOLE}"
        )  # fmt: skip
        if begin is None:
            raise JournalError(
                f"Nothing is recorded in {self.path} yet: the service writes the first facts some "
                "seconds after its start."
            )
        return begin

    def end(self) -> float:
        """When something was last recorded."""
        ends = [self._one(f"SELECT max(at) FROM {table}") for table in ("fact", "told")]
        return max(end for end in ends if end is not None)

    def moments(self, begin: float, until: float | None) -> Iterator[tuple[float, Changes]]:
        """What changed, time by time. A ``WHOLE`` path: all that was known before is void."""
        rows = self._rows(
            "SELECT at, path, value FROM fact WHERE at >= ? AND at <= ? ORDER BY id", begin, until
        )
        for at, changed in groupby(rows, key=lambda row: float(row[0])):
            yield at, [(path, self._value(value)) for _, path, value in changed]

    def told(self, since: float, until: float | None) -> list[tuple[float, str]]:
        """The story lines of that time, as ``history`` has them."""
        return list(
            self._rows("SELECT at, text FROM told WHERE at >= ? AND at <= ? ORDER BY id",
                       since, until)
        )  # fmt: skip

    def commands(self, since: float, until: float | None) -> list[Carried]:
        """The commands that were begun in that time, with what became of them."""
        rows = self._rows(
            "SELECT at, what, done_at, ok, says FROM command WHERE at >= ? AND at <= ? ORDER BY id",
            since,
            until,
        )
        return [
            Carried(at, what, done_at, None if ok is None else bool(ok), says)
            for at, what, done_at, ok, says in rows
        ]

    def traces(self, since: float, until: float | None) -> list[Trace]:
        """What rules did in that time, and why."""
        rows = self._rows(
            "SELECT at, rule, what, says, terms FROM rule_trace WHERE at >= ? AND at <= ?"
            " ORDER BY id",
            since,
            until,
        )
        return [
            Trace(at, rule, What(what), says, tuple(terms.split("\n")))
            for at, rule, what, says, terms in rows
        ]

    def close(self) -> None:
        """Close it; a record that is read for long cannot be tidied up meanwhile."""
        self._db.close()

    def _rows(self, sql: str, since: float, until: float | None) -> Iterator[Any]:
        with self._reading():
            yield from self._db.execute(sql, (since, float("inf") if until is None else until))

    def _one(self, sql: str, *values: object) -> float | None:
        with self._reading():
            value: float | None = self._db.execute(sql, values).fetchone()[0]
            return value

    def _value(self, text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError as error:
            raise self._damaged(str(error)) from error

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise JournalError(
                    f"{self.path} is locked, as a journal is while its service runs; {_BESIDE}."
                ) from error
            raise JournalError(f"The record {self.path} cannot be read ({error}).") from error
        except sqlite3.Error as error:
            raise self._damaged(str(error)) from error

    def _damaged(self, why: str) -> JournalError:
        return JournalError(
            f"The record {self.path} is damaged or no record ({why}). Nothing more was read from "
            "it. If it is the service's own: stop the service, move it away and start again; only "
            "replays need it."
        )
