"""Calls carried from pbx-a to pbx-b in a lab, by the real adapters; one JSON line says how.

Runs in the client's place, so that the phones are here too: python -m tests.lab.carried LAB WHAT
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from contrib.lab import Lab
from contrib.lab.sip import Agent, Call, Habit
from orchestrator.core.commands import ProbePhone
from orchestrator.core.events import ChannelGone, ChannelSeen, PhoneProbed
from orchestrator.core.words import Carry, LegRole
from tests.lab.stage import Stage, leg, talk, told

NASTY = 'O"Neil, Bob (50%) ${EPOCH} $[1+1] ;|\\ ünï'


async def pair(stage: Stage, arguments: argparse.Namespace) -> dict[str, Any]:
    habits = [Habit(one) for one in arguments.habits]
    caller = await stage.phone("1011", habits[0])
    if arguments.callee:
        return await _foreign(stage, caller, arguments)
    callee = await stage.phone("1012", habits[-1])
    calls = await talk(stage, caller, callee)
    channels = await stage.channels()
    legs = (
        leg(channels["1011"], "1011", LegRole.FIRST),
        leg(channels["1012"], "1012", LegRole.SECOND, queue="support", agent="Agent, Nasty"),
    )
    by_role = {one.role: one.channel for one in legs}
    helper = asyncio.create_task(stage.hang_up_challenged("c1", by_role))
    if arguments.kill:
        stage.kill_before_sending()
    if arguments.alone:
        helper.cancel()
    await stage.carry("c1", *legs)
    if arguments.rejoin_after:
        await asyncio.sleep(arguments.rejoin_after)
        left = await stage.channels()
        await stage.ami["a"].rejoin("c1", [left[n] for n in ("1011", "1012") if n in left])
    await asyncio.sleep(arguments.seconds)
    helper.cancel()
    result = await told(calls)
    if arguments.then:
        result["then"] = await AFTERWARDS[arguments.then](stage, calls)
    for call in calls.values():
        await call.hang_up()
    await asyncio.sleep(0.3)
    gone = {e.uniqueid for e in stage.events if isinstance(e, ChannelGone)}
    begun = {e.uniqueid for e in stage.events if isinstance(e, ChannelSeen)}
    return {**result, "left": len(begun - gone), "steps": stage.steps("c1")}


async def _foreign(stage: Stage, caller: Agent, arguments: argparse.Namespace) -> dict[str, Any]:
    """The callee is a user agent that is no part of this program, registered at pbx-a."""
    call = await caller.call(arguments.callee)
    await asyncio.sleep(1)
    channels = await stage.channels()
    legs = (
        leg(channels["1011"], "1011", LegRole.FIRST),
        leg(channels[arguments.callee], arguments.callee, LegRole.SECOND),
    )
    by_role = {one.role: one.channel for one in legs}
    helper = asyncio.create_task(stage.hang_up_challenged("c1", by_role))
    await stage.carry("c1", *legs)
    await asyncio.sleep(arguments.seconds)
    helper.cancel()
    return {**await told({"1011": call}), "steps": stage.steps("c1")}


async def _hold(stage: Stage, calls: dict[str, Call]) -> dict[str, Any]:
    """The second puts the first on hold and takes it back."""
    second = calls["1012"]
    on = (await second.hold(on=True)).status
    await asyncio.sleep(0.5)
    off = (await second.hold(on=False)).status
    await asyncio.sleep(0.3)
    return {"on": on, "off": off, **await told(calls)}


async def _transfer(stage: Stage, calls: dict[str, Call]) -> dict[str, Any]:
    """The second transfers the first to the echo by its own REFER."""
    status = (await calls["1012"].transfer("600")).status
    await asyncio.sleep(1)
    return {"status": status, **await told(calls), "channels": list(await stage.channels("b"))}


async def _hang_up(stage: Stage, calls: dict[str, Call]) -> dict[str, Any]:
    """The first hangs up: so does the second."""
    await calls["1011"].hang_up()
    await asyncio.sleep(0.5)
    return {**await told(calls), "a": list(await stage.channels("a")),
            "b": list(await stage.channels("b"))}  # fmt: skip


AFTERWARDS: dict[str, Callable[[Stage, dict[str, Call]], Awaitable[dict[str, Any]]]] = {
    "hold": _hold,
    "transfer": _transfer,
    "hang-up": _hang_up,
}


async def service(stage: Stage, arguments: argparse.Namespace) -> dict[str, Any]:
    phone = await stage.phone("1011", Habit(arguments.habits[0]))
    call = await phone.call("600")
    await asyncio.sleep(0.5)
    channel = (await stage.channels())["1011"]
    for name, content in (("CALLERID(name)", NASTY), ("SITE_NOTE", NASTY)):
        await stage.ami["a"].action(
            {"Action": "Setvar", "Channel": channel, "Variable": name, "Value": content}
        )
    helper = asyncio.create_task(stage.hang_up_challenged("c1", {LegRole.SERVICE: channel}))
    await stage.carry("c1", leg(channel, "1011", LegRole.SERVICE, Carry(arguments.carry)),
                      variables=("SITE_NOTE",))  # fmt: skip
    await asyncio.sleep(arguments.seconds)
    helper.cancel()
    there = await stage.channels("b")
    facts = {}
    if there:
        facts = await stage.ami["b"].leg_facts(next(iter(there.values())), ("SITE_NOTE",))
    return {
        **await told({"1011": call}),
        "name_kept": facts.get("var:CALLERID(name)") == NASTY,
        "variable_kept": facts.get("var:SITE_NOTE") == NASTY,
        "application": facts.get("application"),
        "steps": stage.steps("c1"),
    }


async def queued(stage: Stage, arguments: argparse.Namespace) -> dict[str, Any]:
    """One caller talks to an agent, recorded; two wait, and keep their places in line."""
    agent = await stage.phone("1001")
    answered: asyncio.Future[Call] = asyncio.get_running_loop().create_future()
    agent.on_call = lambda call: None if answered.done() else answered.set_result(call)
    callers = [await stage.phone(number) for number in ("1013", "1014", "1015")]
    calls = {}
    for one in callers:
        calls[one.account.number] = await one.call("700")
        await asyncio.sleep(0.3)
    calls["1001"] = await answered
    channels = await stage.channels()
    record = {"Action": "MixMonitor", "Channel": channels["1013"], "File": "q-1.wav"}
    recorded = (await stage.ami["a"].action(record)).message
    await asyncio.sleep(0.5)
    await stage.carry(
        "c1",
        leg(channels["1013"], "1013", LegRole.FIRST, queue="support"),
        leg(channels["1001"], "1001", LegRole.SECOND, queue="support", agent="Agent, 1001"),
    )
    for position, number in enumerate(("1014", "1015"), 1):
        plan = leg(channels[number], number, LegRole.WAITING, queue="support", position=position)
        await stage.carry(f"w{position}", plan)
    await asyncio.sleep(arguments.seconds)
    there = stage.lab.node("b").cli("queue show support")
    return {
        **await told(calls),
        "recorded": recorded,
        "line": re.findall(r"^ +\d\. PJSIP/(\d+)", there, re.MULTILINE),
        "parts": (stage.lab.directory / "recordings.jsonl").read_text(encoding="utf-8"),
        "steps": [stage.steps(call) for call in ("c1", "w1", "w2")],
    }


async def trunk(stage: Stage, arguments: argparse.Namespace) -> dict[str, Any]:
    """A phone talks to somebody behind the trunk, which stays where it is."""
    phone = await stage.phone("1011", Habit(arguments.habits[0]))
    call = await phone.call("9123")
    await asyncio.sleep(1)
    channels = await stage.channels()
    await stage.carry(
        "c1",
        leg(channels["1011"], "1011", LegRole.FIRST),
        leg(channels["trunk"], "", LegRole.SECOND, Carry.LINK),
    )
    await asyncio.sleep(arguments.seconds)
    return {**await told({"1011": call}), "steps": stage.steps("c1")}


async def conference(stage: Stage, arguments: argparse.Namespace) -> dict[str, Any]:
    """Three in one conference, all carried at once."""
    calls = {}
    for number in ("1011", "1012", "1013"):
        calls[number] = await (await stage.phone(number)).call("800")
    await asyncio.sleep(1)
    channels = await stage.channels()
    await asyncio.gather(
        *(stage.carry(f"c{n}", leg(channels[n], n, LegRole.SERVICE)) for n in calls)
    )
    await asyncio.sleep(arguments.seconds)
    there = stage.lab.node("b").cli("confbridge list")
    return {
        **await told(calls),
        "members": re.findall(r"^team +(\d+)", there, re.MULTILINE),
        "steps": [stage.steps(f"c{n}") for n in calls],
    }


async def stranger(stage: Stage, arguments: argparse.Namespace) -> dict[str, Any]:
    """Another phone calls the one-time address first, then the right one twice, then too late."""
    token = "ab" * 16
    plan = leg("PJSIP/1011-0", "1011", LegRole.SERVICE)
    facts = {"context": "serve", "exten": "600", "priority": "1", "linkedid": "x.1"}
    await stage.ami["b"].write_ticket(token, "c1", plan, facts)
    right, wrong = await stage.phone("1011"), await stage.phone("1012")
    there = (stage.lab.node("b").address, 5060)
    answers = []
    for agent in (wrong, right, right):
        _, answer = await agent.invite(f"evac-{token}", there, 5)
        answers.append(answer.status)
    late = "cd" * 16
    await stage.ami["b"].write_ticket(late, "c2", plan, facts)
    key = {"Family": f"orchestrator-evac/{late}", "Key": "expires", "Val": "1000000000"}
    await stage.ami["b"].action({"Action": "DBPut", **key})
    for address in (f"evac-{late}", "evac-0000", "evac-%22%29%7D"):
        _, answer = await right.invite(address, there, 5)
        answers.append(answer.status)
    return {"answers": answers, "steps": stage.steps("c1") + stage.steps("c2")}


async def probe(stage: Stage, arguments: argparse.Namespace) -> dict[str, Any]:
    await stage.phone("1011", Habit(arguments.habits[0]))
    order = ProbePhone(id=1, epoch=1, timeout_s=9, node="pbx-a", endpoint="1011", user_agent="lab")
    await stage.carrying.probe(order, 6)
    await asyncio.sleep(0.5)
    said = [e for e in stage.events if isinstance(e, PhoneProbed)]
    return {"habit": said[0].habit, "detail": said[0].detail, "left": list(await stage.channels())}


SCENES = {
    "pair": pair,
    "service": service,
    "queued": queued,
    "trunk": trunk,
    "conference": conference,
    "stranger": stranger,
    "probe": probe,
}


async def _main(arguments: argparse.Namespace) -> None:
    async with Stage(Lab.load(arguments.lab)) as stage:
        print(json.dumps(await SCENES[arguments.scene](stage, arguments)), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lab")
    parser.add_argument("scene", choices=SCENES)
    parser.add_argument("--habits", nargs="+", default=["honour"])
    parser.add_argument("--carry", default="refer")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rejoin-after", type=float, default=0)
    parser.add_argument("--kill", action="store_true", help="pbx-b dies just before")
    parser.add_argument("--callee", help="a foreign user agent, registered at pbx-a")
    parser.add_argument("--alone", action="store_true", help="nobody hangs up challenged legs")
    parser.add_argument("--then", choices=AFTERWARDS)
    asyncio.run(_main(parser.parse_args()))
