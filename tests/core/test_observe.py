"""The picture of a node, event by event."""

from __future__ import annotations

from dataclasses import replace

import pytest
from immutables import Map

from orchestrator.core.events import (
    AddressSeen,
    BridgeSeen,
    ChannelGone,
    ChannelSeen,
    ContactSeen,
    DialSeen,
    EndpointSeen,
    EventsDropped,
    NodeEvent,
    NodeFacts,
    PictureLost,
    QueueCallerSeen,
    QueueMemberSeen,
    RegistrationSeen,
    Reloaded,
    ShuttingDown,
    Snapshot,
    Tick,
)
from orchestrator.core.observe import observe, observe_all
from orchestrator.core.picture.observe_calls import endpoint_of, is_failure
from orchestrator.core.state import Node, NodePolicy, Pair, Policy, TrunkPolicy
from orchestrator.core.words import ChannelState, ContactStatus, RegistrationStatus

A = "pbx-a"
POLICY = Policy((NodePolicy(A, "a"), NodePolicy("pbx-b", "b")), (TrunkPolicy("reg", "trunk"),))
START = Pair(Map({A: Node(A), "pbx-b": Node("pbx-b")}))
REACHABLE, UP, DOWN = ContactStatus.REACHABLE, ChannelState.UP, ChannelState.DOWN


def phone(number: str, status: ContactStatus = REACHABLE) -> ContactSeen:
    return ContactSeen(A, number, f"sip:{number}@x", status)


def trunk(status: RegistrationStatus, name: str = "") -> RegistrationSeen:
    return RegistrationSeen(A, "sip:me@p", "sip:p", status, name)


def channel(uniqueid: str, state: ChannelState = UP, age_s: float | None = None) -> ChannelSeen:
    return ChannelSeen(A, uniqueid, f"PJSIP/1001-{uniqueid}", state, uniqueid, age_s=age_s)


def snapshot(*content: NodeEvent, missing: tuple[str, ...] = ()) -> Snapshot:
    return Snapshot(A, content, frozenset(missing))


def node_after(*events: object, begin: Pair = START, now: float = 100.0) -> Node:
    return observe_all(begin, events, now, POLICY).nodes[A]  # type: ignore[arg-type]


def test_nothing_to_see_changes_nothing() -> None:
    assert observe(START, Tick(), 1.0, POLICY) is START
    assert observe(START, PictureLost("pbx-z", ""), 1.0, POLICY) is START


def test_untouched_tables_keep_their_identity() -> None:
    before = observe(START, snapshot(phone("1"), trunk(RegistrationStatus.REGISTERED)), 1, POLICY)
    after = observe(before, phone("2"), 2, POLICY)
    assert after.nodes["pbx-b"] is before.nodes["pbx-b"]
    assert after.nodes[A].contacts is not before.nodes[A].contacts
    for table in ("registrations", "devices", "channels", "queues", "counters"):
        assert getattr(after.nodes[A], table) is getattr(before.nodes[A], table)


def test_since_is_when_the_status_began() -> None:
    state = observe(START, phone("1"), 10.0, POLICY)
    state = observe(state, phone("1"), 20.0, POLICY)
    assert state.nodes[A].contacts["1/sip:1@x"].since == 10.0
    state = observe(state, phone("1", ContactStatus.UNREACHABLE), 30.0, POLICY)
    assert state.nodes[A].contacts["1/sip:1@x"].since == 30.0


def test_two_trunks_at_one_provider_are_two_contacts() -> None:
    one, two = (ContactSeen(A, aor, "sip:provider", REACHABLE) for aor in ("t1", "t2"))
    assert len(node_after(one, two).contacts) == 2


def test_a_live_registration_keeps_the_name_of_the_snapshot() -> None:
    node = node_after(
        snapshot(trunk(RegistrationStatus.REGISTERED, "reg")), trunk(RegistrationStatus.REJECTED)
    )
    [registration] = node.registrations.values()
    assert (registration.name, registration.status) == ("reg", RegistrationStatus.REJECTED)
    assert node.counters.registrations_lost == 1


def test_unregistering_on_purpose_is_no_loss() -> None:
    node = node_after(trunk(RegistrationStatus.REGISTERED), trunk(RegistrationStatus.UNREGISTERED))
    assert node.counters.registrations_lost == 0


def test_a_snapshot_sweeps_what_is_gone_and_counts_the_losses() -> None:
    node = node_after(
        phone("1"),
        phone("2"),
        phone("3", ContactStatus.UNREACHABLE),
        trunk(RegistrationStatus.REGISTERED),
        EndpointSeen(A, "PJSIP/9", "busy"),
        channel("c1"),
        QueueMemberSeen(A, "q", "PJSIP/1"),
        snapshot(phone("1"), channel("c2", age_s=60.0)),
    )
    assert set(node.contacts) == {"1/sip:1@x"}
    assert set(node.channels) == {"c2"}
    assert not node.registrations and not node.devices and not node.queues
    assert node.counters.contacts_lost == 1
    assert node.counters.registrations_lost == 1
    assert node.channels["c2"].created_at == 40.0


def test_missing_parts_of_a_snapshot_are_not_swept_and_are_named() -> None:
    parts = ("contacts", "registrations", "devices", "channels", "queues")
    node = node_after(
        phone("1"),
        trunk(RegistrationStatus.REGISTERED),
        EndpointSeen(A, "PJSIP/9", "busy"),
        channel("c1"),
        QueueMemberSeen(A, "q", "PJSIP/1"),
        snapshot(missing=parts),
    )
    assert node.contacts and node.registrations and node.devices and node.channels and node.queues
    assert node.counters.contacts_lost == node.counters.registrations_lost == 0
    assert node.missing == set(parts)


def test_a_snapshot_keeps_what_a_list_cannot_say() -> None:
    state = observe_all(
        START,
        [
            channel("c1", DOWN),
            channel("leg", DOWN),
            DialSeen(A, "c1", "leg", "PJSIP/trunk-1"),
            channel("leg"),
            BridgeSeen(A, "leg", "b1"),
        ],
        10.0,
        POLICY,
    )
    listed = [channel("c1", age_s=99.0), channel("leg", age_s=99.0), BridgeSeen(A, "c1", "b2")]
    node = observe(state, snapshot(*listed), 50.0, POLICY).nodes[A]
    assert node.channels["leg"].dialled and node.channels["c1"].dials
    assert (node.channels["leg"].created_at, node.channels["leg"].answered_at) == (10.0, 10.0)
    assert node.channels["leg"].bridge == "", "the list says that it has left"
    assert node.channels["c1"].bridge == "b2"


def test_sync_is_lost_and_found_and_the_picture_stays() -> None:
    state = observe(START, snapshot(phone("1")), 10.0, POLICY)
    lost = observe(state, PictureLost(A, "EOF"), 11.0, POLICY).nodes[A]
    assert not lost.in_sync
    assert lost.contacts and lost.confirmed_at == 10.0, "it says who was there, and when"


def test_facts_of_the_node() -> None:
    node = node_after(
        NodeFacts(A, "22.10.1", 77.0, can_set_maintenance=True),
        NodeFacts(A),
        AddressSeen(A, True, guarded=True),
        Reloaded(A, "res_pjsip.so"),
        EventsDropped(A, 7),
        ShuttingDown(A, restart=False),
    )
    assert (node.asterisk_version, node.booted_at) == ("22.10.1", 77.0)
    assert (node.holds_address, node.guarded, node.address_at) == (True, True, 100.0)
    assert (node.counters.reloads, node.counters.events_dropped) == (1, 7)
    assert node.shutting_down
    assert not node_after(ShuttingDown(A, False), snapshot()).shutting_down


def test_a_renamed_channel_keeps_its_state() -> None:
    node = node_after(channel("c1"), ChannelSeen(A, "c1", "PJSIP/1002-9", None))
    assert (node.channels["c1"].name, node.channels["c1"].state) == ("PJSIP/1002-9", UP)
    assert not node_after(ChannelSeen(A, "c9", "x", None)).channels


def test_events_about_unknown_channels_do_no_harm() -> None:
    node = node_after(
        ChannelGone(A, "x", 38),
        BridgeSeen(A, "x", "b"),
        QueueCallerSeen(A, "q", "x", 0),
        QueueMemberSeen(A, "q", "PJSIP/1", removed=True),
    )
    assert not node.channels and not node.queues
    assert node.counters.calls_failed == 0


def test_ring_all_is_as_many_attempts_as_legs_and_no_failure() -> None:
    node = node_after(
        channel("c"),
        *(channel(leg, DOWN) for leg in "123"),
        *(DialSeen(A, "c", leg, f"PJSIP/{leg}-1") for leg in "123"),
        channel("1"),
        DialSeen(A, "c", "1", "PJSIP/1-1", "ANSWER"),
        ChannelGone(A, "2", 26),
        ChannelGone(A, "3", 26),
        ChannelGone(A, "1", 16),
        ChannelGone(A, "c", 16),
    )
    counters = node.counters
    assert (counters.calls_attempted, counters.calls_answered, counters.calls_failed) == (3, 1, 0)


def test_the_caller_does_not_count_his_failed_leg_again() -> None:
    node = node_after(
        channel("c", DOWN),
        channel("l", DOWN),
        DialSeen(A, "c", "l", "PJSIP/l-1"),
        ChannelGone(A, "l", 34),
        ChannelGone(A, "c", 34),
    )
    assert (node.counters.calls_attempted, node.counters.calls_failed) == (1, 1)


@pytest.mark.parametrize(
    ("cause", "leg", "failure"),
    [
        (0, True, False),
        (16, True, False),
        (17, True, False),
        (19, False, False),
        (26, False, False),
        (1, True, False),
        (3, False, True),
        (18, False, True),
        (21, False, False),
        (21, True, True),
        (34, True, True),
        (38, False, True),
        (127, True, True),
    ],
)
def test_causes(cause: int, leg: bool, failure: bool) -> None:
    assert is_failure(cause, leg) is failure


def test_endpoint_of_a_channel_name() -> None:
    assert endpoint_of("PJSIP/my-trunk-0000001a") == "my-trunk"
    assert endpoint_of("nonsense") == ""


def test_a_one_time_address_is_nobodys_number() -> None:
    token = "evac-0123456789abcdef"
    told = ChannelSeen(A, "1", "PJSIP/1001-1", UP, "1", token, "", token, token)
    again = ChannelSeen(A, "2", "PJSIP/1002-2", UP, "2", "1002", exten="600")
    node = node_after(told, again, replace(again, exten=token, connected_number=token))
    assert token not in str(node.channels["1"]) + str(node.channels["2"])
    assert (node.channels["2"].caller_number, node.channels["2"].exten) == ("1002", "600")


def test_who_was_bridged_stays_one_call_when_they_are_parted() -> None:
    entered = [BridgeSeen(A, u, "x", "basic", "1") for u in "12"]
    node = node_after(channel("1"), channel("2"), *entered, BridgeSeen(A, "1", ""))
    assert {c.linkedid for c in node.channels.values()} == {"1"}
    members = [BridgeSeen(A, u, "y", "base", "1") for u in "12"]
    node = node_after(channel("1"), channel("2"), *members)
    assert {c.linkedid for c in node.channels.values()} == {"1", "2"}
