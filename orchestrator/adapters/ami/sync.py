"""When to take a snapshot, and what waits meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from orchestrator.adapters.ami.snapshot import PART_OF, Ask, collect
from orchestrator.core.events import (
    Event,
    EventsDropped,
    NodeEvent,
    NodeFacts,
    PictureLost,
    Snapshot,
)
from orchestrator.errors import ActionFailed, AnswerLost, NotConnected

log = logging.getLogger(__name__)

AGAIN_AFTER_S = 0.3  # a reload tells each module; a flood should end first
MAX_WAITING = 50_000  # events held back while lists are read
PARTS = frozenset(PART_OF.values())


class Sync:
    """Keeps the picture whole: one snapshot at the start, and after each doubt."""

    def __init__(self, node: str, ask: Ask, sink: Callable[[Event], object]) -> None:
        self.booted_at: float | None = None
        self.held: set[str] = set()  # parts whose list has begun
        self.refused = False  # Asterisk refused every action for a while
        self._node = node
        self._ask = ask
        self._sink = sink
        self._wanted = asyncio.Event()
        self._waiting: list[NodeEvent] = []
        self._overflow = 0
        self._said: dict[str, str] = {}

    def again(self) -> None:
        """The picture may have holes: take another snapshot soon."""
        self.refused = False
        self._wanted.set()

    def reset(self) -> None:
        """The connection is gone, and with it the lists under way and what waited for them."""
        self.refused = False
        self._release()

    def _release(self) -> None:
        self.held.clear()
        self._waiting.clear()
        self._overflow = 0

    def waits(self, event: NodeEvent) -> bool:
        """Hold the event back when its list has begun (snapshot.py says why)."""
        if PART_OF.get(type(event)) not in self.held:
            return False
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(event)
        else:
            self._overflow += 1
        return True

    async def run(self) -> None:
        """Snapshot now, then whenever somebody asked for another; ends with the connection."""
        while True:
            self._wanted.clear()
            try:
                await self._snapshot()
            except (NotConnected, AnswerLost):
                return
            except ActionFailed as error:
                log.warning("%s: the snapshot failed and is tried again: %s", self._node, error)
                self.again()
            await self._wanted.wait()
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _snapshot(self) -> None:
        found = await collect(self._node, self._ask, self.held.add)
        self._tell(found.missing)
        content = [self._dated(event) for event in found.content]
        self._sink(Snapshot(self._node, tuple(content), PARTS & found.missing.keys()))
        waited, overflow = self._waiting, self._overflow
        self._waiting = []
        self._release()
        for event in waited:
            if self._sink(event) is False:
                self.again()
        if found.timed_out:
            self.again()
        if overflow:
            self._sink(PictureLost(self._node, "too many events came while its lists were read"))
            self._sink(EventsDropped(self._node, overflow))
            self.again()

    def _dated(self, event: NodeEvent) -> NodeEvent:
        if isinstance(event, NodeFacts):
            return NodeFacts(
                event.node, event.asterisk_version, self.booted_at, event.can_set_maintenance
            )
        return event

    def _tell(self, missing: dict[str, str]) -> None:
        """Say once what cannot be known, and why."""
        for part, why in missing.items():
            if self._said.get(part) != why:
                log.warning(
                    "%s: its %s cannot be read and stay unknown (%s). Check the AMI user's "
                    "privileges and the loaded modules.",
                    self._node,
                    part,
                    why,
                )
        self._said = missing
