"""Evacuation over AMI: tickets, legs, rejoining, and what the dialplan tells."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from orchestrator.adapters.ami.client import AmiClient
from orchestrator.adapters.ami.legs import leg_seen
from orchestrator.adapters.ami.ticket import LIFE_S, ticket
from orchestrator.core.commands import LegPlan
from orchestrator.core.events import LegSeen
from orchestrator.core.words import Carry, LegRole, LegStep, ReferHabit
from orchestrator.errors import ActionFailed
from tests.adapters.ami.fake import FakeAmi

NASTY = 'O"Neil, Bob ${EPOCH} $[1+1] ;|\\ ünï'
FIRST = LegPlan("PJSIP/1001-01", "1001", LegRole.FIRST, Carry.REFER)
SECOND = LegPlan(
    "PJSIP/1002-02", "1002", LegRole.SECOND, Carry.REFER, queue="support", agent="Smith, A|B"
)
WAITING = LegPlan("PJSIP/1003-03", "1003", LegRole.WAITING, Carry.REFER, "support", 3)


@pytest.fixture
async def fake() -> FakeAmi:
    server = FakeAmi()
    server.lists["Ping"] = [b"Response: Success\r\nActionID: x\r\nTimestamp: 1795361792.7"]
    server.lists["CoreSettings"] = [
        b"Response: Success\r\nActionID: x\r\nAsteriskVersion: 22.10.1~dfsg"
    ]
    await server.listen()
    return server


def written(fake: FakeAmi) -> dict[str, str]:
    return {one["Key"]: one["Val"] for one in fake.received if one["Action"] == "DBPut"}


def variables(fake: FakeAmi, channel: str) -> dict[str, str]:
    return {
        one["Variable"]: one["Value"]
        for one in fake.received
        if one["Action"] == "Setvar" and one["Channel"] == channel
    }


def redirects(fake: FakeAmi) -> list[tuple[str, str | None, str]]:
    return [
        (one["Channel"], one.get("ExtraChannel"), one["Exten"])
        for one in fake.received
        if one["Action"] == "Redirect"
    ]


def step(name: str, *, detail: str = "", call: str = "probe-1001", leg: str = "service") -> bytes:
    return (
        "Event: UserEvent\r\nPrivilege: user,all\r\nChannel: PJSIP/1001-01\r\nUniqueid: a.1\r\n"
        f"UserEvent: Evacuation\r\nCall: {call}\r\nLeg: {leg}\r\nStep: {name}\r\nDetail: {detail}"
    ).encode()


def test_what_the_dialplan_tells() -> None:
    assert leg_seen("pbx-b", step("arrived", detail="1001", call="c1", leg="first")) == LegSeen(
        "pbx-b", "c1", LegRole.FIRST, LegStep.ARRIVED, "a.1", "1001"
    )
    linked = leg_seen("pbx-a", step("linked", call="c1") + b"\r\nSpoke: a.7")
    assert linked is not None
    assert linked.uniqueid == "a.7"  # told on the other node's channel, about this one


@pytest.mark.parametrize(
    "raw",
    [
        step("arrived", call=""),  # called without a ticket
        step("arrived", leg="nobody"),
        step("nonsense"),
        step("arrived").replace(b"UserEvent: Evacuation", b"UserEvent: Other"),
    ],
)
def test_what_tells_nothing(raw: bytes) -> None:
    assert leg_seen("pbx-b", raw) is None


async def test_a_ticket_holds_any_text_and_expires_by_that_nodes_clock(
    fake: FakeAmi, client: AmiClient
) -> None:
    facts = {"context": "serve", "exten": "600", "priority": "2", "linkedid": "a.1",
             "var:CALLERID(name)": NASTY, "var:SITE": "x=y"}  # fmt: skip
    await client.write_ticket("ab12", "c1", FIRST, facts)
    keys = written(fake)
    assert keys["endpoint"] == "1001"
    assert int(keys["expires"]) == 1795361792 + LIFE_S
    lines = [keys[f"line{n}"] for n in range(1, int(keys["lines"]) + 1)]
    assert f"CALLERID(name)={NASTY}" in lines
    assert "SITE=x=y" in lines
    assert "CDR(userfield)=a.1" in lines
    assert {one["Family"] for one in fake.received if "Family" in one} == {"orchestrator-evac/ab12"}


async def test_what_is_too_long_for_a_line_of_ami_stays_behind_and_is_named(
    fake: FakeAmi, client: AmiClient, caplog: pytest.LogCaptureFixture
) -> None:
    facts = {"var:LONG": "ü" * 600, "var:SHORT": "s"}
    await client.write_ticket("5ec7e7", "c1", FIRST, facts)
    assert "LONG is too long" in caplog.text
    assert "5ec7e7" not in caplog.text
    assert max(len(f"{k}: {v}".encode()) for one in fake.received for k, v in one.items()) < 1024
    assert "SHORT=s" in written(fake).values()


async def test_a_ticket_that_is_refused_says_so_without_its_address(
    fake: FakeAmi, client: AmiClient
) -> None:
    fake.refuse["DBPut"] = "Permission denied"
    with pytest.raises(ActionFailed, match="Permission denied") as refused:
        await client.write_ticket("5ec7e7", "c1", FIRST, {})
    assert "5ec7e7" not in str(refused.value)


@pytest.mark.parametrize(
    ("version", "arguments"),
    [
        ("22.10.1~dfsg", "support,t,,,60,,,,3"),
        ("certified/20.7-cert1", "support,t,,,60,,,,,3"),
        ("16.28.0~dfsg", "support,t,,,60,,,,,3"),
    ],
)
def test_a_waiting_caller_keeps_the_place_and_what_the_site_said(
    version: str, arguments: str
) -> None:
    facts = {"application": "Queue", "data": "support,t,,,60"}
    lines = ticket("w1", WAITING, facts, 0, version).values()
    assert f"EVAC_QUEUE_ARGUMENTS={arguments}" in lines


def test_a_queues_agent_cannot_break_the_queue_log() -> None:
    lines = ticket("c1", SECOND, {}, 0, "22").values()
    assert "EVAC_AGENT=Smith  A B" in lines
    assert "EVAC_QUEUE=support" in lines


async def test_facts_of_a_leg(fake: FakeAmi, client: AmiClient) -> None:
    fake.lists["Status"] = [
        b"Response: Success\r\nActionID: x\r\nEventList: start",
        b"Event: Status\r\nActionID: x\r\nChannel: PJSIP/1001-01\r\nContext: serve\r\n"
        b"Exten: 600\r\n"
        b"Priority: 2\r\nLinkedid: a.1\r\nApplication: Queue\r\nData: support,t\r\n"
        b"Variable: SITE=a=b\r\nVariable: UNSET=(null)",
        b"Event: StatusComplete\r\nActionID: x\r\nEventList: Complete",
    ]
    names = [f"V{n:03}" * 10 for n in range(60)]
    facts = await client.leg_facts("PJSIP/1001-01", names)
    assert (facts["context"], facts["exten"], facts["priority"]) == ("serve", "600", "2")
    assert facts["var:SITE"] == "a=b"
    assert "var:UNSET" not in facts
    asked = [one["Variables"] for one in fake.received if one["Action"] == "Status"]
    assert [name for line in asked for name in line.split(",") if name in names] == names
    assert all(len(line) < 1000 for line in asked)


async def test_both_legs_are_sent_by_one_order(fake: FakeAmi, client: AmiClient) -> None:
    legs = [(FIRST, "aa", {"context": "serve"}), (SECOND, "bb", {})]
    await client.send_legs("c1", legs, "10.0.0.2:5060")
    assert redirects(fake) == [("PJSIP/1001-01", "PJSIP/1002-02", "s")]
    told = variables(fake, "PJSIP/1002-02")
    assert told["EVAC_TOKEN"] == "bb"
    assert told["EVAC_PARTNER"] == "PJSIP/1001-01"
    assert told["EVAC_LINKING"] == ""  # of a first try that came to nothing


async def test_nothing_is_sent_where_the_dialplan_lacks_the_context(
    fake: FakeAmi, client: AmiClient
) -> None:
    fake.refuse["ShowDialPlan"] = "Did not find context evacuate"
    with pytest.raises(ActionFailed, match=r"Include extensions-evacuate\.conf"):
        await client.send_legs("c1", [(FIRST, "aa", {})], "10.0.0.2:5060")
    with pytest.raises(ActionFailed, match="Did not find"):
        await client.rejoin("c1", ["PJSIP/1001-01"])
    assert fake.count("Redirect") == fake.count("Setvar") == 0


async def test_a_refused_order_sends_nothing(fake: FakeAmi, client: AmiClient) -> None:
    fake.refuse["Redirect"] = "Channel does not exist: PJSIP/1001-01"
    with pytest.raises(ActionFailed, match="Nothing was sent"):
        await client.send_legs("c1", [(FIRST, "aa", {}), (SECOND, "bb", {})], "10.0.0.2:5060")
    assert fake.count("Redirect") == 1


async def test_a_leg_that_was_not_taken_along_is_sent_after_it(
    fake: FakeAmi, client: AmiClient
) -> None:
    fake.refuse["Redirect"] = "Secondary redirect failed."
    await client.send_legs("c1", [(FIRST, "aa", {}), (SECOND, "bb", {})], "10.0.0.2:5060")
    assert redirects(fake)[1] == ("PJSIP/1002-02", None, "s")
    ended = [one["Channel"] for one in fake.received if one["Action"] == "Hangup"]
    assert ended == ["PJSIP/1001-01"]  # the second is gone for good: the call is over


async def test_rejoining_does_without_those_who_are_gone(fake: FakeAmi, client: AmiClient) -> None:
    fake.refuse["Redirect"] = "Channel does not exist: PJSIP/1001-01"
    await client.rejoin("c1", ["PJSIP/1001-01", "PJSIP/1002-02"])
    assert redirects(fake)[1:] == [
        ("PJSIP/1001-01", None, "rejoin"), ("PJSIP/1002-02", None, "rejoin"),
    ]  # fmt: skip
    fake.refuse["Redirect"] = "Permission denied"
    with pytest.raises(ActionFailed, match="Permission denied"):
        await client.rejoin("c1", ["PJSIP/1001-01"])


@pytest.mark.parametrize(
    ("steps", "habit"),
    [
        ([("arrived", "1001")], ReferHabit.HONOURS),
        ([("challenged", "401"), ("arrived", "1001")], ReferHabit.HONOURS),
        ([("declined", "603")], ReferHabit.DECLINES),
    ],
)
async def test_a_test_call_learns_the_habit(
    fake: FakeAmi, client: AmiClient, steps: list[tuple[str, str]], habit: ReferHabit
) -> None:
    fake.during["Originate"] = lambda: fake.send(*(step(s, detail=d) for s, d in steps))
    learned, _ = await client.probe_phone("1001", "5ec7e7", "10.0.0.1:5060", 5)
    assert learned is habit
    assert fake.received[-1]["Action"] == "DBDelTree"  # no ticket is left behind


@pytest.mark.parametrize(("up", "habit"), [(True, ReferHabit.IGNORES), (False, None)])
async def test_a_phone_that_says_nothing_ignores_unless_it_never_answered(
    fake: FakeAmi, client: AmiClient, up: bool, habit: ReferHabit | None
) -> None:
    channel = (
        b"Event: Status\r\nActionID: x\r\nChannel: PJSIP/1001-01\r\nChannelState: 6\r\n"
        b"Context: evacuate-probe\r\nExten: s"
    )
    fake.lists["Status"] = [
        b"Response: Success\r\nActionID: x\r\nEventList: start",
        *([channel] if up else []),
        b"Event: StatusComplete\r\nActionID: x\r\nEventList: Complete",
    ]
    async with asyncio.timeout(5):
        learned, _ = await client.probe_phone("1001", "5ec7e7", "10.0.0.1:5060", 0.3)
    assert learned is habit
    assert fake.count("Hangup") == up


def lines_of(leg: LegPlan, facts: dict[str, str]) -> list[str]:
    keys = ticket("c1", leg, facts, 0.0, "22.1")
    return [keys[f"line{n}"] for n in range(1, int(keys["lines"]) + 1)]


def test_a_leg_that_was_carried_before_goes_on_where_it_came_from_in_the_sites_dialplan() -> None:
    facts = {
        "context": "evacuate-join", "exten": "waiting", "priority": "4",
        "application": "Queue", "data": "support,t,,,300,,,,,2",
        "var:EVAC_CONTEXT": "from-customers", "var:EVAC_EXTEN": "600", "var:EVAC_PRIORITY": "7",
    }  # fmt: skip
    lines = lines_of(WAITING, facts)
    assert lines.count("EVAC_CONTEXT=from-customers") == 1
    assert {"EVAC_EXTEN=600", "EVAC_PRIORITY=7"} <= set(lines)
    assert "EVAC_QUEUE_ARGUMENTS=support,t,,,300,,,,3" in lines


def test_an_old_way_back_is_not_taken_for_that_of_a_call_in_the_sites_dialplan() -> None:
    here = {"context": "serve", "exten": "601", "priority": "2"}
    lines = lines_of(FIRST, {**here, "var:EVAC_CONTEXT": "old", "var:EVAC_EXTEN": "1"})
    assert {"EVAC_CONTEXT=serve", "EVAC_EXTEN=601"} <= set(lines)
    assert not any("=old" in line for line in lines)


@pytest.mark.parametrize("name", ["Smith (night", 'Tom "T', "Bob \\", "A|B, C [x]"])
def test_an_agents_name_parts_no_arguments(name: str) -> None:
    said = next(
        line for line in lines_of(replace(SECOND, agent=name), {}) if line.startswith("EVAC_AGENT=")
    )
    assert not set(said) & set('",|()[]\\')


async def test_a_value_with_a_line_break_stays_behind_and_is_named(
    fake: FakeAmi, client: AmiClient, caplog: pytest.LogCaptureFixture
) -> None:
    facts = {"var:NOTE": "one\r\ntwo", "var:SHORT": "s"}
    await client.write_ticket("5ec7e7", "c1", FIRST, facts)
    assert "NOTE has a line break" in caplog.text
    assert "SHORT=s" in written(fake).values()
