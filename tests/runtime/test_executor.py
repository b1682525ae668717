"""The executor: every command reaches its adapter, every outcome comes back as an event."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any, get_args

import pytest

from orchestrator.core.commands import (
    AddAddress,
    AmiAction,
    AnyCommand,
    Evacuate,
    Fence,
    HangUp,
    Mirror,
    Notify,
    PauseMember,
    ProbeNow,
    ProbePhone,
    Qualify,
    Reading,
    Recount,
    RegisterTrunk,
    Rejoin,
    RemoveAddress,
    RunHook,
    SetDrainFlag,
    SetMaintenance,
    UnregisterTrunk,
    Verify,
)
from orchestrator.core.events import ChannelGone, CommandDone, Event
from orchestrator.core.words import FenceMethod, MirrorKind, Severity
from orchestrator.runtime.describe import describe
from orchestrator.runtime.executor import Executor
from tests.runtime.world import FakeReply, World

HEAD: dict[str, Any] = {"id": 5, "epoch": 2, "timeout_s": 0.2, "node": "pbx-a"}


def fence(method: FenceMethod, timeout_s: float = 5.0) -> Fence:
    return Fence(id=5, epoch=2, timeout_s=timeout_s, node="pbx-a", method=method)


async def outcome(world: World, command: AnyCommand) -> CommandDone:
    results: asyncio.Queue[Event] = asyncio.Queue()
    Executor(world.ports(), results.put_nowait).start(command)
    async with asyncio.timeout(10):
        done = await results.get()
    assert isinstance(done, CommandDone)
    assert (done.command_id, done.epoch) == (5, 2)
    return done


@pytest.mark.parametrize(
    ("command", "asked"),
    [
        (AddAddress(**HEAD), ("address_add", 2)),
        (RemoveAddress(**HEAD), ("address_remove", 2)),
        (RegisterTrunk(**HEAD, registration="t"), ("register_trunk", "t")),
        (UnregisterTrunk(**HEAD, registration="t"), ("unregister_trunk", "t")),
        (SetDrainFlag(**HEAD, on=True), ("set_drain_flag", True)),
        (SetMaintenance(**HEAD, endpoint="t", on=True), ("set_maintenance", "t", True)),
        (HangUp(**HEAD, channels=("PJSIP/1",)), ("hang_up", ("PJSIP/1",))),
        (RunHook(**HEAD, name="on-promote"), ("run", ("/bin/promote", "now"))),
        (AmiAction(**HEAD, action=(("Action", "Ping"),)), ("action", (("Action", "Ping"),))),
        (fence(FenceMethod.ADDRESS), ("address_remove", 2)),
        (fence(FenceMethod.KILL), ("process_kill",)),
    ],
    ids=lambda x: type(x).__name__,
)
async def test_each_command_reaches_its_adapter(
    command: AnyCommand, asked: tuple[object, ...]
) -> None:
    world = World()
    done = await outcome(world, command)
    assert done.ok
    assert world.a.asked == [asked]
    assert describe(command).startswith("pbx-a: ")


async def test_a_refusal_is_a_result_with_its_sentence() -> None:
    world = World()
    world.a.refuses["address_add"] = "eth0 does not exist on pbx-a"
    done = await outcome(world, AddAddress(**HEAD))
    assert not done.ok
    assert done.detail == "eth0 does not exist on pbx-a"


async def test_an_action_that_asterisk_refuses_is_not_ok() -> None:
    world = World()
    world.a.reply = FakeReply(False, "Permission denied")
    done = await outcome(world, AmiAction(**HEAD, action=(("Action", "Originate"),)))
    assert not done.ok
    assert done.detail == "Permission denied"


async def test_silence_ends_at_the_deadline() -> None:
    world = World()
    world.a.hangs.add("address_add")
    done = await outcome(world, AddAddress(**HEAD))
    assert not done.ok
    assert "no answer within 0.2 s" in done.detail


async def test_a_bug_in_an_adapter_is_a_result_too() -> None:
    done = await outcome(World(), RunHook(**HEAD, name="no-such-hook"))
    assert not done.ok
    assert "internal error" in done.detail


async def test_no_host_says_what_to_configure() -> None:
    done = await outcome(World(), AddAddress(**{**HEAD, "node": "pbx-b"}))
    assert not done.ok
    assert "nodes.pbx-b.host" in done.detail


async def test_verify_brings_its_measurements() -> None:
    done = await outcome(World(), Verify(**HEAD))
    assert done.ok
    assert done.data == {"contact_host": "10.77.0.12", "answer_ms": 2.0}


async def test_isolation_is_never_taken_on_trust() -> None:
    done = await outcome(World(), fence(FenceMethod.ISOLATION))
    assert not done.ok


async def test_the_fencing_command_is_believed_only_at_exit_code_0() -> None:
    script = "import sys; sys.exit(sys.argv[1] != 'pbx-a')"
    ok = World(fence_command=(sys.executable, "-c", script, "pbx-a"))
    assert (await outcome(ok, fence(FenceMethod.COMMAND))).ok
    bad = World(fence_command=(sys.executable, "-c", "import sys; sys.exit('socket is stuck')"))
    done = await outcome(bad, fence(FenceMethod.COMMAND))
    assert not done.ok
    assert "exit code 1: socket is stuck" in done.detail
    gone = await outcome(World(fence_command=("/no/such",)), fence(FenceMethod.COMMAND))
    assert "cannot be run" in gone.detail


async def test_a_fencing_command_that_hangs_is_killed_at_the_deadline() -> None:
    world = World(fence_command=("/bin/sleep", "30"))
    started = time.monotonic()
    done = await outcome(world, fence(FenceMethod.COMMAND, timeout_s=0.3))
    assert not done.ok
    assert time.monotonic() - started < 10


async def test_notify_and_probe_want_no_result() -> None:
    world, results = World(), list[Event]()
    executor = Executor(world.ports(), results.append)
    executor.start(
        Notify(id=1, epoch=0, timeout_s=1, severity=Severity.CRITICAL, title="t", text="x")
    )
    executor.start(ProbeNow(id=2, epoch=0, timeout_s=1, node="pbx-a"))
    assert world.announcer.told == [("critical", "t", "x")]
    assert world.a.asked == [("probe_now",)]
    await asyncio.sleep(0.01)
    assert results == []


async def test_what_is_over_comes_before_the_result() -> None:
    world, results = World(), list[Event]()
    world.a.over = [ChannelGone("pbx-a", "1.7", 0)]
    executor = Executor(world.ports(), results.append)
    executor.start(Recount(**HEAD))
    await asyncio.sleep(0.05)
    assert results == [ChannelGone("pbx-a", "1.7", 0), CommandDone(5, 2, True, "done")]
    assert describe(Recount(**HEAD)) == "pbx-a: look which channels are really there"


async def test_a_stop_leaves_the_result_unknown() -> None:
    world, results = World(), list[Event]()
    world.a.hangs.add("address_add")
    executor = Executor(world.ports(), results.append)
    executor.start(AddAddress(**{**HEAD, "timeout_s": 30.0}))
    await asyncio.sleep(0.01)
    await executor.stop()
    assert results == []


def test_a_described_action_shows_no_secret() -> None:
    action = (("Action", "PJSIPNotify"), ("Variable", "token=s3cret"), ("Channel", "PJSIP/1"))
    text = describe(AmiAction(**HEAD, action=action))
    assert "s3cret" not in text
    assert "PJSIP/1" in text


EVERYTHING: tuple[AnyCommand, ...] = (
    AddAddress(**HEAD),
    RemoveAddress(**HEAD),
    *(fence(method) for method in FenceMethod),
    RegisterTrunk(**HEAD, registration="t"),
    UnregisterTrunk(**HEAD, registration="t"),
    SetDrainFlag(**HEAD, on=False),
    SetMaintenance(**HEAD, endpoint="t", on=False),
    HangUp(**HEAD, channels=("PJSIP/1",)),
    Verify(**HEAD),
    RunHook(**HEAD, name="on-promote"),
    Mirror(**HEAD, kind=MirrorKind.ASTDB, removals=("CF/1",)),
    Qualify(**HEAD, endpoints=("1001",)),
    PauseMember(**HEAD, queue="q", interface="PJSIP/1", paused=True),
    Evacuate(**HEAD, to_node="pbx-b", call="1", legs=()),
    Rejoin(**HEAD, call="1", channels=()),
    ProbePhone(**HEAD, endpoint="1001", user_agent="x"),
    AmiAction(**HEAD, action=(("Action", "Ping"),)),
    Notify(id=5, epoch=2, timeout_s=0.2, severity=Severity.CRITICAL, title="t", text="x"),
)


def test_a_command_is_refused_in_a_dry_run_or_only_reads() -> None:
    assert {type(one) for one in EVERYTHING} | set(get_args(Reading)) == set(get_args(AnyCommand))


@pytest.mark.parametrize("command", EVERYTHING, ids=lambda one: type(one).__name__)
async def test_a_dry_run_refuses_whatever_would_change_something(command: AnyCommand) -> None:
    world, results = World(fence_command=("/bin/false",)), list[Event]()
    Executor(world.ports(), results.append, dry_run=True).start(command)
    assert results == [CommandDone(5, 2, False, "it was not done: this is a dry run")]
    await asyncio.sleep(0)
    assert (world.a.asked, world.b.asked, world.announcer.told) == ([], [], [])


async def test_a_dry_run_looks_and_reads() -> None:
    world, results = World(), asyncio.Queue[Event]()
    executor = Executor(world.ports(), results.put_nowait, dry_run=True)
    executor.start(ProbeNow(**HEAD))
    executor.start(Recount(**HEAD))
    assert isinstance(done := await results.get(), CommandDone) and done.ok
    assert world.a.asked == [("probe_now",), ("ghosts",)]
