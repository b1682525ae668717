"""Calls are carried from one simulated node to the other, as the dialplan include does it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from orchestrator.simulator.ami import User
from orchestrator.simulator.node import Node
from tests.simulator.dialogue import Frame, frames, name
from tests.simulator.phone import Listener, Phone
from tests.simulator.site import NET, Site, settings

FIRST, SECOND = "aa11", "bb22"  # one-time addresses
ORDER = ("Channel", "UserEvent", "Call", "Leg", "Step", "Detail")


class PairOfNodes:
    def __init__(self, site: Site, other: Node, there: Listener) -> None:
        self.site, self.other, self.there = site, other, there

    async def phones(self, *habits: str) -> list[Phone]:
        made = []
        for number, habit in zip(("1005", "1006"), habits, strict=True):
            made.append(await self.site.phone(number, 21000 + int(number)))
            made[-1].habit = habit
        return made

    async def ticket(self, address: str, endpoint: str, role: str, /, **given: str) -> None:
        entries = {"call": "c1", "role": role, "endpoint": endpoint, "lines": "0"}
        entries |= {"expires": str(int(time.time()) + 30), **given}
        for key, text in entries.items():
            family = f"orchestrator-evac/{address}"
            await self.there.ask("DBPut", Family=family, Key=key, Val=text)

    async def prepare(self, channel: str, address: str, role: str, partner: str = "") -> None:
        said = {"CALL": "c1", "ROLE": role, "CARRY": "refer", "TOKEN": address}
        said |= {"TO": self.other.settings.address, "PARTNER": partner, "LINKING": ""}
        for key, text in said.items():
            reply = await self.site.listener.ask(
                "Setvar", Channel=channel, Variable=f"EVAC_{key}", Value=text
            )
            assert name(reply[0]) == "Success"

    async def conversation(self, *habits: str) -> tuple[list[Phone], list[str]]:
        phones = await self.phones(*habits)
        _, status = await phones[0].call("1006")
        assert status == 200
        await until(lambda: len(phones[1].talking()) == 1)
        return phones, sorted(self.site.node.pbx.channels)

    async def carry(self, channels: list[str]) -> None:
        await self.ticket(FIRST, "1005", "first")
        await self.ticket(SECOND, "1006", "second")
        await self.prepare(channels[0], FIRST, "first", channels[1])
        await self.prepare(channels[1], SECOND, "second", channels[0])
        self.there.cut()
        there = {"Context": "evacuate", "Exten": "s", "Priority": "1"}
        extra = {f"Extra{key}": text for key, text in there.items()}
        both = {"Channel": channels[0], "ExtraChannel": channels[1], **there, **extra}
        reply = await self.site.listener.ask("Redirect", **both)
        assert ("Message", " Dual Redirect successful") in reply[0]

    async def steps(self, listener: Listener, seconds: float = 0.4) -> set[tuple[str, str, str]]:
        """Leg, step, detail of all that was told since the last order or look there."""
        await listener.hear(seconds)
        told = [dict(frame) for frame in frames(listener.text) if name(frame) == "UserEvent"]
        return {(f["Leg"].strip(), f["Step"].strip(), f.get("Detail", "").strip()) for f in told}


async def until(what: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


@pytest_asyncio.fixture
async def pair(site: Site, tmp_path: Path) -> AsyncIterator[PairOfNodes]:
    (tmp_path / "b").mkdir()
    mine = replace(settings("node", 12, tmp_path / "b"), name="nodeb", peer=f"{NET}.11")
    other = Node(mine)
    everything = frozenset({"all"})
    other.server.users["tester"] = User("tester", "hidden", everything, everything)
    await other.start()
    there = await Listener.login(mine.address, "hidden")
    yield PairOfNodes(site, other, there)
    there.writer.close()
    await other.shut_down()


def servers(phone: Phone) -> set[str]:
    return {leg.target[0] for leg in phone.talking()}


async def test_both_phones_follow_and_talk_on_there(pair: PairOfNodes) -> None:
    phones, channels = await pair.conversation("honour", "honour")
    await pair.carry(channels)
    here = await pair.steps(pair.site.listener)
    assert here == {("first", "moved", ""), ("second", "moved", "")}
    assert await pair.steps(pair.there) == {
        ("first", "arrived", "1005"),
        ("second", "arrived", "1006"),
        ("second", "joined", ""),
    }
    await until(lambda: not pair.site.node.pbx.channels)
    assert servers(phones[0]) == servers(phones[1]) == {pair.other.settings.address}
    [bridge] = pair.other.pbx.bridges.values()
    assert len(bridge.channels) == 2
    await phones[1].talking()[0].hang_up()
    await until(lambda: not pair.other.pbx.channels)  # and the other one with it


@pytest.mark.parametrize(("habit", "said"), [("decline", "603"), ("failing", "503")])
async def test_a_phone_that_will_not_go_is_linked(pair: PairOfNodes, habit: str, said: str) -> None:
    phones, channels = await pair.conversation("honour", habit)
    await pair.carry(channels)
    here = await pair.steps(pair.site.listener)
    assert here == {("first", "moved", ""), ("second", "declined", said), ("second", "linked", "")}
    there = await pair.steps(pair.there)
    assert ("second", "arrived", "peernode") in there
    assert ("second", "joined", "") in there
    assert servers(phones[1]) == {pair.site.node.settings.address}
    assert servers(phones[0]) == {pair.other.settings.address}
    await phones[0].talking()[0].hang_up()
    await until(lambda: not phones[1].talking())


async def test_a_phone_that_shows_the_challenge_has_arrived_all_the_same(
    pair: PairOfNodes,
) -> None:
    phones, channels = await pair.conversation("naive", "naive")
    await pair.carry(channels)
    here = await pair.steps(pair.site.listener)
    challenged = {("first", "challenged", "401"), ("second", "challenged", "401")}
    # half a second later the old leg looks, and hears that the ticket was used
    assert challenged <= here <= challenged | {("first", "moved", ""), ("second", "moved", "")}
    await until(lambda: not pair.site.node.pbx.channels)
    assert servers(phones[0]) == servers(phones[1]) == {pair.other.settings.address}


async def test_a_phone_that_does_nothing_is_brought_back(pair: PairOfNodes) -> None:
    phones, channels = await pair.conversation("half-way", "half-way")
    await pair.carry(channels)
    back = {"Context": "evacuate", "Exten": "rejoin", "Priority": "1"}
    extra = {f"Extra{key}": text for key, text in back.items()}
    both = {"Channel": channels[0], "ExtraChannel": channels[1]}
    await pair.site.listener.ask("Redirect", **both, **back, **extra)
    assert ("second", "rejoined", "") in await pair.steps(pair.site.listener)
    assert servers(phones[0]) == servers(phones[1]) == {pair.site.node.settings.address}
    assert len(pair.site.node.pbx.bridges) == 1


async def test_with_the_other_node_gone_they_talk_on_here(pair: PairOfNodes) -> None:
    phones, channels = await pair.conversation("failing", "failing")
    await pair.prepare(channels[0], FIRST, "first", channels[1])
    await pair.prepare(channels[1], SECOND, "second", channels[0])
    pair.site.node.pbx.contacts_of("peernode")[0].status = "Unreachable"  # as qualify would find
    place = {"Context": "evacuate", "Exten": "s", "Priority": "1"}
    extra = {f"Extra{key}": text for key, text in place.items()}
    both = {"Channel": channels[0], "ExtraChannel": channels[1]}
    await pair.site.listener.ask("Redirect", **both, **place, **extra)
    assert ("second", "rejoined", "") in await pair.steps(pair.site.listener)
    assert len(pair.site.node.pbx.bridges) == 1
    assert all(len(phone.talking()) == 1 for phone in phones)


@pytest.mark.parametrize(
    ("given", "why", "status"),
    [
        ({"endpoint": "1006"}, "not the phone meant", 403),
        ({"expires": "1"}, "expired", 403),
        ({"expires": ""}, "used already", 410),
        ({"role": ""}, "no such ticket", 403),
    ],
)
async def test_who_has_no_valid_ticket_is_turned_away(
    pair: PairOfNodes, given: dict[str, str], why: str, status: int
) -> None:
    phone = Phone("1005", f"{NET}.21", 21099, pair.other.settings.address)
    pair.site.phones.append(phone)
    await pair.ticket(FIRST, "1005", "service", **given)
    before = dict(pair.other.pbx.database)
    pair.there.cut()
    _, answered = await phone.call(f"evac-{FIRST}")
    assert answered == status
    [(_, step, detail)] = await pair.steps(pair.there)
    assert (step, detail) == ("turned-away", why)
    assert pair.other.pbx.database == before  # the right one may still come


async def test_a_service_goes_on_and_a_caller_keeps_the_place_in_line(pair: PairOfNodes) -> None:
    phone = Phone("1005", f"{NET}.21", 21099, pair.other.settings.address)
    pair.site.phones.append(phone)
    place = {"line1": "EVAC_CONTEXT=serve", "line2": "EVAC_EXTEN=600", "lines": "2"}
    await pair.ticket(FIRST, "1005", "service", **place)
    leg, status = await phone.call(f"evac-{FIRST}")
    assert status == 200
    [channel] = pair.other.pbx.channels.values()
    assert (channel.application, channel.exten) == ("Echo", "600")
    await leg.hang_up()

    behind = Phone("1006", f"{NET}.21", 21098, pair.other.settings.address)
    pair.site.phones.append(behind)
    await behind.call("700")
    line = "EVAC_QUEUE_ARGUMENTS=support,,,,,,,,1"
    await pair.ticket(SECOND, "1005", "waiting", lines="1", line1=line)
    await phone.call(f"evac-{SECOND}")
    await until(lambda: len(pair.other.pbx.queues["support"].callers) == 2)
    order = [waiting.channel.endpoint for waiting in pair.other.pbx.queues["support"].callers]
    assert order == ["1005", "1006"]


async def test_the_step_is_told_as_asterisk_tells_user_events(pair: PairOfNodes) -> None:
    _, channels = await pair.conversation("honour", "honour")
    await pair.carry(channels)
    await pair.there.hear(0.4)
    told: list[Frame] = [f for f in frames(pair.there.text) if name(f) == "UserEvent"]
    headers = [key for key, _ in told[0]]
    assert headers[:2] == ["Event", "Privilege"]
    assert dict(told[0])["Privilege"] == " user,all"
    assert [key for key in headers if key in ORDER] == list(ORDER)
