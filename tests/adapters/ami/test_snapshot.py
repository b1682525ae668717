"""One snapshot of everything, in an order in which no change is lost."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from immutables import Map

from orchestrator.core.events import ChannelSeen, ContactSeen, NodeFacts, RegistrationSeen, Snapshot
from orchestrator.core.observe import observe_all
from orchestrator.core.state import Node, NodePolicy, Pair, Policy
from orchestrator.core.words import ContactStatus, RegistrationStatus
from tests.adapters.ami.dialogues import NODE
from tests.adapters.ami.fake import FakeAmi, Seen, running

POLICY = Policy((NodePolicy(NODE, "a"), NodePolicy("pbx-b", "b")))


def registry(status: str) -> bytes:
    return (
        "Event: Registry\r\nPrivilege: system,all\r\nChannelType: PJSIP\r\n"
        "Username: sip:labtrunk@10.77.0.30:5060\r\nDomain: sip:10.77.0.30:5060\r\n"
        f"Status: {status}"
    ).encode()


def hangup(uniqueid: str) -> bytes:
    return f"Event: Hangup\r\nPrivilege: call,all\r\nUniqueid: {uniqueid}\r\nCause: 16".encode()


async def snapshot_of(fake: FakeAmi) -> tuple[Snapshot, Node]:
    """The first snapshot, and the picture after everything that came."""
    seen = Seen()
    await fake.listen()
    async with running(fake, seen, list_timeout_s=0.5):
        await seen.until(lambda: bool(seen.all(Snapshot)))
        [found, *_] = seen.all(Snapshot)
        assert isinstance(found, Snapshot)
    start = Pair(Map({NODE: Node(NODE)}))
    return found, observe_all(start, seen.events, 100.0, POLICY).nodes[NODE]


@pytest.mark.parametrize("version", ["16", "22"])
async def test_everything_is_in_it(version: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        found, node = await snapshot_of(FakeAmi(version))
    assert not found.missing and node.in_sync
    assert node.asterisk_version.startswith(version)
    assert node.booted_at is not None
    assert {c.aor for c in node.contacts.values()} >= {"1001", "1002", "trunk"}
    trunk = node.contacts["trunk/sip:10.77.0.30:5060"]
    assert trunk.status is ContactStatus.REACHABLE, "static contacts are asked for one by one"
    registration = node.registrations[("sip:labtrunk@10.77.0.30:5060", "sip:10.77.0.30:5060")]
    assert (registration.name, registration.status) == (
        "trunk-reg",
        RegistrationStatus.REGISTERED,
    )
    assert {c.application for c in node.channels.values()} >= {"Wait"} or version == "22"
    assert len(node.channels) == 2
    assert set(node.queues["labq"].members) == {"PJSIP/1003", "PJSIP/1004"}
    assert "Queue:labq_pause_PJSIP/1004" in node.devices
    assert "trunkpw" not in str(found) and "trunkpw" not in caplog.text
    maintenance = [e.can_set_maintenance for e in found.content if isinstance(e, NodeFacts)]
    assert maintenance == [version == "22"]


async def test_chan_sip_peers_without_an_address_are_no_contacts() -> None:
    _, node = await snapshot_of(FakeAmi("16"))
    assert not any(c.uri.startswith("SIP/") for c in node.contacts.values())
    assert ("siptrunk", "10.77.0.30") in node.registrations


@pytest.mark.parametrize(
    ("action", "part"),
    [
        ("PJSIPShowContacts", "contacts"),
        ("PJSIPShowRegistrationsOutbound", "registrations"),
        ("DeviceStateList", "devices"),
        ("CoreShowChannels", "channels"),
        ("QueueStatus", "queues"),
    ],
)
async def test_a_refused_list_leaves_its_part_unknown_and_the_rest_works(
    action: str, part: str, caplog: pytest.LogCaptureFixture
) -> None:
    found, node = await snapshot_of(FakeAmi(refuse={action: "Permission denied"}))
    assert found.missing == node.missing == {part}
    assert node.in_sync and node.asterisk_version
    assert "Permission denied" in caplog.text


async def test_no_contacts_at_all_is_known_to_be_none() -> None:
    found, node = await snapshot_of(FakeAmi(refuse={"PJSIPShowContacts": "No Contacts found"}))
    assert not found.missing
    assert {c.aor for c in node.contacts.values()} >= {"trunk"}


async def test_a_list_without_an_end_leaves_its_part_unknown() -> None:
    found, _ = await snapshot_of(FakeAmi(endless={"QueueStatus"}))
    assert found.missing == {"queues"}


async def test_without_fully_booted_the_lists_are_asked_all_the_same() -> None:
    found, node = await snapshot_of(FakeAmi(booted=False))
    assert found.content and node.in_sync


async def test_a_change_while_its_list_is_read_comes_after_the_snapshot() -> None:
    fake = FakeAmi()
    fake.during["PJSIPShowRegistrationsOutbound"] = lambda: fake.send(registry("Rejected"))
    _, node = await snapshot_of(fake)
    [registration] = node.registrations.values()
    assert registration.status is RegistrationStatus.REJECTED
    assert registration.name == "trunk-reg"


async def test_a_call_that_ends_while_other_lists_are_read_is_gone() -> None:
    fake = FakeAmi()
    uniqueid = next(
        line.split(b": ")[1].decode()
        for line in fake.lists["CoreShowChannels"][1].split(b"\r\n")
        if line.startswith(b"Uniqueid")
    )
    fake.during["QueueStatus"] = lambda: fake.send(hangup(uniqueid))
    found, node = await snapshot_of(fake)
    assert uniqueid in [e.uniqueid for e in found.content if isinstance(e, ChannelSeen)]
    assert uniqueid not in node.channels


@pytest.mark.parametrize("version", ["16", "22"])
async def test_a_channel_that_is_over_but_still_listed_is_left_out(version: str) -> None:
    fake = FakeAmi(version)
    over = fake.lists["Status"].pop(1)
    _, node = await snapshot_of(fake)
    assert len(node.channels) == 1
    assert b"Uniqueid: " + next(iter(node.channels)).encode() not in over


@pytest.mark.parametrize("silent", [{"refuse": {"Status": "Denied"}}, {"endless": {"Status"}}])
async def test_where_nobody_says_what_is_over_every_channel_counts(silent: dict[str, Any]) -> None:
    found, node = await snapshot_of(FakeAmi(**silent))
    assert len(node.channels) == 2 and not found.missing


async def test_a_change_before_its_list_is_replaced_by_the_list() -> None:
    fake = FakeAmi()
    fake.during["CoreSettings"] = lambda: fake.send(registry("Rejected"))
    _, node = await snapshot_of(fake)
    [registration] = node.registrations.values()
    assert registration.status is RegistrationStatus.REGISTERED


async def test_events_of_other_parts_do_not_wait() -> None:
    fake, seen = FakeAmi(), Seen()
    contact = b"Event: ContactStatus\r\nURI: sip:new@x\r\nContactStatus: Reachable\r\nAOR: new"
    fake.during["CoreSettings"] = lambda: fake.send(contact)
    await fake.listen()
    async with running(fake, seen):
        await seen.until(lambda: bool(seen.all(Snapshot)))
    kinds = [type(e) for e in seen.events]
    assert kinds.index(ContactSeen) < kinds.index(Snapshot)
    assert RegistrationSeen not in kinds


async def test_the_connection_breaks_in_the_middle_of_a_list() -> None:
    fake, seen = FakeAmi(), Seen()

    def cut() -> None:
        del fake.during["CoreShowChannels"]
        fake.cut()

    fake.during["CoreShowChannels"] = cut
    await fake.listen()
    async with running(fake, seen):
        await seen.until(lambda: bool(seen.all(Snapshot)))
    assert fake.sessions == 2
    assert len(seen.all(Snapshot)) == 1
