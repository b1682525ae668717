"""The one clock: epoch seconds that never jump back, whatever happens to the wall clock."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Wall time at the start plus monotonic time since; a step of the wall clock moves nothing."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._offset_s = wall() - monotonic()

    def now(self) -> float:
        """Epoch seconds."""
        return self._monotonic() + self._offset_s

    def drift_s(self) -> float:
        """How far the wall clock has been set away from this one since the start."""
        return self._wall() - self.now()
