"""The simulated lab: its faults are real ones, its virtual IP moves, its host agents behave."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contrib.lab.sip import Account, Agent, Call, NoAnswer
from orchestrator.adapters.host.client import HostClient
from orchestrator.adapters.host.link import HostLink
from orchestrator.adapters.host.settings import HostSettings
from orchestrator.adapters.host.transport import CommandTransport
from orchestrator.core.events import AddressSeen, Observed
from orchestrator.core.words import Observer, Outcome
from orchestrator.simulator import Lab, LabError
from orchestrator.simulator.__main__ import main

NAME = f"test-{os.getpid()}"


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab.up(NAME) as made:
        yield made


async def call(lab: Lab, number: str = "600", timeout_s: float = 1.0) -> Call:
    agent = Agent(Account("prober", (lab.virtual_ip, 5060)))
    await agent.open(lab.address("client"))
    return await agent.call(number, timeout_s)


def ami_lines(lab: Lab, place: str) -> bytes:
    with socket.create_connection((lab.address(place), 5038), timeout=1) as connection:
        connection.settimeout(0.3)
        return connection.recv(100)


def until(what: Any, within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.02)
    return False


async def test_calls_follow_the_virtual_ip_and_dialogs_stay(lab: Lab) -> None:
    held = await call(lab)
    assert held.server == lab.node("a").address
    assert (lab.node("a").calls, lab.node("b").calls) == (1, 0)
    lab.move_vip("b")
    assert lab.vip_holder() == "b"
    assert (await call(lab)).server == lab.node("b").address
    assert (await held.request("OPTIONS", 1)).status == 200
    await held.hang_up()
    assert until(lambda: lab.node("a").calls == 0)


async def test_nobody_serves_an_address_that_nobody_holds(lab: Lab) -> None:
    lab.move_vip(None)
    with pytest.raises(NoAnswer):
        await call(lab, timeout_s=0.5)


async def test_a_killed_node_refuses_and_comes_back_without_its_calls(lab: Lab) -> None:
    await call(lab)
    lab.node("a").kill()
    assert (lab.node("a").state, lab.node("a").pid, lab.node("a").calls) == ("gone", None, None)
    with pytest.raises(ConnectionRefusedError):
        ami_lines(lab, "a")
    with pytest.raises(LabError, match="not running"):
        lab.node("a").stop()
    lab.node("a").start()
    assert lab.node("a").calls == 0
    assert (await call(lab)).server == lab.node("a").address  # its host kept the address


async def test_a_stopped_node_is_silent_and_goes_on(lab: Lab) -> None:
    lab.node("a").stop()
    assert lab.node("a").state == "stopped"
    with pytest.raises(TimeoutError):
        ami_lines(lab, "a")
    lab.move_vip("b")  # the host takes the address away from a stopped process too
    assert (await call(lab)).server == lab.node("b").address
    lab.node("a").cont()
    assert ami_lines(lab, "a").startswith(b"Asterisk Call Manager/")


async def test_an_unplugged_node_is_silent_and_keeps_its_sessions(lab: Lab) -> None:
    session = socket.create_connection((lab.address("a"), 5038), timeout=1)
    assert session.recv(100)
    lab.node("a").unplug()
    assert lab.node("a").state == "running"
    session.sendall(b"Action: Ping\r\n\r\n")
    session.settimeout(0.3)
    with pytest.raises(TimeoutError):
        session.recv(100)
    with pytest.raises(NoAnswer):
        await call(lab, timeout_s=0.5)
    lab.node("a").plug()
    session.settimeout(2)
    assert session.recv(100).startswith(b"Response: Error")
    assert (await call(lab)).server == lab.node("a").address
    session.close()


async def test_the_provider_can_be_off_or_reject(lab: Lab) -> None:
    assert lab.provider.registered() == lab.node("a").address
    assert (lab.node("a").trunk, lab.node("b").trunk) == ("Registered", "Unregistered")
    lab.provider.reject()
    assert lab.provider.registered() is None
    assert until(lambda: lab.node("a").trunk == "Rejected", 25)
    lab.provider.ok()
    assert until(lambda: lab.provider.registered() == lab.node("a").address, 15)


async def test_calls_of_the_provider_go_to_who_registered_last(lab: Lab) -> None:
    world = Agent(Account("world", (lab.provider.address, 5060)))
    await world.open(lab.address("client"))
    inbound = await world.call("5550100", 2)
    assert inbound.server == lab.provider.address
    assert until(lambda: lab.node("a").calls == 1)
    await inbound.hang_up()
    assert until(lambda: lab.node("a").calls == 0)


class Hands:
    """A host link to the simulated host, as the orchestrator has one, and what it told."""

    def __init__(self, lab: Lab, place: str) -> None:
        peer = {"a": "b", "b": "a"}[place]
        argv = [sys.executable, "-m", "orchestrator.simulator.hand"]
        argv += ["--control", str(lab.directory / "control"), "--node", f"pbx-{place}"]
        settings = HostSettings(
            node=f"pbx-{place}",
            interface="lo",
            virtual_ip=f"{lab.virtual_ip}/24",
            pidfile=str(lab.directory / place / "asterisk.pid"),
            peer_node=f"pbx-{peer}",
            peer_address=lab.address(peer),
            witnesses=(lab.address("client"),),
            lease_s=0.3,
            silence_s=0.2,
        )
        self.told: list[Any] = []
        self.link = HostLink(settings, CommandTransport(tuple(argv)), self.told.append)
        self.client = HostClient(self.link)

    async def end(self, running: asyncio.Task[None]) -> None:
        running.cancel()
        await asyncio.wait({running})
        await asyncio.sleep(0.3)  # the hand's process ends with its stdin

    def saw(self, event: object) -> bool:
        return any(
            type(one) is type(event)
            and all(getattr(one, name) == getattr(event, name) for name in self._facts(event))
            for one in self.told
        )

    @staticmethod
    def _facts(event: object) -> tuple[str, ...]:
        if isinstance(event, Observed):
            return ("node", "observer", "outcome")
        return ("node", "holds", "gave_up")

    async def until(self, event: object, within_s: float = 3.0) -> None:
        deadline = time.monotonic() + within_s
        while not self.saw(event):
            assert time.monotonic() < deadline, (event, self.told[-5:])
            await asyncio.sleep(0.01)


async def test_the_orchestrators_hands(lab: Lab) -> None:
    hands = Hands(lab, "a")
    running = asyncio.create_task(hands.link.run())
    try:
        await hands.until(AddressSeen("pbx-a", True))
        await hands.until(Observed("pbx-a", Observer.HOST, Outcome.ANSWERS))
        await hands.until(Observed("pbx-b", Observer.PEER, Outcome.ANSWERS))
        assert hands.link.guards
        await hands.client.address_remove(1)
        assert lab.vip_holders() == ()
        assert not await hands.client.address_check()
        await hands.client.address_add(1)
        assert lab.vip_holder() == "a"
        assert (await hands.client.run(["echo", "hello"], 2)).strip() == "hello"
        lab.node("b").kill()
        await hands.until(Observed("pbx-b", Observer.PEER, Outcome.REFUSED))
        lab.node("a").stop()
        await hands.until(Observed("pbx-a", Observer.HOST, Outcome.STOPPED))
        await hands.client.process_kill()
        assert lab.node("a").state == "gone"
        await hands.until(Observed("pbx-a", Observer.HOST, Outcome.GONE))
    finally:
        await hands.end(running)


async def test_an_isolated_host_gives_the_address_up(lab: Lab) -> None:
    hands = Hands(lab, "a")
    running = asyncio.create_task(hands.link.run())
    try:
        await hands.until(AddressSeen("pbx-a", True))
        lab.node("a").unplug()
        assert until(lambda: lab.vip_holders() == (), 3)
        lab.node("a").plug()
        hands.told.clear()
        await hands.until(AddressSeen("pbx-a", False))
    finally:
        await hands.end(running)


def test_the_command_line_and_two_labs_side_by_side(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    other = f"{NAME}-other"
    assert main(["up", "--name", other]) == 0
    try:
        assert main(["fault", "kill", "b", "--name", other]) == 0
        capsys.readouterr()
        assert main(["status", "--json", "--name", other]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["nodes"]["pbx-b"]["asterisk"] == "gone"
        assert lab.node("b").state == "running"
        assert main(["fault", "kill", "--name", other]) == 1
        assert "Which node?" in capsys.readouterr().err
        assert main(["up", "--name", other]) == 1
    finally:
        assert main(["down", "--name", other]) == 0
    assert main(["status", "--name", other]) == 1
    assert not (lab.directory.parent / other).exists()


def test_nothing_survives_its_controller(lab: Lab) -> None:
    pids = [node.pid for node in lab.nodes.values()]
    lab.node("a").stop()
    controller = int((lab.directory / "controller.pid").read_text(encoding="utf-8"))
    subprocess.run(["kill", "-9", str(controller)], check=True)
    alive = [Path(f"/proc/{pid}") for pid in pids]
    assert until(lambda: not any(_lives(path) for path in alive))


def _lives(path: Path) -> bool:
    try:
        return ") Z " not in (path / "stat").read_text(encoding="utf-8")
    except OSError:
        return False
