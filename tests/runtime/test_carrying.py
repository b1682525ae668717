"""Carrying: tickets before legs, recordings in parts, one-time addresses told to nobody."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.commands import Evacuate, LegPlan, ProbePhone
from orchestrator.core.events import Event, PhoneProbed
from orchestrator.core.words import Carry, LegRole, ReferHabit
from orchestrator.errors import ActionFailed
from orchestrator.runtime.carrying import Carrying, next_part
from orchestrator.runtime.ports import NodePorts, Ports

LEGS = (
    LegPlan("PJSIP/1001-01", "1001", LegRole.FIRST, Carry.REFER),
    LegPlan("PJSIP/1002-02", "1002", LegRole.SECOND, Carry.REFER),
)


@dataclass
class Switchboard:
    """The manager of one node: notes what it is asked, in one order with the other one's."""

    name: str
    asked: list[tuple[Any, ...]]
    refuses: str = ""
    facts: dict[str, str] = field(default_factory=lambda: {"linkedid": "a.1"})

    def _note(self, what: str, *arguments: Any) -> None:
        self.asked.append((self.name, what, *arguments))
        if what == self.refuses:
            raise ActionFailed(f"{self.name} refused {what}")

    async def leg_facts(self, channel: str, variables: Sequence[str]) -> Mapping[str, str]:
        self._note("leg_facts", channel, variables)
        return self.facts

    async def forget_tickets(self) -> None:
        self._note("forget_tickets")

    async def write_ticket(
        self, address: str, call: str, leg: LegPlan, facts: Mapping[str, str]
    ) -> None:
        self._note("write_ticket", address, call, leg, facts)

    async def send_legs(self, call: str, legs: Sequence[Any], to_address: str) -> None:
        self._note("send_legs", call, legs, to_address)

    async def probe_phone(
        self, endpoint: str, address: str, to_address: str, timeout_s: float
    ) -> tuple[ReferHabit | None, str]:
        self._note("probe_phone", endpoint, address, to_address)
        return ReferHabit.HONOURS, "moved"


class Scene:
    def __init__(self, recordings: Path | None = None, **of_b: Any) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.told: list[Event] = []
        self.a, self.b = Switchboard("a", self.asked), Switchboard("b", self.asked, **of_b)
        nodes = {
            "a": NodePorts(self.a, None, sip_address="10.0.0.1:5060"),  # type: ignore[arg-type]
            "b": NodePorts(self.b, None, sip_address="10.0.0.2:5060"),  # type: ignore[arg-type]
        }
        ports = Ports(nodes, None, None, {}, {}, recordings)  # type: ignore[arg-type]
        self.carrying = Carrying(ports, self.told.append)

    async def evacuate(self) -> None:
        await self.carrying.evacuate(
            Evacuate(id=1, epoch=1, timeout_s=5, node="a", to_node="b", call="c1", legs=LEGS)
        )

    def what(self) -> list[tuple[str, str]]:
        return [(one[0], one[1]) for one in self.asked]

    def tickets(self) -> list[tuple[Any, ...]]:
        return [one[2:] for one in self.asked if one[1] == "write_ticket"]


async def test_every_ticket_is_written_before_a_leg_is_sent() -> None:
    scene = Scene()
    await scene.evacuate()
    assert scene.what()[2:] == [
        ("b", "forget_tickets"), ("b", "write_ticket"), ("b", "write_ticket"), ("a", "send_legs"),
    ]  # fmt: skip
    _, _, call, sent, to_address = scene.asked[-1]
    addresses = [address for address, _, _, _ in scene.tickets()]
    assert [address for _, address, _ in sent] == addresses
    assert len({*addresses}) == 2
    assert all(len(one) == 32 and set(one) <= set("0123456789abcdef") for one in addresses)
    assert (call, to_address) == ("c1", "10.0.0.2:5060")


async def test_nothing_is_touched_when_a_ticket_is_not_written() -> None:
    scene = Scene(refuses="write_ticket")
    with pytest.raises(ActionFailed):
        await scene.evacuate()
    assert ("a", "send_legs") not in scene.what()


async def test_old_tickets_go_only_while_none_is_on_its_way() -> None:
    scene = Scene()
    await scene.evacuate()
    await scene.evacuate()
    assert scene.what().count(("b", "forget_tickets")) == 1


async def test_addresses_are_told_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    scene = Scene()
    scene.a.facts = {"linkedid": "a.1", "var:MIXMONITOR_FILENAME": "/s/monitor/q/1.wav"}
    await scene.evacuate()
    assert caplog.text
    assert not any(ticket[0] in caplog.text for ticket in scene.tickets())


async def test_a_recording_goes_on_as_its_next_part(tmp_path: Path) -> None:
    manifest = tmp_path / "recordings.jsonl"
    scene = Scene(manifest)
    scene.a.facts = {"linkedid": "a.1", "var:MIXMONITOR_FILENAME": "/s/monitor/q/1.wav"}
    await scene.evacuate()
    records = [facts.get("record") for _, _, _, facts in scene.tickets()]
    assert records == [None, "q/1-part2.wav"]  # one of the two records for both
    line = json.loads(manifest.read_text(encoding="utf-8"))
    assert (line["call"], line["linkedid"]) == ("c1", "a.1")
    assert line["parts"] == [
        {"node": "a", "file": "/s/monitor/q/1.wav"}, {"node": "b", "file": "q/1-part2.wav"},
    ]  # fmt: skip


async def test_a_manifest_that_cannot_be_written_stops_no_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene = Scene(tmp_path / "missing" / "recordings.jsonl")
    scene.a.facts = {"var:MIXMONITOR_FILENAME": "1.wav"}
    await scene.evacuate()
    assert "could not be written" in caplog.text


@pytest.mark.parametrize(
    ("first", "following"),
    [
        ("/var/spool/asterisk/monitor/2026/11/q-1.wav", "2026/11/q-1-part2.wav"),
        ("2026/q-1-part2.wav", "q-1-part3.wav"),
        ("/s/monitor/../../../etc/x.wav", "x-part2.wav"),
        ("/elsewhere/b,c $(x).gsm", "b_c___x_-part2.gsm"),
    ],
)
def test_names_of_parts(first: str, following: str) -> None:
    assert next_part(first) == following


async def test_a_test_call_is_referred_to_the_node_itself() -> None:
    scene = Scene()
    order = ProbePhone(id=1, epoch=1, timeout_s=9, node="a", endpoint="1001", user_agent="lab")
    await scene.carrying.probe(order, 8)
    assert scene.asked[0][4] == "10.0.0.1:5060"
    assert scene.told == [PhoneProbed("a", "1001", "lab", ReferHabit.HONOURS, "moved")]
