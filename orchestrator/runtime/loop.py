"""The one way through the code: events queue up, the core steps, the journal, the commands.

``put`` only appends; the batch is taken in the same turn of the event loop, so an idle service
goes from event to command in well under a millisecond. All is one thread: no locks.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from orchestrator.core.commands import AnyCommand, Quiet
from orchestrator.core.events import (
    AuthSeen,
    BridgeSeen,
    ChannelGone,
    ChannelSeen,
    CommandDone,
    ContactSeen,
    DialSeen,
    EndpointSeen,
    Event,
    EventsDropped,
    PictureLost,
    QueueCallerSeen,
    QueueMemberSeen,
    RegistrationSeen,
    Tick,
)
from orchestrator.core.mirroring.memory import ledger_changes
from orchestrator.core.rulebook.traces import traces_of
from orchestrator.core.state import Pair
from orchestrator.errors import JournalError
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.decided import DECIDED_ON_NODES, decided
from orchestrator.runtime.describe import describe
from orchestrator.runtime.journal import Entry, Intent, Journal, Line, Result
from orchestrator.runtime.story import tell

log = logging.getLogger(__name__)

LIMIT = 20_000  # events; a flood fills it only when several sources burst in one turn
STALL_S = 1.0  # the loop was not run for so long: worth a warning
RULES_EVERY_S = 5.0  # timers that only went on are journaled no more often
DRIFT_S = 60.0

_CHANGES_STATE = (
    ContactSeen
    | RegistrationSeen
    | EndpointSeen
    | ChannelSeen
    | ChannelGone
    | BridgeSeen
    | QueueMemberSeen
    | QueueCallerSeen
)
_MAY_BE_LOST = DialSeen | AuthSeen  # counts a little wrong; the next comparison tells the rest
_LEVEL = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.CRITICAL}


class Core(Protocol):
    """The pure core, behind its only door."""

    def step(
        self, state: Pair, events: Sequence[Event], now: float
    ) -> tuple[Pair, Sequence[AnyCommand]]:
        """One batch in, the new picture and what to do out."""


@dataclass(slots=True)
class Health:
    """How the service itself is doing; ``trouble`` is empty or says why nothing is decided."""

    stepped_at: float = 0.0
    longest_step_ms: float = 0.0
    dropped: int = 0
    trouble: str = ""


class Loop:
    """Owns the state. Everything else puts events or reads ``state``."""

    def __init__(
        self,
        core: Core,
        state: Pair,
        *,
        journal: Journal,
        clock: Clock,
        execute: Callable[[AnyCommand], None],
        durable: Callable[[Pair], Mapping[str, object]],
        tick_s: float,
        limit: int = LIMIT,
    ) -> None:
        self.state = state
        self.health = Health()
        self.on_step: list[Callable[[Entry], None]] = []
        self._core = core
        self._journal = journal
        self._clock = clock
        self._execute = execute
        self._durable = durable
        self._tick_s = tick_s
        self._limit = limit
        self._queue: deque[Event] = deque()
        self._dropped: Counter[str] = Counter()
        self._scheduled = False
        self._rules_written_at = 0.0
        self._rules_written: object = state.rules
        self._kept: list[CommandDone] = []

    def put(self, event: Event) -> bool:
        """Queue an event. False: dropped; what changed the state must be snapshotted again."""
        queue = self._queue
        if len(queue) >= self._limit and isinstance(event, _CHANGES_STATE | _MAY_BE_LOST):
            return self._drop(event)
        queue.append(event)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._drain)
        return True

    def _drop(self, event: _CHANGES_STATE | _MAY_BE_LOST) -> bool:
        self.health.dropped += 1
        if isinstance(event, _CHANGES_STATE) and not self._dropped[event.node]:
            self._queue.append(PictureLost(event.node, "our own queue was full"))
        self._dropped[event.node] += 1
        return isinstance(event, _MAY_BE_LOST)

    def use(self, core: Core) -> None:
        """Let this core decide from the next step on."""
        self._core = core

    def ask(self, event: Event) -> Pair:
        """Let the core decide on an operator's order now; returns the state after it."""
        self._queue.append(event)
        self._drain()
        return self.state

    async def run(self) -> None:
        """Send ticks at a steady pace until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._tick_s
        drifted = False
        while True:
            await asyncio.sleep(due - loop.time())
            late_s = loop.time() - due
            if late_s > STALL_S:
                log.warning(
                    "The orchestrator itself was not run for %.1f s (machine overloaded, suspended "
                    "or its disk hangs). That time counts as nobody's silence.",
                    late_s,
                )
            self.put(Tick())
            due = loop.time() + self._tick_s if late_s > self._tick_s else due + self._tick_s
            if abs(self._clock.drift_s()) > DRIFT_S and not drifted:
                drifted = True
                log.warning(
                    "The wall clock was set by %+.0f s since the start; hours in rules still go "
                    "by the old one. Restart the service to follow it.",
                    self._clock.drift_s(),
                )

    def finish(self) -> None:
        """Journal the last state; for a stop on purpose."""
        self._journal.write(self._clock.now(), Entry(self.state.epoch, self._durable(self.state)))

    def _drain(self) -> None:
        self._scheduled = False
        batch = [*self._kept, *self._queue]
        self._kept.clear()
        self._queue.clear()
        batch += [EventsDropped(node, count) for node, count in self._dropped.items()]
        self._dropped.clear()
        if batch:
            self._step(batch)

    def _step(self, batch: list[Event]) -> None:
        now = self._clock.now()
        before = self.state
        try:
            after, commands = self._core.step(before, batch, now)
        except Exception:
            self._isolate(batch)
            return
        lines = tell(before, after)
        try:
            entry = self._write(before, after, commands, batch, lines, now)
        except JournalError as error:
            self._only_watch(before, after, batch, str(error))
            return
        self.state = after
        for command in commands:
            self._execute(command)
        self._told(entry, now)

    def _told(self, entry: Entry, now: float) -> None:
        """Everything that may wait until the commands are on their way."""
        for line in entry.lines:
            log.log(_LEVEL[line.severity], "%s", line.text)
        if self.health.trouble:
            log.warning("The orchestrator decides again.")
            self.health.trouble = ""
        self.health.stepped_at = now
        took_ms = (self._clock.now() - now) * 1000
        self.health.longest_step_ms = max(self.health.longest_step_ms, took_ms)
        for listener in self.on_step:
            listener(entry)

    def _isolate(self, batch: list[Event]) -> None:
        """One event the core cannot digest must not blind it to the others."""
        if len(batch) > 1:
            for event in batch:
                self._step([event])
            return
        self._say_trouble(
            f"Internal error on {type(batch[0]).__name__}; the event was dropped.", exc_info=True
        )

    def _only_watch(self, before: Pair, after: Pair, batch: list[Event], why: str) -> None:
        """Take over what was seen, nothing that was decided; results wait for the journal."""
        self._say_trouble(why)
        nodes = after.nodes
        for name, node in nodes.items():
            undecided = {key: getattr(before.nodes[name], key) for key in DECIDED_ON_NODES}
            nodes = nodes.set(name, replace(node, **undecided))
        self.state = replace(before, nodes=nodes, now=after.now, lived_s=after.lived_s)
        self._kept = [event for event in batch if isinstance(event, CommandDone)]
        for listener in self.on_step:
            listener(Entry(self.state.epoch))

    def _say_trouble(self, why: str, exc_info: bool = False) -> None:
        if self.health.trouble != why:
            log.critical(why, exc_info=exc_info)
        self.health.trouble = why

    def _write(
        self,
        before: Pair,
        after: Pair,
        commands: Sequence[AnyCommand],
        batch: Iterable[Event],
        lines: tuple[Line, ...],
        now: float,
    ) -> Entry:
        intents = tuple(
            Intent(c.id, c.epoch, describe(c)) for c in commands if not isinstance(c, Quiet)
        )
        results = tuple(
            Result(e.command_id, e.epoch, e.ok, e.detail)
            for e in batch
            if isinstance(e, CommandDone) and not _is_quiet(before, e)
        )
        ledgers = before.mirror.ledger, after.mirror.ledger
        mirrored, unmirrored = ledger_changes(*ledgers)
        state = None
        if intents or decided(before, after) or self._rules_are_due(after, now):
            state = self._durable(after)
        newest = traces_of(after.rules)
        traces = newest if newest is not traces_of(before.rules) else ()
        entry = Entry(after.epoch, state, intents, results, lines, mirrored, unmirrored, traces)
        self._journal.write(now, entry)
        if state is not None:
            self._rules_written, self._rules_written_at = after.rules, now
        return entry

    def _rules_are_due(self, after: Pair, now: float) -> bool:
        return (
            after.rules is not self._rules_written and now - self._rules_written_at >= RULES_EVERY_S
        )


def _is_quiet(before: Pair, done: CommandDone) -> bool:
    asked = before.asked.get(done.command_id)
    return asked is not None and isinstance(asked.command, Quiet)
