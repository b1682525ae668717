"""Two agents on one network: never two holders, also after a pause of one of them."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.adapters.host import HostClient, HostSettings
from orchestrator.adapters.host.agent.holding import ANNOUNCE_AGAIN_S
from orchestrator.core.events import AddressSeen, Event
from orchestrator.errors import ActionFailed
from tests.adapters.host.conftest import Connect
from tests.adapters.host.places import (
    NODE,
    Cable,
    Events,
    FakeAsterisk,
    ip,
    needs_root,
    settings,
    until_true,
)

pytestmark = [pytest.mark.root, needs_root]

YOUNG_S = ANNOUNCE_AGAIN_S[-1]

ANNOUNCE = """
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
s.bind(("eth0", 0))
vip, mac = socket.inet_aton(sys.argv[1]), s.getsockname()[4]
s.send(b"\\xff" * 6 + mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1)
       + mac + vip + bytes(6) + socket.inet_aton(sys.argv[2]))
"""


def other_settings(pidfile: Path) -> HostSettings:
    return settings(pidfile, node="pbx-b", peer_node="pbx-a", peer_address=NODE, witnesses=(NODE,))


async def two(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect
) -> tuple[HostClient, HostClient, Events, Events]:
    a_events, b_events = Events(), Events()
    a = await connect(settings(asterisk.pidfile), cable.agent(), a_events)
    b = await connect(other_settings(asterisk.pidfile), cable.other_agent(), b_events)
    return a, b, a_events, b_events


def gave_up(event: Event) -> bool:
    return isinstance(event, AddressSeen) and event.gave_up


async def test_the_holder_yields_at_once_to_whoever_announces_later(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    a, b, a_events, b_events = await two(cable, asterisk, connect)
    await a.address_add(1)
    await asyncio.sleep(YOUNG_S + 0.1)
    a_events.clear()
    with caplog.at_level(logging.WARNING):
        await b.address_add(2)
        start = time.monotonic()
        await a_events.until(gave_up)
    assert time.monotonic() - start < 0.1
    assert "pbx-b (MAC" in caplog.text and "announced the address" in caplog.text
    await asyncio.sleep(YOUNG_S + 0.3)  # all repeats are over
    assert cable.holders() == (False, True)
    assert not any(gave_up(event) for event in b_events)


async def test_of_two_who_announce_in_the_same_second_the_newer_keeps_it(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect
) -> None:
    a, b, *_ = await two(cable, asterisk, connect)
    await a.address_add(1)
    await asyncio.sleep(0.3)
    await b.address_add(2)
    await asyncio.sleep(YOUNG_S + 0.3)
    assert cable.holders() == (False, True)


@pytest.mark.parametrize("held_s", [0.1, YOUNG_S + 0.1], ids=["just added", "added long ago"])
async def test_after_a_pause_the_former_holder_asks_and_yields(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect, held_s: float
) -> None:
    a, b, _, b_events = await two(cable, asterisk, connect)
    await a.address_add(1)
    await asyncio.sleep(held_s)
    cable.freeze(True)
    await asyncio.sleep(0.6)
    await b.address_add(2)
    await asyncio.sleep(0.3)
    assert cable.holders() == (True, True)  # nobody can take it from a stopped agent's host
    cable.freeze(False)
    start = time.monotonic()
    await until_true(lambda: cable.holders() == (False, True))
    assert time.monotonic() - start < 0.2
    await asyncio.sleep(YOUNG_S + 0.3)
    assert cable.holders() == (False, True)
    assert not any(gave_up(event) for event in b_events)


async def test_after_a_pause_an_answer_is_enough(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """Another machine got the address without a word."""
    events = Events()
    client = await connect(settings(asterisk.pidfile), cable.agent(), events)
    await client.address_add(1)
    await asyncio.sleep(0.1)
    cable.freeze(True)
    ip("-n", cable.other, "addr", "add", "10.77.9.100/32", "dev", "eth0")
    await asyncio.sleep(0.6)
    with caplog.at_level(logging.WARNING):
        cable.freeze(False)
        await events.until(gave_up)
    assert "this host was paused for" in caplog.text
    assert cable.holders() == (False, True)


async def test_a_pause_alone_changes_nothing(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect
) -> None:
    events = Events()
    client = await connect(settings(asterisk.pidfile), cable.agent(), events)
    await client.address_add(1)
    cable.freeze(True)
    await asyncio.sleep(0.8)
    cable.freeze(False)
    await asyncio.sleep(0.5)
    assert cable.holders() == (True, False)
    assert not any(gave_up(event) for event in events)


async def test_a_paused_holder_does_not_announce_what_is_no_longer_true(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect
) -> None:
    """Its repeats came due during the pause, and would drive the new holder away."""
    a, *_ = await two(cable, asterisk, connect)
    await a.address_add(1)
    cable.freeze(True)
    await asyncio.sleep(0.6)
    ip("-n", cable.other, "addr", "add", "10.77.9.100/32", "dev", "eth0")
    cable.freeze(False)
    await until_true(lambda: cable.holders()[0] is False)
    await asyncio.sleep(YOUNG_S + 0.3)
    assert cable.holders() == (False, True)


async def test_a_new_holder_is_not_driven_away_by_the_late_words_of_the_older(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect
) -> None:
    client = await connect(settings(asterisk.pidfile), cable.agent(), Events())
    argv = cable.outside(sys.executable, "-c", ANNOUNCE, "10.77.9.100", "10.77.9.100")
    await client.address_add(1)
    await asyncio.to_thread(subprocess.run, argv, check=True)
    await asyncio.sleep(YOUNG_S + 0.1)
    assert cable.holds()


@pytest.mark.parametrize(("target", "holds"), [("10.77.9.100", False), (NODE, True)])
async def test_only_an_announcement_counts(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect, target: str, holds: bool
) -> None:
    """An ARP request from the address to somebody else is no announcement."""
    client = await connect(settings(asterisk.pidfile), cable.agent(), Events())
    await client.address_add(1)
    await asyncio.sleep(YOUNG_S + 0.1)
    argv = cable.outside(sys.executable, "-c", ANNOUNCE, "10.77.9.100", target)
    await asyncio.to_thread(subprocess.run, argv, check=True)
    await asyncio.sleep(0.1)
    assert cable.holds() == holds


async def test_a_second_interface_of_this_host_is_no_rival(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect
) -> None:
    """Linux answers ARP for any of its addresses on each of its interfaces."""
    peer = ("peer", "name", "eth1", "netns", cable.other)
    ip("-n", cable.node, "link", "add", "eth1", "type", "veth", *peer)
    ip("-n", cable.other, "link", "add", "switch", "type", "bridge")
    for port in ("eth0", "eth1"):
        ip("-n", cable.other, "link", "set", port, "master", "switch", "up")
    for name, link in ((cable.other, "switch"), (cable.node, "eth1")):
        ip("-n", name, "link", "set", link, "up")
    client = await connect(settings(asterisk.pidfile), cable.agent(), Events())
    await client.address_add(1)
    await asyncio.sleep(YOUNG_S + 0.1)
    announce = ANNOUNCE.replace("eth0", "eth1")
    argv = cable.inside(sys.executable, "-c", announce, "10.77.9.100", "10.77.9.100")
    await asyncio.to_thread(subprocess.run, argv, check=True)
    await asyncio.sleep(0.1)
    assert cable.holds()


async def test_when_the_orchestrator_goes_the_network_is_asked(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect
) -> None:
    """A machine whose clock stood still, too, does not know of its pause."""
    client = await connect(settings(asterisk.pidfile), cable.agent(), Events())
    await client.address_add(1)
    ip("-n", cable.other, "addr", "add", "10.77.9.100/32", "dev", "eth0")
    await asyncio.sleep(0.3)
    assert cable.holders() == (True, True)
    client._link._close()
    await until_true(lambda: cable.holders() == (False, True))


async def test_an_order_of_the_past_moves_nothing(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect
) -> None:
    client = await connect(settings(asterisk.pidfile), cable.agent(), Events())
    await client.address_add(4)
    await client.address_remove(6)
    with pytest.raises(ActionFailed, match=r"epoch 5, but one of epoch 6 .* of the past"):
        await client.address_add(5)
    assert not cable.holds()
    await client.address_add(6)
    await client.address_remove(2)  # to remove is always safe
    assert not cable.holds()
    anew = await connect(settings(asterisk.pidfile), cable.agent(), Events())
    await anew.address_add(1)  # a connection starts afresh: the journal may have been lost
    assert cable.holds()
