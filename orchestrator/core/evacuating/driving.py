"""Carries calls over during a drain: sends what may be sent, follows each call to its fate.

Level-triggered: each step looks at both nodes' channels and at what the dialplan told
(``LegSeen``), settles what is settled, then sends more. Nothing is ever sent towards a node that is
not seen to be well now.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.commands import HangUp, Rejoin
from orchestrator.core.evacuating import habits
from orchestrator.core.evacuating.book import is_seen, may_send, put, settle, under_way
from orchestrator.core.evacuating.planner import plan_calls
from orchestrator.core.evacuating.records import (
    RESTARTED,
    CallFate,
    CarriedCall,
    CarriedLeg,
    Evacuation,
)
from orchestrator.core.evacuating.sending import key_of, order, send
from orchestrator.core.evacuating.settling import (
    Place,
    fate_now,
    is_whole,
    looked_at,
    place_of,
)
from orchestrator.core.machine.work import Work
from orchestrator.core.policy import EvacuationPolicy
from orchestrator.core.state import Node
from orchestrator.core.words import AtDeadline, Carry, LegStep, ReferHabit

LINGERS_S = 1.0  # an old leg that its phone has left ends within this, or is ended


def wanted(work: Work) -> EvacuationPolicy | None:
    """The site's way of carrying calls over, when this drain shall do it now."""
    move = work.move
    overdue = move.deadline_at is not None and work.now >= move.deadline_at
    asked = move.evacuate or (move.at_deadline is AtDeadline.EVACUATE and overdue)
    return work.policy.evacuation if asked else None


def drive(work: Work, policy: EvacuationPolicy) -> None:
    """One look: settle what has settled, hurry what hangs, send what may be sent."""
    if work.move.evacuation is None:
        work.set_move(evacuation=Evacuation(work.now))
        work.note(f"calls on {work.move.from_node} are carried over to {work.move.to_node}")
    follow(work, policy)
    if len(under_way(work.move)) < policy.at_once and may_send(work):
        old = work.node(work.move.from_node)
        send(work, policy, plan_calls(old, work.policy, policy, work.state.habits))


def follow(work: Work, policy: EvacuationPolicy) -> None:
    """Settle what has settled, hurry what hangs; send nothing new."""
    known = is_seen(work, work.node(work.move.from_node))
    for call in under_way(work.move):
        _follow(work, call, policy, known)


# --- following one call -------------------------------------------------------------------------


def _follow(work: Work, call: CarriedCall, policy: EvacuationPolicy, known: bool) -> None:
    old, new = work.node(work.move.from_node), work.node(work.move.to_node)
    call = looked_at(call, old, new, known)
    if call.since_lived_s == RESTARTED:
        if not known:
            return
        if is_whole(call, old):  # it was never sent, or is back: planned anew
            settle(work, call, CallFate.STAYED, "the orchestrator was restarted meanwhile")
            return
        call = replace(call, since_lived_s=work.state.lived_s)
    result = work.move.results.get(key_of(call))
    call = replace(call, sent=call.sent or result == "", refused=result or call.refused)
    _honour(work, call)
    put(work, call)
    fate = fate_now(call, new)
    if fate is not None:
        settle(work, call, fate, _reason(call, fate))
    elif call.refused and all(leg.gone for leg in call.legs) and not shows_itself(call):
        settle(work, call, CallFate.STAYED, "it was not sent, and ended by itself")
    else:
        _end_left_legs(work, call, new)
        if known and work.state.lived_s - call.since_lived_s >= policy.patience_s:
            _hurry(work, call, new)


def _reason(call: CarriedCall, fate: CallFate) -> str:
    return "the other one never came" if fate is CallFate.LOST else call.why


def _honour(work: Work, call: CarriedCall) -> None:
    """By the dialplan's word only: a phone that is seen on the new node may just have called it."""
    for leg in call.legs:
        arrived = leg.arrived and leg.arrived_by == leg.plan.endpoint
        if leg.user_agent and (arrived or leg.step is LegStep.MOVED):
            habits.learn(work, leg.user_agent, ReferHabit.HONOURS, leg.plan.endpoint)


def _end_left_legs(work: Work, call: CarriedCall, new: Node) -> None:
    """Asterisk takes a phone that reported the 401 for one that refused: its old leg is ended."""
    waited_s = work.state.lived_s - call.since_lived_s
    for leg in call.legs:
        crossing = place_of(leg, new) is Place.CROSSING
        if crossing and (leg.step is LegStep.CHALLENGED or waited_s >= LINGERS_S):
            _end_leg(work, leg)


def _end_leg(work: Work, leg: CarriedLeg) -> None:
    work.ask(
        f"end the old leg {leg.plan.channel}, its phone is on the other node",
        lambda i, e, t: HangUp(
            id=i, epoch=e, timeout_s=t, node=work.move.from_node, channels=(leg.plan.channel,)
        ),
    )


# --- a call that hangs --------------------------------------------------------------------------


def _hurry(work: Work, call: CarriedCall, new: Node) -> None:
    """It is neither here nor there for too long."""
    places = {place_of(leg, new) for leg in call.legs}
    if not places & {Place.OLD, Place.CROSSING, Place.BACK}:
        settle(work, call, CallFate.LOST, "it ended on the way, or its phones did not come")
    elif places <= {Place.NEW, Place.CROSSING}:
        settle(work, call, CallFate.CARRIED)  # an old leg without a phone is left; it ends
    elif call.back or call.rescued:
        _give_up(work, call, places)
    elif not was_sent(work, call):
        _not_sent(work, call)
    else:
        _blame(work, call, new)
        if places & {Place.NEW, Place.CROSSING, Place.LINKED}:
            _rescue(work, call, new)
        else:
            call_back(work, call)


def shows_itself(call: CarriedCall) -> bool:
    """Whether a leg has shown that the order was carried out."""
    return any(leg.step or leg.arrived for leg in call.legs)


def was_sent(work: Work, call: CarriedCall) -> bool:
    """Whether the order is known to have been carried out: what was not sent is not called back.

    Where its result is not known, two legs that are in no bridge say so.
    """
    if call.sent or shows_itself(call):
        return True
    channels = work.node(work.move.from_node).channels
    here = [channels.get(leg.uniqueid) for leg in call.legs]
    return len(here) > 1 and all(channel and not channel.bridge for channel in here)


def _not_sent(work: Work, call: CarriedCall) -> None:
    """Its result is waited for: it comes, or is missed, within the deadline of a step."""
    awaited = any(asked.key == key_of(call) for asked in work.state.asked.values())
    if call.refused or not awaited:
        settle(work, call, CallFate.STAYED, call.refused or "whether it was sent is not known")


def _give_up(work: Work, call: CarriedCall, places: set[Place]) -> None:
    if call.back and not places & {Place.NEW, Place.CROSSING}:
        settle(work, call, CallFate.STAYED)
    else:
        settle(work, call, CallFate.LOST, "its legs could not be brought together")


def _blame(work: Work, call: CarriedCall, new: Node) -> None:
    """Who was sent a REFER and has shown nothing since does not follow one."""
    for leg in call.legs:
        silent = leg.step is None and place_of(leg, new) is Place.OLD
        if silent and leg.user_agent and call.sent and may_send(work):
            habits.learn(work, leg.user_agent, ReferHabit.IGNORES, leg.plan.endpoint)


def call_back(work: Work, call: CarriedCall, why: str = "") -> CarriedCall:
    """Bring the legs that are left back together on the old node."""
    late = [leg.plan.endpoint or leg.plan.channel for leg in call.legs if not leg.arrived]
    why = why or call.why or f"{' and '.join(late)} did not come in time"
    call = replace(call, back=True, why=why, since_lived_s=work.state.lived_s)
    put(work, call)
    channels = tuple(leg.plan.channel for leg in call.legs if not leg.gone)
    work.send(
        f"bring call {call.id} back",
        lambda i, e, t: Rejoin(
            id=i, epoch=e, timeout_s=t, node=work.move.from_node, call=call.id, channels=channels
        ),
    )
    return call


def _rescue(work: Work, call: CarriedCall, new: Node) -> None:
    """One leg is over and the other is not: that one is linked, so that they talk again."""
    left = {
        leg.uniqueid: replace(leg, plan=replace(leg.plan, carry=Carry.LINK), step=None)
        for leg in call.legs
        if place_of(leg, new) in (Place.OLD, Place.BACK)
    }
    legs = tuple(left.get(leg.uniqueid, leg) for leg in call.legs)
    call = replace(call, legs=legs, rescued=True, since_lived_s=work.state.lived_s)
    put(work, call)
    if left and may_send(work):
        order(work, call, tuple(left.values()), f"link what is left of call {call.id}")
