"""Captured dialogues of Asterisk 16 and 22 give the picture an engineer would draw."""

from __future__ import annotations

import pytest
from immutables import Map

from orchestrator.core.events import NodeEvent, Snapshot
from orchestrator.core.observe import observe, observe_all
from orchestrator.core.picture.calls import calls, conversations
from orchestrator.core.state import Node, NodePolicy, Pair, Policy, TrunkPolicy
from orchestrator.core.words import ContactStatus, RegistrationStatus
from tests.adapters.ami.dialogues import NODE, step

POLICY = Policy(
    (NodePolicy(NODE, "10.77.0.11"), NodePolicy("pbx-b", "10.77.0.12")),
    (TrunkPolicy("trunk-reg", "trunk"),),
)
START = Pair(Map({NODE: Node(NODE), "pbx-b": Node("pbx-b")}))
BOTH = pytest.mark.parametrize("version", ["16", "22"])


def after(events: list[NodeEvent], begin: Pair = START) -> Node:
    """The node after the events, one by one; a batch must give the same."""
    state = begin
    for number, event in enumerate(events):
        state = observe(state, event, 1000.0 + number, POLICY)
    batch = observe_all(begin, events, 1000.0, POLICY).nodes[NODE]
    node = state.nodes[NODE]
    assert batch.counters == node.counters
    assert set(batch.channels) == set(node.channels)
    assert set(batch.contacts) == set(node.contacts)
    return node


@BOTH
def test_a_phone_registers_and_unregisters(version: str) -> None:
    node = after(step(version, "phone", "REGISTER expires=60"))
    [contact] = node.contacts.values()
    assert (contact.aor, contact.uri) == ("1005", "sip:1005@10.77.0.20:21005")
    assert contact.status is ContactStatus.REACHABLE
    assert contact.rtt_ms is not None and 0.1 < contact.rtt_ms < 100
    assert node.devices["PJSIP/1005"] == "not_inuse"
    gone = after(step(version, "phone", "unregister"), begun(node))
    assert not gone.contacts
    assert gone.devices["PJSIP/1005"] == "unavailable"
    assert gone.counters.contacts_lost == 1


def begun(node: Node) -> Pair:
    return Pair(START.nodes.set(NODE, node))


@BOTH
def test_the_trunk_goes_registered_unregistered_registered(version: str) -> None:
    uris = ("sip:labtrunk@10.77.0.30:5060", "sip:10.77.0.30:5060")
    down = after(step(version, "trunk", "PJSIPUnregister"))
    assert down.registrations[uris].status is RegistrationStatus.UNREGISTERED
    up = after(step(version, "trunk", "PJSIPRegister trunk-reg"), begun(down))
    assert up.registrations[uris].status is RegistrationStatus.REGISTERED
    dead = after(step(version, "trunk", "provider killed"), begun(up))
    assert dead.contacts["trunk/sip:10.77.0.30:5060"].status is ContactStatus.UNREACHABLE
    rejected = after(step(version, "trunk", "silent; PJSIPRegister"), begun(up))
    assert rejected.registrations[uris].status is RegistrationStatus.REJECTED
    assert rejected.counters.registrations_lost == 1


@BOTH
def test_a_call_between_phones_while_it_lasts_and_after(version: str) -> None:
    events = step(version, "calls", "1001 -> 1002")
    talking = max(i for i, e in enumerate(events) if type(e).__name__ == "BridgeSeen" and e.bridge)
    node = after(events[: talking + 1])
    [call] = conversations(node, POLICY)
    assert (call.caller, call.agent, call.has_trunk_leg) == ("1001", "1002", False)
    assert len({leg.bridge for leg in call.channels}) == 1
    ended = after(events)
    assert not ended.channels
    assert ended.counters.calls_attempted == ended.counters.calls_answered == 1
    assert ended.counters.calls_failed == 0


@BOTH
def test_a_service_call_is_a_conversation_and_no_attempt(version: str) -> None:
    events = step(version, "calls", "1001 -> 600")
    node = after(events[:-3])
    assert [call.caller for call in conversations(node, POLICY)] == ["1001"]
    assert not after(events).channels
    assert after(events).counters.calls_attempted == 0


@BOTH
def test_a_call_by_the_trunk_has_a_trunk_leg(version: str) -> None:
    events = step(version, "calls", "out by the trunk, answered")
    middle = max(i for i, e in enumerate(events) if type(e).__name__ == "BridgeSeen" and e.bridge)
    [call] = calls(after(events[: middle + 1]), POLICY)
    assert call.has_trunk_leg and call.agent == "91234"
    counters = after(events).counters
    assert (counters.trunk_calls_attempted, counters.trunk_calls_failed) == (1, 0)


@BOTH
@pytest.mark.parametrize(
    ("title", "failed_by"),
    [
        ("not registered", {3: 1}),
        ("cause 17", {}),
        ("cause 34", {34: 1}),
        ("provider dead", {18: 1}),
        ("contact Unreachable", {3: 1}),
        ("answers 403", {21: 1}),
        ("answers 404", {}),
        ("answers 486", {}),
        ("answers 500", {38: 1}),
        ("answers 503", {34: 1}),
    ],
)
def test_failures_are_told_by_the_cause(
    version: str, title: str, failed_by: dict[int, int]
) -> None:
    node = after(step(version, "calls", title))
    assert not node.channels
    assert dict(node.counters.failed_by_cause) == failed_by
    assert node.counters.calls_failed == len(failed_by)
    assert node.counters.calls_attempted == 1, "never more failures than attempts"


@BOTH
def test_a_queue_caller_who_is_answered_and_one_who_gives_up(version: str) -> None:
    events = step(version, "queue", "queue")
    seen = {"waiting": 0, "delivered": 0}
    state = START
    for number, event in enumerate(events):
        state = observe(state, event, 1000.0 + number, POLICY)
        node = state.nodes[NODE]
        for call in calls(node, POLICY):
            if call.waiting:
                seen["waiting"] += 1
                assert call.queue == "support" and call.answered_at is None
            elif call.queue == "support" and len({leg.bridge for leg in call.channels}) == 1:
                seen["delivered"] += call.agent == "1001"
    node = state.nodes[NODE]
    assert all(seen.values())
    assert not node.channels and not node.queues["support"].callers
    assert node.counters.callers_abandoned == 1
    assert {m.status for m in node.queues["support"].members.values()} == {"unavailable"}
    assert node.queues["support"].members["PJSIP/1001"].name == "Agent 1001"


def test_chan_sip_refreshes_do_not_hide_that_a_phone_is_reachable() -> None:
    registered = after(step("16", "chan_sip", "register 60"))
    assert registered.contacts["3001/SIP/3001"].status is ContactStatus.REACHABLE
    refreshed = after(step("16", "chan_sip", "refresh"), begun(registered))
    assert refreshed.contacts["3001/SIP/3001"].status is ContactStatus.REACHABLE
    silent = after(step("16", "chan_sip", "silent"), begun(refreshed))
    assert silent.contacts["3001/SIP/3001"].status is ContactStatus.UNREACHABLE


def test_events_are_the_same_in_a_snapshot() -> None:
    events = tuple(step("22", "phone", "REGISTER expires=60"))
    node = observe(START, Snapshot(NODE, events), 5.0, POLICY).nodes[NODE]
    assert node.contacts["1005/sip:1005@10.77.0.20:21005"].status is ContactStatus.REACHABLE
    assert node.in_sync and node.confirmed_at == 5.0
