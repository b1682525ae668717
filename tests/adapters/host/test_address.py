"""The virtual IP on a real interface: added, announced, removed, given up."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import time

import pytest

from orchestrator.adapters.host import HostLink
from orchestrator.core.events import AddressSeen, Event, Observed
from orchestrator.core.words import Observer, Outcome
from tests.adapters.host.conftest import Connect
from tests.adapters.host.places import (
    OTHER,
    Cable,
    Events,
    FakeAsterisk,
    ip,
    needs_root,
    settings,
    until_true,
)

pytestmark = [pytest.mark.root, needs_root]

MUTE = """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 5060))
print("bound", flush=True)
time.sleep(60)
"""

LISTEN = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
s.bind(("eth0", 0x0806))
print("listening", flush=True)
while True:
    f = s.recv(2048)
    if f[28:32] == socket.inet_aton("10.77.9.100"):
        print(f[21], f[22:28] == f[6:12], f[38:42] == f[28:32], flush=True)
"""


def gave_up(event: Event) -> bool:
    return isinstance(event, AddressSeen) and event.gave_up


def peer_is(event: Event, outcome: Outcome) -> bool:
    return (
        isinstance(event, Observed) and event.observer is Observer.PEER and event.outcome is outcome
    )


async def test_added_checked_removed(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect
) -> None:
    events = Events()
    client = await connect(settings(asterisk.pidfile), cable.agent(), events)
    assert not await client.address_check()
    for _ in range(2):
        await client.address_add(1)
        assert cable.holds() and await client.address_check()
    await events.until(lambda e: e == AddressSeen("pbx-a", True, guarded=True))
    for _ in range(2):
        await client.address_remove(1)
        assert not cable.holds() and not await client.address_check()
    await events.until(lambda e: e == AddressSeen("pbx-a", False))


async def test_removed_from_wherever_it_is(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect
) -> None:
    events = Events()
    client = await connect(settings(asterisk.pidfile), cable.agent(), events)
    ip("-n", cable.node, "addr", "add", "10.77.9.100/32", "dev", "lo")
    await events.until(lambda e: isinstance(e, AddressSeen) and e.holds is True)
    await client.address_remove(1)
    assert "10.77.9.100" not in ip("-n", cable.node, "addr")


async def test_announced_as_request_and_reply(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect
) -> None:
    client = await connect(settings(asterisk.pidfile), cable.agent(), Events())
    argv = cable.outside(sys.executable, "-u", "-c", LISTEN)
    listener = await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE)
    assert listener.stdout
    await listener.stdout.readline()
    await client.address_add(1)
    async with asyncio.timeout(10):
        heard = [await listener.stdout.readline() for _ in range(6)]
    listener.kill()
    await listener.wait()
    assert heard == [b"1 True True\n", b"2 True True\n"] * 3


async def test_route_source_follows_and_returns(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect
) -> None:
    before = ip("-n", cable.node, "route")
    client = await connect(settings(asterisk.pidfile, route_source=True), cable.agent(), Events())
    await client.address_add(1)
    routes = ip("-n", cable.node, "route").splitlines()
    assert len(routes) == 2 and all("src 10.77.9.100" in route for route in routes)
    await client.address_remove(1)
    words = [line.split() for line in before.splitlines()]
    assert [line.split() for line in ip("-n", cable.node, "route").splitlines()] == words


async def test_ipv6(cable: Cable, asterisk: FakeAsterisk, connect: Connect) -> None:
    v6 = settings(asterisk.pidfile, virtual_ip="fd77::100/64")
    client = await connect(v6, cable.agent(), Events())
    await client.address_add(1)
    added = [line for line in cable.addresses().splitlines() if "fd77::100/64" in line]
    assert len(added) == 1 and "tentative" not in added[0]  # usable at once
    await client.address_remove(1)
    assert "fd77::100/64" not in cable.addresses()


async def test_process_is_killed_and_seen(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect
) -> None:
    events = Events()
    asterisk.signal(signal.SIGSTOP)
    client = await connect(settings(asterisk.pidfile), cable.agent(), events)
    await events.until(lambda e: isinstance(e, Observed) and e.outcome is Outcome.STOPPED)
    await client.process_kill()
    assert asterisk.process.wait(timeout=5) == -signal.SIGKILL
    gone = await events.until(lambda e: isinstance(e, Observed) and e.outcome is Outcome.GONE)
    assert isinstance(gone, Observed) and gone.observer is Observer.HOST
    await client.process_kill()


async def test_peer_is_told_of_as_seen_from_here(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect
) -> None:
    events = Events()
    await connect(settings(asterisk.pidfile), cable.agent(), events)

    def of_peer(outcome: Outcome) -> Event:
        seen_from = "SIP OPTIONS and ping from the host of pbx-a"
        return Observed("pbx-b", Observer.PEER, outcome, seen_from)

    await events.until(lambda e: e == of_peer(Outcome.REFUSED))
    cable.unplug()
    await events.until(lambda e: e == of_peer(Outcome.SILENT))


async def test_a_peer_whose_sip_alone_is_silent_is_not_away(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect
) -> None:
    events = Events()
    argv = cable.outside(sys.executable, "-c", MUTE)
    mute = await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE)
    assert mute.stdout and await mute.stdout.readline()
    await connect(settings(asterisk.pidfile), cable.agent(), events)
    await events.until(lambda e: peer_is(e, Outcome.STOPPED))
    await asyncio.sleep(0.5)
    assert not any(peer_is(e, Outcome.SILENT) for e in events)
    cable.drop_all()
    await events.until(lambda e: peer_is(e, Outcome.SILENT))
    mute.kill()
    await mute.wait()


async def test_an_isolated_host_gives_the_address_up(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect
) -> None:
    events = Events()
    client = await connect(settings(asterisk.pidfile), cable.agent(), events)
    link: HostLink = client._link
    assert link.guards
    await client.address_add(1)
    await events.until(lambda e: isinstance(e, AddressSeen) and e.guarded)
    link._send = lambda message: None  # type: ignore[method-assign]  # what we say is lost
    cable.drop_all()
    await events.until(gave_up)
    assert not cable.holds()


async def test_a_pulled_cable_counts_at_once(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect
) -> None:
    events = Events()
    slow = settings(asterisk.pidfile, lease_s=1.0)
    client = await connect(slow, cable.agent(), events)
    await client.address_add(1)
    client._link._send = lambda message: None  # type: ignore[method-assign]
    await asyncio.sleep(0.9)  # the lease is nearly over; the witness answered until now
    cable.unplug()
    start = time.monotonic()
    await events.until(gave_up)
    assert time.monotonic() - start < 0.9
    assert not cable.holds()


async def test_a_dead_orchestrator_changes_nothing(cable: Cable, asterisk: FakeAsterisk) -> None:
    events = Events()
    link = HostLink(settings(asterisk.pidfile), cable.agent(), events)
    running = asyncio.create_task(link.run())
    await events.until(lambda e: isinstance(e, AddressSeen))
    await link.ask("address_add", 5, epoch=1)
    link._send = lambda message: None  # type: ignore[method-assign]  # hung: it says nothing
    await asyncio.sleep(0.8)
    assert cable.holds()
    running.cancel()
    await asyncio.wait({running})
    await asyncio.sleep(0.8)
    assert cable.holds()


async def test_the_orchestrator_dies_and_then_the_cable_is_pulled_at_once(
    cable: Cable, asterisk: FakeAsterisk
) -> None:
    """The agent outlives its input until it knows that it is not the host that is cut off."""
    events = Events()
    link = HostLink(settings(asterisk.pidfile, lease_s=0.5), cable.agent(), events)
    running = asyncio.create_task(link.run())
    await events.until(lambda e: isinstance(e, AddressSeen))
    await link.ask("address_add", 5, epoch=1)
    cable.unplug()
    running.cancel()
    await asyncio.wait({running})
    await until_true(lambda: not cable.holds())


async def test_without_witnesses_there_is_no_guard(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect
) -> None:
    events = Events()
    client = await connect(settings(asterisk.pidfile, witnesses=()), cable.agent(), events)
    assert not client._link.guards
    await client.address_add(1)
    client._link._send = lambda message: None  # type: ignore[method-assign]
    cable.unplug()
    await asyncio.sleep(0.8)
    assert cable.holds()
    assert not any(isinstance(e, AddressSeen) and e.guarded for e in events)


async def test_a_newer_agent_replaces_the_older(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect
) -> None:
    first, second = Events(), Events()
    await connect(settings(asterisk.pidfile), cable.agent(), first)
    await connect(settings(asterisk.pidfile), cable.agent(), second)
    await first.until(lambda e: e == AddressSeen("pbx-a", None))


def test_the_other_end_is_reached(cable: Cable) -> None:
    """The witness of these tests answers: else the guard tests would prove nothing."""
    subprocess.run(cable.inside("ping", "-c1", "-W2", OTHER), check=True, capture_output=True)
    assert socket.inet_aton(OTHER)
