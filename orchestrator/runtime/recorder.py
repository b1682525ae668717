"""Records what rules could read while the service runs; see ``record_file``.

Its failure costs a log line and a gap in the record, never a decision.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from orchestrator.core.facts.record import Recorded, changes
from orchestrator.core.state import Pair, Policy
from orchestrator.runtime.journal import Line
from orchestrator.runtime.record_file import WHOLE, Fact, forget, open_to_write, write

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
WRITE_EVERY_S: Final = 5.0
WHOLE_EVERY_S: Final = 3600.0
KEPT_S: Final = 3 * 86400.0
FORGET_AT_ONCE: Final = 5000  # rows


class Recorder:
    """Listens to the loop's steps and writes what changed."""

    def __init__(self, path: Path, policy: Policy, state: Callable[[], Pair]) -> None:
        self._path = path
        self._policy = policy
        self._state = state
        self._db: sqlite3.Connection | None = None
        self._last = Recorded()
        self._facts: list[Fact] = []
        self._told: list[tuple[float, str]] = []
        self._looked_at = self._written_at = self._whole_at = float("-inf")
        self._trouble = ""

    def listen(self, lines: tuple[Line, ...]) -> None:
        """After each step of the loop; most of the time it does nothing."""
        state = self._state()
        self._told += [(state.now, line.text) for line in lines]
        if state.now - self._looked_at < LOOK_EVERY_S and state.now >= self._looked_at:
            return
        self._look(state)
        if state.now - self._written_at >= WRITE_EVERY_S or state.now < self._written_at:
            self.write(state.now)

    def _look(self, state: Pair) -> None:
        now = self._looked_at = state.now
        if not 0 <= now - self._whole_at < WHOLE_EVERY_S:
            self._last, self._whole_at = Recorded(), now
            self._facts.append((now, WHOLE, None))
        found = changes(self._last, state, self._policy, now)
        self._facts += [(now, path, value) for path, value in found]

    def write(self, now: float) -> None:
        """Append what was gathered; a gap in the record ends with a whole one."""
        self._written_at = now
        try:
            self._db = self._db or open_to_write(self._path)
            write(self._db, self._facts, self._told)
            forget(self._db, now - KEPT_S, FORGET_AT_ONCE)
        except (sqlite3.Error, OSError) as error:
            self._say(str(error))
            self._whole_at = float("-inf")
            self._db = None
        else:
            self._say("")
        self._facts.clear()
        self._told.clear()

    def close(self, now: float) -> None:
        """Write the rest and close."""
        self.write(now)
        if self._db is not None:
            self._db.close()

    def _say(self, trouble: str) -> None:
        if trouble and not self._trouble:
            log.warning(
                "The record %s cannot be written (%s): rules cannot be replayed over this time. "
                "Everything else goes on; it is tried again.",
                self._path,
                trouble,
            )
        elif self._trouble and not trouble:
            log.info("The record %s is written again.", self._path)
        self._trouble = trouble
