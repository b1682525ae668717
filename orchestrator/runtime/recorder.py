"""Records what rules could read while the service runs; see ``record_file``.

Its failure costs a log line and a gap in the record, never a decision; a crash, or a kill, costs
the last seconds.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from orchestrator.core.facts.record import Recorded, changes
from orchestrator.core.state import Pair, Policy
from orchestrator.runtime.journal import Entry
from orchestrator.runtime.record_file import WHOLE, Batch, forget, open_to_write, write

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
WRITE_EVERY_S: Final = 5.0
WHOLE_EVERY_S: Final = 6 * 3600.0  # it takes as long as some hundred looks
KEPT_S: Final = 7 * 86400.0
KEPT_FACTS: Final = 1_000_000  # some 300 MB
WHOLE_EVERY_FACTS: Final = KEPT_FACTS // 10  # what is forgotten ends at a whole record
FORGET_AT_ONCE: Final = 10_000  # facts; no storm brings more between two writes


class Recorder:
    """Listens to the loop's steps and writes what changed."""

    def __init__(self, path: Path, policy: Policy, state: Callable[[], Pair]) -> None:
        self._path = path
        self._policy = policy
        self._state = state
        self._db: sqlite3.Connection | None = None
        self._last = Recorded()
        self._batch = Batch()
        self._looked_at = self._written_at = self._whole_at = float("-inf")
        self._since_whole = 0
        self._trouble = ""

    def listen(self, entry: Entry) -> None:
        """After each step of the loop; most of the time it does nothing. Never raises."""
        try:
            self._take(entry)
        except Exception as error:  # a bug of ours: the loop and whoever waits for it go on
            self._whole_at = float("-inf")
            self._say(f"internal error: {type(error).__name__}: {error}")

    def _take(self, entry: Entry) -> None:
        state = self._state()
        if not entry.empty:
            self._batch.add(state.now, entry)
        if 0 <= state.now - self._looked_at < LOOK_EVERY_S:
            return
        self._look(state)
        if not 0 <= state.now - self._written_at < WRITE_EVERY_S:
            self.write(state.now)

    def _look(self, state: Pair) -> None:
        now = self._looked_at = state.now
        whole = not 0 <= now - self._whole_at < WHOLE_EVERY_S
        if whole or self._since_whole >= WHOLE_EVERY_FACTS:
            self._last, self._whole_at, self._since_whole = Recorded(), now, 0
            self._batch.facts.append((now, WHOLE, None))
        found = changes(self._last, state, self._policy, now)
        self._batch.facts += [(now, path, value) for path, value in found]
        self._since_whole += len(found)

    def write(self, now: float) -> None:
        """Append what was gathered; a gap in the record ends with a whole one."""
        self._written_at = now
        batch, self._batch = self._batch, Batch()
        try:
            self._db = self._db or open_to_write(self._path)
            write(self._db, batch)
            forget(self._db, now - KEPT_S, KEPT_FACTS, FORGET_AT_ONCE)
        except (sqlite3.Error, OSError) as error:
            self._whole_at = float("-inf")
            self._close()
            self._say(str(error))
        else:
            self._say("")

    def close(self, now: float) -> None:
        """Write the rest and close."""
        self.write(now)
        self._close()

    def _close(self) -> None:
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
        self._db = None

    def _say(self, trouble: str) -> None:
        if trouble and not self._trouble:
            log.warning(
                "The record %s cannot be written (%s): rules cannot be replayed over this time. "
                "Everything else goes on; it is tried again. Look at the disk's free space; a file "
                "that is damaged or of another program may be moved away.",
                self._path,
                trouble,
            )
        elif self._trouble and not trouble:
            log.info("The record %s is written again.", self._path)
        self._trouble = trouble
