"""The link against small agents that misbehave; no root needed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from orchestrator.adapters.host import CommandTransport, HostClient, HostLink
from orchestrator.core.events import AddressSeen, Event, Observed
from orchestrator.core.words import Observer, Outcome
from orchestrator.errors import ActionFailed, ActionTimeout, NotConnected
from tests.adapters.host.conftest import Connect
from tests.adapters.host.places import Events, settings

HEAD = """
import json, sys, time
def say(**m): print(json.dumps(m), flush=True)
def lines():
    for line in sys.stdin:
        m = json.loads(line)
        if m["do"] == "configure":
            say(id=m["id"], ok=True, guards=True, process="running", address=False, peer="silent")
        elif m["do"] != "lease" or "lease" in sys.argv:
            yield m
"""


def fake(tmp_path: Path, body: str, *argv: str) -> CommandTransport:
    program = tmp_path / "agent.py"
    program.write_text(HEAD + body)
    return CommandTransport((sys.executable, "-u", str(program), *argv))


def host(outcome: Outcome) -> object:
    def fits(event: Event) -> bool:
        return (
            isinstance(event, Observed)
            and event.observer is Observer.HOST
            and event.outcome is outcome
        )

    return fits


async def test_words_become_events(tmp_path: Path, connect: Connect) -> None:
    body = """
say(event="alive", process="gone", detail="d", address=True, guarded=True, peer="answers", stamp=1)
say(event="something newer"); print("garbage", flush=True)
say(event="gave_up_address", why="alone")
for m in lines(): pass
"""
    body = body.replace('say(event="alive"', 'for m in lines(): break\nsay(event="alive"', 1)
    events = Events()
    client = await connect(settings(tmp_path), fake(tmp_path, body), events)
    with pytest.raises(ActionTimeout):
        await client._link.ask("go", 0.2)
    wanted: list[Event] = [
        Observed("pbx-a", Observer.HOST, Outcome.ANSWERS),
        Observed(
            "pbx-b", Observer.PEER, Outcome.SILENT, "SIP OPTIONS and ping from the host of pbx-a"
        ),
        AddressSeen("pbx-a", False),
        Observed("pbx-a", Observer.HOST, Outcome.GONE, "d"),
        Observed(
            "pbx-b", Observer.PEER, Outcome.ANSWERS, "SIP OPTIONS and ping from the host of pbx-a"
        ),
        AddressSeen("pbx-a", True, guarded=True),
        AddressSeen("pbx-a", False, gave_up=True),
    ]
    for event in wanted:
        assert await events.until(lambda e, event=event: e == event)  # type: ignore[misc]


async def test_a_heartbeat_is_echoed_with_its_stamp(tmp_path: Path, connect: Connect) -> None:
    body = """
say(event="alive", stamp=42.5)
for m in lines():
    if m["do"] == "lease" and m["stamp"] == 42.5: say(event="peer", outcome="refused")
"""
    events = Events()
    await connect(settings(tmp_path), fake(tmp_path, body, "lease"), events)
    await events.until(lambda e: isinstance(e, Observed) and e.outcome is Outcome.REFUSED)


async def test_refusals_and_silence_have_their_own_errors(tmp_path: Path, connect: Connect) -> None:
    body = """
for m in lines():
    if m["do"] == "address_add": say(id=m["id"], ok=False, error="no such interface")
    if m["do"] == "run": say(id=m["id"], ok=True, exit_code=4, stdout="", stderr="broken",
                             timed_out=False)
    if m["do"] == "process_kill": break
"""
    link_client = await connect(settings(tmp_path), fake(tmp_path, body), Events())
    with pytest.raises(ActionFailed, match="no such interface"):
        await link_client.address_add(1)
    with pytest.raises(ActionFailed, match="exit code 4: broken"):
        await link_client.run(("x",), 1)
    with pytest.raises(ActionTimeout, match="not known"):
        await link_client._link.ask("address_check", 0.1)
    with pytest.raises(ActionTimeout, match="broke before the answer"):
        await link_client.process_kill()


async def test_an_agent_that_ends_is_started_again_at_once(
    tmp_path: Path, connect: Connect
) -> None:
    events = Events()
    client = await connect(settings(tmp_path), fake(tmp_path, "for m in lines(): break"), events)
    events.clear()
    with pytest.raises(ActionTimeout):
        await client.address_check()
    await events.until(lambda e: e == AddressSeen("pbx-a", None))
    await events.until(host(Outcome.ANSWERS))  # type: ignore[arg-type]


async def test_silence_is_told_and_the_link_made_anew(tmp_path: Path, connect: Connect) -> None:
    body = 'say(event="address", address=True, guarded=True)\ntime.sleep(600)'
    body = "for m in lines(): break\n" + body
    events = Events()
    client = await connect(settings(tmp_path), fake(tmp_path, body), events)
    with pytest.raises(ActionTimeout):
        await client._link.ask("go", 0.1)
    await events.until(host(Outcome.SILENT))  # type: ignore[arg-type]
    await events.until(lambda e: e == AddressSeen("pbx-a", None, guarded=True))
    await events.until(host(Outcome.ANSWERS))  # type: ignore[arg-type]


async def test_an_agent_that_cannot_start_says_why(tmp_path: Path) -> None:
    events = Events()
    dying = CommandTransport((sys.executable, "-c", "import sys; sys.exit('no root here')"))
    link = HostLink(settings(tmp_path), dying, events)
    running = asyncio.create_task(link.run())
    event = await events.until(host(Outcome.DENIED))  # type: ignore[arg-type]
    assert isinstance(event, Observed) and "no root here" in event.detail
    with pytest.raises(NotConnected, match="no root here"):
        await HostClient(link).address_add(1)
    running.cancel()


async def test_a_missing_program_says_so(tmp_path: Path) -> None:
    events = Events()
    link = HostLink(settings(tmp_path), CommandTransport(("/none/agent",)), events)
    running = asyncio.create_task(link.run())
    event = await events.until(host(Outcome.DENIED))  # type: ignore[arg-type]
    assert isinstance(event, Observed) and "/none/agent" in event.detail
    running.cancel()
