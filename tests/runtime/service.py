"""A service without adapters: real loop, journal, desk and socket around a scripted core."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.core.commands import AnyCommand
from orchestrator.core.events import (
    AbortRequested,
    Event,
    ExtendRequested,
    HoldRequested,
    MoveRequested,
    ProbeRequested,
    ReleaseRequested,
    Tick,
)
from orchestrator.core.rulebook.trying import try_expression
from orchestrator.core.rules import RuleSet
from orchestrator.core.state import Answer, Hold, Move, MoveReport, Pair, Probing
from orchestrator.core.words import Phase
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.control import ControlServer
from orchestrator.runtime.desk import Desk
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.loop import Loop
from tests.runtime.world import POLICY, pair

ORDERS = (
    MoveRequested
    | AbortRequested
    | ExtendRequested
    | HoldRequested
    | ReleaseRequested
    | ProbeRequested
)


@dataclass
class MovingCore:
    """Takes orders as the real core does; a move lasts some ticks and ends as told."""

    outcome: str = "active"
    ticks: int = 0
    seen: list[Event] = field(default_factory=list)

    def step(
        self, state: Pair, events: Sequence[Event], now: float
    ) -> tuple[Pair, Sequence[AnyCommand]]:
        state = replace(state, answers=(), now=now)
        for event in events:
            if isinstance(event, Tick):
                state = self._tick(state, now)
            if isinstance(event, ORDERS):
                self.seen.append(event)
                state = self._order(state, event, now)
        return state, ()

    def _order(self, state: Pair, event: ORDERS, now: float) -> Pair:
        if isinstance(event, HoldRequested):
            hold = Hold(event.by, event.reason, now, event.until)
            state = replace(state, hold=hold, notes=(f"held: {event.reason}",))
            return replace(state, answers=(Answer(event, True, "Held."),))
        if isinstance(event, ProbeRequested):
            self.ticks = 0
            left = tuple((name, "Phone 1") for name in event.endpoints)
            state = replace(state, probing=Probing(event.by, left))
            return replace(state, answers=(Answer(event, True, "Test calls begin."),))
        if not isinstance(event, MoveRequested):
            return replace(state, answers=(Answer(event, False, "There is no move."),))
        if state.move is not None:
            return replace(state, answers=(Answer(event, False, "A move is in progress."),))
        self.ticks = 0
        move = Move(7, event.kind, "pbx-a", "pbx-b", event.by, event.reason, now, now)
        return replace(
            state, move=move, phase=Phase.DRAINING, answers=(Answer(event, True, "It begins."),)
        )

    def _tick(self, state: Pair, now: float) -> Pair:
        self.ticks += 1
        move = state.move
        if state.probing is not None and self.ticks >= 10:
            notes = (*state.notes, "1001 (Phone 1): follows a REFER")
            state = replace(state, probing=None, notes=notes)
        if move is None or self.ticks < 10:
            return state
        report = MoveReport(
            move.number, move.kind, move.from_node, move.to_node, move.by, move.reason,
            move.started_at, now, self.outcome, "so it ended", ("Bob with 600",),
        )  # fmt: skip
        state = replace(state, notes=(*state.notes, report.sentence))
        return replace(state, move=None, phase=Phase.STEADY, history=(report,), active="pbx-b")


class Service:
    """Runs in a thread of its own, so that a test can talk to it as another process would."""

    def __init__(
        self, directory: Path, core: MovingCore | None = None, state: Pair | None = None
    ) -> None:
        self.core = core or MovingCore()
        self.problems: list[str] = []  # of the rules, at a reload
        self._first = state or pair()
        self.socket = directory / "control.sock"
        self._directory = directory
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))

    def __enter__(self) -> Service:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *args: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _reload(self, by: str) -> dict[str, object]:
        if not self.problems:
            return {"ok": True, "says": f"rules reloaded by {by}: 7 as before"}
        return {"ok": False, "says": "Nothing was changed.", "problems": self.problems}

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        clock, journal = Clock(), Journal(self._directory / "journal.sqlite")
        loop = Loop(
            self.core, self._first, journal=journal, clock=clock, execute=lambda c: None,
            durable=lambda p: {"epoch": p.epoch}, tick_s=0.02,
        )  # fmt: skip
        desk = Desk(
            pair="lab", policy=POLICY, loop=loop, journal=journal, clock=clock,
            explain=lambda state, now, rule: [f"rule {rule or 'any'}: active.verdict is unknown"],
            attempt=lambda state, now, text: try_expression(text, RuleSet(), state, POLICY, now),
            reload=self._reload,
        )  # fmt: skip
        server = ControlServer(self.socket, desk)
        await server.start()
        ticking = asyncio.create_task(loop.run())
        self._ready.set()
        await self._stop.wait()
        ticking.cancel()
        await server.stop()
        journal.close()
