"""Calls, conversations, and channels that are none."""

from __future__ import annotations

from immutables import Map

from orchestrator.core.machine.drain import calls_on
from orchestrator.core.picture.calls import calls, calls_in_progress, conversations, stuck_channels
from orchestrator.core.state import (
    Channel,
    Node,
    NodePolicy,
    Policy,
    Queue,
    QueueCaller,
    TrunkPolicy,
)
from orchestrator.core.words import ChannelState

POLICY = Policy((NodePolicy("a", "a"), NodePolicy("b", "b")), (TrunkPolicy("reg", "trunk"),))
UP, RINGING = ChannelState.UP, ChannelState.RINGING
NOW, LIMIT = 100_000.0, 3600.0
OLD = NOW - LIMIT - 1


def leg(uniqueid: str, name: str = "", state: ChannelState = UP, **more: object) -> Channel:
    created = more.pop("created_at", OLD)
    answered = created if state is UP else None
    more = {"linkedid": "c", "answered_at": answered, **more}
    name = name or f"PJSIP/{uniqueid}-00000001"
    return Channel(uniqueid, name, state, created, **more)  # type: ignore[arg-type]


def node(*legs: Channel, waiting: tuple[str, ...] = ()) -> Node:
    callers = Map({uniqueid: QueueCaller(uniqueid, 1, "", OLD) for uniqueid in waiting})
    queues = Map({"q": Queue("q", callers=callers)}) if waiting else Map()
    return Node("a", channels=Map({one.uniqueid: one for one in legs}), queues=queues)


def stuck(*legs: Channel, waiting: tuple[str, ...] = ()) -> set[str]:
    return {one.uniqueid for one in stuck_channels(node(*legs, waiting=waiting), NOW, LIMIT)}


def test_two_bridged_legs_are_one_conversation_however_old() -> None:
    legs = (leg("c", bridge="x", caller_number="0815"), leg("d", bridge="x", caller_number="1001"))
    [call] = conversations(node(*legs), POLICY)
    assert (call.caller, call.agent, call.duration_s(NOW)) == ("0815", "1001", NOW - OLD)
    assert stuck(*legs) == set()
    assert len(calls_in_progress(node(*legs), POLICY, NOW, LIMIT)) == 1


def test_a_ringing_call_is_in_progress_but_no_conversation() -> None:
    ringing = node(leg("c", state=RINGING, created_at=NOW), leg("d", state=RINGING, created_at=NOW))
    assert not conversations(ringing, POLICY)
    assert len(calls_in_progress(ringing, POLICY, NOW, LIMIT)) == 1


def test_a_waiting_caller_is_in_progress_and_never_stuck() -> None:
    waiting = node(leg("c", queue="q"), waiting=("c",))
    assert not conversations(waiting, POLICY)
    [call] = calls_in_progress(waiting, POLICY, NOW, LIMIT)
    assert call.waiting and call.queue == "q"


def test_a_lonely_old_channel_is_stuck_and_a_young_one_is_not() -> None:
    assert stuck(leg("c")) == {"c"}
    assert stuck(leg("c", bridge="x")) == {"c"}, "alone in its bridge"
    assert stuck(leg("c", created_at=NOW - 60)) == set()
    assert stuck(leg("c", application="ConfBridge")) == set()
    assert not calls_in_progress(node(leg("c")), POLICY, NOW, LIMIT)


def test_half_a_local_channel_is_stuck_soon_a_whole_one_is_not() -> None:
    young = NOW - 120
    one, two = (leg(n, f"Local/9@x-0001;{n}", created_at=young) for n in "12")
    assert stuck(one) == {"1"}
    assert stuck(one, two) == set()


def test_a_call_with_a_stuck_leg_still_counts_for_its_other_legs() -> None:
    legs = (leg("c", bridge="x"), leg("d", bridge="x"), leg("e"))
    assert stuck(*legs) == {"e"}
    assert len(calls_in_progress(node(*legs), POLICY, NOW, LIMIT)) == 1


def test_trunk_legs_are_told_by_the_endpoint_in_the_name() -> None:
    [call] = calls(node(leg("c"), leg("d", "PJSIP/trunk-00000002")), POLICY)
    assert call.has_trunk_leg
    [other] = calls(node(leg("c"), leg("d", "PJSIP/trunk2-00000002")), POLICY)
    assert not other.has_trunk_leg


def test_calls_are_grouped_by_linkedid_oldest_first() -> None:
    found = calls(node(leg("n", linkedid="n", created_at=NOW), leg("c"), leg("d")), POLICY)
    assert [call.linkedid for call in found] == ["c", "n"]
    assert [len(call.channels) for call in found] == [2, 1]


def test_two_that_came_separately_and_were_bridged_are_one_call() -> None:
    """As a conversation is that was carried over: each phone called by itself."""
    first = leg("1", linkedid="1", bridge="x", bridge_kind="basic")
    second = leg("2", linkedid="2", bridge="x", bridge_kind="basic")
    third = leg("3", linkedid="3")
    assert sorted(len(c.channels) for c in calls(node(first, second, third), POLICY)) == [1, 2]
    assert calls_on(node(first, second, third)) == 2  # so are they counted for people
    conference = (leg(u, linkedid=u, bridge="y", bridge_kind="base") for u in "45")
    assert len(calls(node(*conference), POLICY)) == 2


def test_bridges_in_a_row_make_one_call() -> None:
    legs = [
        leg(f"{number}", linkedid=linkedid, bridge=bridge, bridge_kind="basic")
        for number, (linkedid, bridge) in enumerate(
            [("c", "x"), ("b", "x"), ("b", "y"), ("a", "y"), ("d", "z")]
        )
    ]
    assert sorted(len(call.channels) for call in calls(node(*legs), POLICY)) == [1, 4]
