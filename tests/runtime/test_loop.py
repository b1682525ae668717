"""The loop: batches, journal before command, what may be dropped, and no blindness."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from immutables import Map

from orchestrator.core.commands import (
    AddAddress,
    AnyCommand,
    Mirror,
    PauseMember,
    ProbeNow,
    Put,
)
from orchestrator.core.events import (
    CommandDone,
    ContactSeen,
    DialSeen,
    Event,
    EventsDropped,
    HoldRequested,
    Observed,
    PictureLost,
    Tick,
)
from orchestrator.core.rulebook.traces import Trace, What
from orchestrator.core.state import Asked, Hold, Pair
from orchestrator.core.words import ContactStatus, MirrorKind, Observer, Outcome, Verdict
from orchestrator.errors import JournalError
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.journal import Entry, Journal
from orchestrator.runtime.loop import Loop
from tests.runtime.world import ScriptedCore, pair

REFUSED = Observed("pbx-a", Observer.AMI, Outcome.REFUSED)
ADD = AddAddress(id=1, epoch=1, timeout_s=1.0, node="pbx-b")


def durable(state: Pair) -> Mapping[str, object]:
    return {"epoch": state.epoch, "phase": state.phase}


def make_loop(
    core: ScriptedCore,
    tmp_path: Path,
    execute: Callable[[AnyCommand], None] = lambda c: None,
    *,
    tick_s: float = 0.02,
    limit: int = 100,
) -> tuple[Loop, Journal]:
    journal = Journal(tmp_path / "journal.sqlite")
    loop = Loop(
        core,
        pair(),
        journal=journal,
        clock=Clock(),
        execute=execute,
        durable=durable,
        tick_s=tick_s,
        limit=limit,
    )
    return loop, journal


async def test_all_that_is_queued_is_one_batch(tmp_path: Path) -> None:
    core = ScriptedCore()
    loop, _ = make_loop(core, tmp_path)
    for _ in range(5):
        loop.put(REFUSED)
    await asyncio.sleep(0.01)
    assert core.batches == [[REFUSED] * 5]


async def test_ticks_come_at_a_steady_pace(tmp_path: Path) -> None:
    core = ScriptedCore()
    loop, _ = make_loop(core, tmp_path, tick_s=0.01)
    task = asyncio.create_task(loop.run())
    await asyncio.sleep(0.5)
    task.cancel()
    ticks = sum(isinstance(e, Tick) for batch in core.batches for e in batch)
    assert 20 <= ticks <= 51


async def test_a_stall_is_said_and_is_one_tick_not_many(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    core = ScriptedCore()
    loop, _ = make_loop(core, tmp_path)
    task = asyncio.create_task(loop.run())
    await asyncio.sleep(0.05)
    before = len(core.batches)
    time.sleep(1.2)  # noqa: ASYNC251 - the stall itself
    await asyncio.sleep(0.005)
    task.cancel()
    assert "was not run for" in caplog.text
    assert sum(len(b) for b in core.batches[before:]) <= 3


async def test_intent_is_durable_before_the_command_starts(tmp_path: Path) -> None:
    core = ScriptedCore(lambda s, e, n: (replace(s, epoch=1), (ADD,)) if not s.epoch else (s, ()))
    seen: list[object] = []
    loop, journal = make_loop(
        core, tmp_path, lambda c: seen.append((c, journal.unfinished()[0].what, journal.state()))
    )
    loop.put(REFUSED)
    await asyncio.sleep(0.01)
    assert seen == [(ADD, "pbx-b: add the virtual IP", {"epoch": 1, "phase": "learning"})]
    loop.put(CommandDone(1, 1, True, "done"))
    await asyncio.sleep(0.01)
    assert journal.unfinished() == []


async def test_a_probe_leaves_no_trace(tmp_path: Path) -> None:
    probe = ProbeNow(id=1, epoch=0, timeout_s=1, node="pbx-a")
    started: list[AnyCommand] = []
    loop, journal = make_loop(ScriptedCore(lambda s, e, n: (s, (probe,))), tmp_path, started.append)
    loop.put(REFUSED)
    await asyncio.sleep(0.01)
    assert started == [probe]
    assert journal.unfinished() == []


async def test_event_to_command_is_quick(tmp_path: Path) -> None:
    at: list[float] = []
    loop, _ = make_loop(
        ScriptedCore(lambda s, e, n: (replace(s, epoch=s.epoch + 1), (ADD,))),
        tmp_path,
        lambda c: at.append(time.perf_counter()),
    )
    took = []
    for _ in range(30):
        put_at = time.perf_counter()
        loop.put(REFUSED)
        await asyncio.sleep(0.005)
        took.append(at[-1] - put_at)
    assert sorted(took)[15] < 0.02


class FullDisk(Journal):
    """A journal whose disk can be filled by the test."""

    full = False

    def write(self, now: float, entry: Entry) -> None:
        if self.full and not entry.empty:
            raise JournalError("The disk is full. Nothing is decided.")
        super().write(now, entry)


async def test_without_a_journal_it_watches_but_decides_nothing(tmp_path: Path) -> None:
    def step(state: Pair, events: Sequence[Event], now: float) -> tuple[Pair, Sequence[AnyCommand]]:
        node = replace(state.nodes["pbx-a"], verdict=Verdict.DEAD)
        seen = replace(state, nodes=state.nodes.set("pbx-a", node), epoch=state.epoch + 1)
        return seen, (ADD,)

    core, started = ScriptedCore(step), list[AnyCommand]()
    journal = FullDisk(tmp_path / "journal.sqlite")
    loop = Loop(
        core, pair(), journal=journal, clock=Clock(), execute=started.append,
        durable=durable, tick_s=0.02,
    )  # fmt: skip
    journal.full = True
    done = CommandDone(9, 0, True)
    loop.put(done)
    await asyncio.sleep(0.01)
    assert started == []
    assert loop.state.epoch == 0
    assert loop.state.nodes["pbx-a"].verdict is Verdict.DEAD
    assert "disk is full" in loop.health.trouble
    journal.full = False
    loop.put(REFUSED)
    await asyncio.sleep(0.01)
    assert core.batches[-1] == [done, REFUSED], "the result was kept until it could be journaled"
    assert started == [ADD]
    assert loop.health.trouble == ""


async def test_what_changed_in_rules_is_journaled_once_and_not_lost(tmp_path: Path) -> None:
    began = Trace(1.0, "r", What.BEGAN, "its condition began to hold", ("x is true",))
    rules = Map(traces=(began,))
    core = ScriptedCore(lambda s, e, n: (s if s.rules else replace(s, rules=rules), ()))
    journal = FullDisk(tmp_path / "journal.sqlite")
    loop = Loop(
        core, pair(), journal=journal, clock=Clock(), execute=lambda c: None,
        durable=durable, tick_s=0.02,
    )  # fmt: skip
    journal.full = True
    loop.put(REFUSED)
    await asyncio.sleep(0.01)
    assert journal.traces("r", 9) == []
    journal.full = False
    for _ in range(3):
        loop.put(REFUSED)
        await asyncio.sleep(0.01)
    assert journal.traces("r", 9) == [began]
    assert journal.history(9) == [], "the story is for people who did not ask"


async def test_one_bad_event_does_not_take_the_others_along(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def step(state: Pair, events: Sequence[Event], now: float) -> tuple[Pair, Sequence[AnyCommand]]:
        if any(isinstance(e, PictureLost) for e in events):
            raise ZeroDivisionError
        return replace(state, epoch=state.epoch + len(events)), ()

    loop, _ = make_loop(ScriptedCore(step), tmp_path)
    for event in (REFUSED, PictureLost("pbx-a", "x"), REFUSED):
        loop.put(event)
    await asyncio.sleep(0.01)
    assert loop.state.epoch == 2
    assert "Internal error on PictureLost" in caplog.text


async def test_full_queue_drops_only_what_it_may_and_says_what_was_lost(tmp_path: Path) -> None:
    core = ScriptedCore()
    loop, _ = make_loop(core, tmp_path, limit=10)
    dial = DialSeen("pbx-a", "1", "2", "PJSIP/1001")
    contact = ContactSeen("pbx-b", "1001", "sip:1001@10.0.0.1", ContactStatus.REACHABLE)
    for _ in range(10):
        assert loop.put(REFUSED)
    assert loop.put(dial), "nobody needs to do anything about a lost dial"
    assert not loop.put(contact), "the adapter must snapshot again"
    assert not loop.put(contact)
    done = CommandDone(1, 1, True)
    assert loop.put(done), "a result is never dropped"
    await asyncio.sleep(0.01)
    (batch,) = core.batches
    assert batch.count(PictureLost("pbx-b", "our own queue was full")) == 1
    assert done in batch
    assert EventsDropped("pbx-a", 1) in batch
    assert EventsDropped("pbx-b", 2) in batch
    assert loop.health.dropped == 3


async def test_an_order_is_answered_at_once(tmp_path: Path) -> None:
    def step(state: Pair, events: Sequence[Event], now: float) -> tuple[Pair, Sequence[AnyCommand]]:
        hold = Hold("operator root", "tests", now)
        return replace(state, hold=hold, notes=("held by operator root: tests",)), ()

    loop, journal = make_loop(ScriptedCore(step), tmp_path)
    after = loop.ask(HoldRequested("operator root", "tests"))
    assert after.hold is not None
    assert [t.text for t in journal.history(5)] == ["held by operator root: tests"]


async def test_the_story_reaches_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    core = ScriptedCore(lambda s, e, n: (replace(s, active="pbx-b", epoch=4), ()))
    loop, _ = make_loop(core, tmp_path)
    loop.put(REFUSED)
    await asyncio.sleep(0.01)
    assert "pbx-b is active, epoch 4." in caplog.text


async def test_what_the_mirror_writes_is_in_the_ledger_first_and_is_no_intent(
    tmp_path: Path,
) -> None:
    put = Put("1001;@a", (("uri", "sip:1001@x"),), fresh=True)
    order = Mirror(id=9, epoch=0, timeout_s=1.0, node="pbx-b", kind=MirrorKind.CONTACT, puts=(put,))
    ledger = Map({MirrorKind.CONTACT: Map({put.key: True})})

    def step(state: Pair, events: Sequence[Event], now: float) -> tuple[Pair, list[AnyCommand]]:
        if any(isinstance(event, CommandDone) for event in events):
            return replace(state, mirror=replace(state.mirror, ledger=Map())), []
        asked = Map({9: Asked(order, "mirror", 1.0)})
        mirror = replace(state.mirror, ledger=ledger)
        return replace(state, next_command=10, asked=asked, mirror=mirror), [order]

    kept: list[object] = []
    loop, journal = make_loop(
        ScriptedCore(step), tmp_path, lambda command: kept.append(journal.mirrored())
    )
    loop.put(REFUSED)
    await asyncio.sleep(0.01)
    assert kept == [[("contact", put.key)]]
    loop.put(CommandDone(9, 0, True, "done"))
    await asyncio.sleep(0.01)
    assert journal.mirrored() == []
    assert journal.state() is None  # the record was not rewritten for it
    assert journal._db.execute("SELECT count(*) FROM command").fetchone() == (0,)


async def test_a_pause_across_is_an_intent_with_the_record_of_whom(tmp_path: Path) -> None:
    order = PauseMember(
        id=9, epoch=0, timeout_s=1.0, node="pbx-b", queue="sales", interface="PJSIP/1001",
        paused=True,
    )  # fmt: skip

    def step(state: Pair, events: Sequence[Event], now: float) -> tuple[Pair, list[AnyCommand]]:
        node = replace(state.nodes["pbx-b"], cross_paused=frozenset({"sales|PJSIP/1001"}))
        return replace(state, nodes=state.nodes.set("pbx-b", node)), [order]

    loop, journal = make_loop(ScriptedCore(step), tmp_path)
    loop.put(REFUSED)
    await asyncio.sleep(0.01)
    assert [intent.command for intent in journal.unfinished()] == [9]
    assert journal.state() is not None
