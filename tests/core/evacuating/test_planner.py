"""Which calls may go, and how: by tables, and by pictures that nobody thought of."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st
from immutables import Map

from orchestrator.core.evacuating.planner import CallPlan, plan_calls
from orchestrator.core.evacuating.records import Habit
from orchestrator.core.evacuating.sorting import is_plumbing
from orchestrator.core.picture.observe_calls import endpoint_of
from orchestrator.core.state import Node
from orchestrator.core.words import Carry, ChannelState, ContactStatus, LegRole, ReferHabit
from tests.core.evacuating.pictures import EVACUATION, POLICY, channel, contact, node, queue

NO_HABITS: Map[str, Habit] = Map()
LINKING = replace(EVACUATION, link_others=True)
A, B = channel("PJSIP/1001-1", bridge="x"), channel("PJSIP/1002-2", bridge="x", dialled=True)
TRUNK = channel("PJSIP/trunk-2", bridge="x", dialled=True)


def planned(picture: Node, policy=EVACUATION, habits=NO_HABITS) -> list[CallPlan]:  # type: ignore[no-untyped-def]
    return list(plan_calls(picture, POLICY, policy, habits))


def legs(plan: CallPlan) -> list[tuple[str, LegRole, Carry]]:
    return [(leg.plan.endpoint, leg.plan.role, leg.plan.carry) for leg in plan.legs]


def test_a_conversation_of_two_phones_goes_by_refer_caller_first() -> None:
    (plan,) = planned(node(B, A))
    assert legs(plan) == [
        ("1001", LegRole.FIRST, Carry.REFER), ("1002", LegRole.SECOND, Carry.REFER),
    ]  # fmt: skip
    assert plan.words == "1001 with 1002"


def test_local_channels_between_the_two_are_looked_through() -> None:
    halves = [channel(f"Local/1002@x-9;{n}", bridge=b, uniqueid=f"l{n}") for n, b in ((1, "x"), (2, "y"))]  # fmt: skip # noqa: E501
    (plan,) = planned(node(A, replace(B, bridge="y"), *halves))
    assert [leg[0] for leg in legs(plan)] == ["1001", "1002"]


def test_a_leg_with_a_service_goes_alone() -> None:
    (plan,) = planned(node(channel("PJSIP/1001-1", exten="600")))
    assert legs(plan) == [("1001", LegRole.SERVICE, Carry.REFER)]
    assert plan.words == "1001 with 600"
    (carried,) = planned(node(channel("PJSIP/1001-1", connected_number="1002")))
    assert carried.words == "1001 with 1002"


def test_each_member_of_a_conference_goes_by_itself() -> None:
    members = [channel(f"PJSIP/100{n}-{n}", "1", "c", bridge_kind="base") for n in (1, 2, 3)]
    announcer = channel("CBAnn/770-9", "1", "c", uniqueid="9", bridge_kind="base")
    plans = planned(node(*members, announcer))
    assert [legs(plan) for plan in plans] == [
        [(f"100{n}", LegRole.SERVICE, Carry.REFER)] for n in (1, 2, 3)
    ]


def test_waiting_callers_go_last_in_their_order_with_their_place() -> None:
    waiting = [channel(f"PJSIP/100{n}-{n}", str(n)) for n in (1, 2, 3)]
    line = queue("sales", {"1": 4, "2": 3, "3": 7})  # as told when each joined
    talking = channel("PJSIP/1009-9", "9")
    plans = planned(node(*waiting, talking, queues=(line,)))
    assert [(plan.key, plan.legs[0].plan.position) for plan in plans] == [
        ("9", 0), ("2", 1), ("1", 2), ("3", 3),
    ]  # fmt: skip
    assert plans[1].legs[0].plan.queue == "sales"


def test_a_queues_conversation_names_the_queue_and_the_agent() -> None:
    line = queue("sales", {}, "PJSIP/1002")
    (plan,) = planned(node(replace(A, queue="sales"), B, queues=(line,)))
    assert [(leg.plan.queue, leg.plan.agent) for leg in plan.legs] == [
        ("sales", ""), ("sales", "Budi"),
    ]  # fmt: skip


def test_somebody_on_hold_is_left_in_peace() -> None:
    held = replace(node(A, B), devices=Map({"PJSIP/1002": "onhold", "PJSIP/1001": "inuse"}))
    (plan,) = planned(held)
    assert not plan.legs and plan.passing and "on hold" in plan.why
    again = replace(held, devices=held.devices.set("PJSIP/1002", "inuse"))
    assert planned(again)[0].legs


@pytest.mark.parametrize(
    ("channels", "why"),
    [
        ((A, replace(B, state=ChannelState.RINGING, bridge="")), "being called"),
        ((A, B, channel("PJSIP/1003-3", state=ChannelState.RINGING)), "being called"),
        ((A, B, channel("PJSIP/1003-3")), "more than two"),
        ((A, replace(B, bridge="y")), "not connected"),
        ((replace(A, bridge=""), replace(B, bridge="")), "not connected"),
        ((replace(A, bridge_kind=""), replace(B, bridge_kind="")), "not connected"),
        ((replace(A, bridge_kind="holding"),), "parked"),
        ((channel("PJSIP/1001-1", application="Dial"),), "connected, or parked"),
        ((A, B, channel("PJSIP/1001-7", "7")), "more than one call"),
    ],
)
def test_what_is_in_between_is_left_alone_and_looked_at_again(channels, why) -> None:  # type: ignore[no-untyped-def]
    plan = planned(node(*channels))[0]
    assert not plan.legs and plan.passing and why in plan.why


@pytest.mark.parametrize(
    ("picture", "why"),
    [
        (node(A, B, contacts=(contact("1002", "Odd 2"),)), "not known whether Odd 2"),
        (node(A, B, contacts=(contact("1002", ""),)), "User-Agent of its phone is not known"),
        (node(A, B, contacts=(contact("1002", status=ContactStatus.UNREACHABLE),)), "not known"),
        (node(A, B, contacts=(contact("1002"), contact("1002", "Odd 2", uri="z"))), "not known"),
        (node(A, TRUNK), "the trunk trunk cannot be referred"),
        (node(A, channel("PJSIP/peernode-2", bridge="x")), "the trunk peernode cannot be referred"),
        (node(A, channel("SIP/1002-2", bridge="x")), "no PJSIP phone"),
    ],
)
def test_a_leg_that_cannot_be_referred_is_linked_only_where_the_site_wants_it(
    picture: Node, why: str
) -> None:
    (stays,) = planned(picture)
    assert not stays.legs and not stays.passing and why in stays.why
    (linked,) = planned(picture, LINKING)
    assert [leg.plan.carry for leg in linked.legs] == [Carry.REFER, Carry.LINK]


def test_a_call_of_which_no_leg_can_be_referred_stays_whatever_the_site_wants() -> None:
    (plan,) = planned(node(channel("PJSIP/trunk-1", bridge="x"), TRUNK), LINKING)
    assert not plan.legs and not plan.passing


@pytest.mark.parametrize(
    ("habit", "goes"),
    [(ReferHabit.HONOURS, True), (ReferHabit.DECLINES, False), (ReferHabit.IGNORES, False)],
)
@pytest.mark.parametrize("user_agent", ["Good 1.0", "Odd 2"])
def test_what_was_seen_counts_more_than_the_list(
    habit: ReferHabit, goes: bool, user_agent: str
) -> None:
    picture = node(channel("PJSIP/1001-1"), contacts=(contact("1001", user_agent),))
    (plan,) = planned(picture, habits=Map({user_agent: Habit(habit, 0.0, "1005")}))
    assert bool(plan.legs) is goes


channels_st = st.lists(
    st.builds(
        lambda n, tech, who, linked, bridge, kind, state, app: channel(
            f"{tech}/{who}-{n}" + (";1" if tech == "Local" else ""), str(linked), bridge,
            uniqueid=str(n), bridge_kind=kind if bridge else "", state=state, application=app,
        ),
        st.integers(1, 9),
        st.sampled_from(["PJSIP", "PJSIP", "PJSIP", "Local", "SIP", "CBAnn"]),
        st.sampled_from(["1001", "1002", "1003", "1004", "trunk", "peernode"]),
        st.integers(1, 4),
        st.sampled_from(["", "x", "x", "y", "c"]),
        st.sampled_from(["basic", "basic", "base", "holding", ""]),
        st.sampled_from([ChannelState.UP] * 4 + list(ChannelState)),
        st.sampled_from(["", "", "Dial", "Queue"]),
    ),
    max_size=8,
    unique_by=lambda one: one.uniqueid,
)  # fmt: skip
habits_st = st.dictionaries(
    st.sampled_from(["Good 1.0", "Odd 2", ""]),
    st.builds(Habit, st.sampled_from(ReferHabit), st.just(0.0), st.just("1005")),
)


@given(
    channels_st,
    st.lists(st.sampled_from(["Good 1.0", "Odd 2", ""]), min_size=4, max_size=4),
    habits_st,
    st.booleans(),
    st.sets(st.integers(1, 9)),
)
def test_no_plan_endangers_a_call(channels, agents, habits, linking, waiting) -> None:  # type: ignore[no-untyped-def]
    phones = tuple(contact(str(1001 + n), agent) for n, agent in enumerate(agents))
    line = queue("sales", {str(n): n for n in waiting})
    picture = node(*channels, contacts=phones, queues=(line,))
    plans = planned(picture, LINKING if linking else EVACUATION, Map(habits))
    known = {phone.aor: phone.user_agent for phone in phones}
    sent = [leg for plan in plans for leg in plan.legs]
    assert len({leg.uniqueid for leg in sent}) == len(sent), "no leg is in two calls"
    assert len({plan.key for plan in plans}) == len(plans)
    for leg in sent:
        one = picture.channels[leg.uniqueid]
        assert one.state is ChannelState.UP and not is_plumbing(one)
        agent = known.get(endpoint_of(one.name), "")
        habit = habits.get(agent)
        follows = habit.habit is ReferHabit.HONOURS if habit else fnmatchcase(agent, "Good *")
        if leg.plan.carry is Carry.REFER:
            assert follows and agent and one.name.startswith("PJSIP/")
    for plan in plans:
        assert plan.legs or plan.why, "it goes, or there is a reason"
        linked = str(next(iter(plan.legs)).uniqueid) if plan.legs else ""
        if plan.legs:
            assert any(leg.plan.carry is Carry.REFER for leg in plan.legs)
            group = picture.channels[linked].linkedid
            ringing = [c for c in channels if c.linkedid == group
                       and c.state is not ChannelState.UP]  # fmt: skip
            assert not ringing or plan.key == f"member {linked}", (
                "only members of a conference go meanwhile"
            )
