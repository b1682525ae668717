"""Calls carried over to the other node: the door to it for the machine and the engine.

Which calls: evacuating/sorting.py and planner.py. Sending and following: sending.py, driving.py,
settling.py. What phones do with a REFER: habits.py, probing.py. Words for people: telling.py.
"""

from __future__ import annotations

import re
from dataclasses import replace

from orchestrator.core.evacuating import habits
from orchestrator.core.evacuating.book import calls_of, is_seen, may_send, put, settle, under_way
from orchestrator.core.evacuating.driving import call_back, follow, was_sent
from orchestrator.core.evacuating.driving import drive as drive
from orchestrator.core.evacuating.driving import wanted as wanted
from orchestrator.core.evacuating.planner import plan_calls
from orchestrator.core.evacuating.probing import keep_probing as keep_probing
from orchestrator.core.evacuating.probing import phone_probed as phone_probed
from orchestrator.core.evacuating.probing import probe as probe
from orchestrator.core.evacuating.records import CallFate, CarriedCall, CarriedLeg
from orchestrator.core.evacuating.settling import Place, looked_at, place_of
from orchestrator.core.evacuating.telling import Tally as Tally
from orchestrator.core.evacuating.telling import summary as summary
from orchestrator.core.evacuating.telling import tally as tally
from orchestrator.core.events import LegSeen
from orchestrator.core.machine.work import Work
from orchestrator.core.policy import EvacuationPolicy
from orchestrator.core.words import LegStep, Phase, ReferHabit

# SIP codes by which a phone itself says that it does not do REFER; others may be the new node's
_REFUSING = frozenset({400, 405, 420, 501, 603})


def leg_seen(work: Work, event: LegSeen) -> None:
    """Take in what the dialplan tells of a leg."""
    move = work.state.move
    if move is None or event.node not in (move.from_node, move.to_node):
        return
    call = next((call for call in calls_of(move) if call.id == event.call), None)
    if call is None:
        return
    if event.step is LegStep.TURNED_AWAY:
        work.note(f"call {call.id}: {move.to_node} turned somebody away ({event.detail})")
        return
    if event.step is LegStep.DECLINED:
        call = _declined(work, call, event)
    legs = tuple(_told(leg, event) for leg in call.legs)
    if call.fate is CallFate.STAYED and not call.final and event.step is not LegStep.REJOINED:
        call = replace(call, fate=CallFate.UNDER_WAY, since_lived_s=work.state.lived_s)
    put(work, replace(call, legs=legs))


def _told(leg: CarriedLeg, event: LegSeen) -> CarriedLeg:
    """The leg after the event; who is joined says it for both."""
    if event.step is LegStep.JOINED:
        leg = replace(leg, arrived=True, joined=True)
    elif event.step is LegStep.REJOINED:
        leg = replace(leg, step=event.step)
    if event.role is not leg.plan.role or event.step is LegStep.JOINED:
        return leg
    if event.step is LegStep.ARRIVED:
        return replace(leg, arrived=True, arrived_as=event.uniqueid, arrived_by=event.detail)
    return replace(leg, step=event.step)


def _declined(work: Work, call: CarriedCall, event: LegSeen) -> CarriedCall:
    code = re.search(r"\d{3}", event.detail)
    for leg in call.legs:
        if leg.plan.role is event.role:
            if leg.user_agent and code and int(code[0]) in _REFUSING:
                habits.learn(work, leg.user_agent, ReferHabit.DECLINES, leg.plan.endpoint)
            said = f" ({event.detail})" if event.detail else ""
            call = replace(call, why=f"{leg.plan.endpoint or leg.plan.channel} declined{said}")
    return call


def follow_on(work: Work) -> None:
    """Follow what is still on its way although the drain is over; nothing more is sent.

    Legs that are moving are not called back at once: their phones would be parted on the way.
    """
    policy, calls = work.policy.evacuation, under_way(work.move)
    if work.state.phase is Phase.DRAINING or not calls:
        return
    if policy is None or work.lost(work.move.from_node):
        break_off(work)
    else:
        follow(work, policy)


def break_off(work: Work) -> None:
    """The move is over, or its old node lost, before its calls are: settle by what is seen."""
    move = work.move
    old, new = work.node(move.from_node), work.node(move.to_node)
    for sent in under_way(move):
        call = looked_at(sent, old, new, is_seen(work, old))
        places = {place_of(leg, new) for leg in call.legs}
        if places <= {Place.NEW, Place.CROSSING}:
            settle(work, call, CallFate.CARRIED)
        elif work.lost(old.name):
            settle(work, call, CallFate.LOST, f"{old.name} was lost meanwhile")
        elif not was_sent(work, call):
            settle(work, call, CallFate.STAYED, "the move ended before it was sent")
        elif places & {Place.NEW, Place.CROSSING, Place.GONE}:
            _gather(work, call, places, new.name)
        else:
            settle(work, call_back(work, call, "broken off"), CallFate.STAYED)


def _gather(work: Work, call: CarriedCall, places: set[Place], new: str) -> None:
    """A part of it is over, or gone; what is left is called back all the same."""
    if places & {Place.OLD, Place.BACK, Place.LINKED}:
        call = call_back(work, call, "broken off")
    settle(work, call, CallFate.LOST, f"{new} was lost" if work.lost(new) else "broken off")


def is_under_way(work: Work) -> bool:
    """Whether a call was sent and has not come out yet."""
    return bool(under_way(work.move))


def left(work: Work, policy: EvacuationPolicy) -> tuple[str, ...]:
    """The calls that stay for now, each with the reason; first why nothing at all is sent."""
    move, old = work.move, work.node(work.move.from_node)
    plans = plan_calls(old, work.policy, policy, work.state.habits)
    up = {plan.key for plan in plans}.union(*(plan.channels for plan in plans))
    stays = tuple(
        call
        for call in calls_of(move)
        if call.fate in (CallFate.STAYED, CallFate.LINKED)
        and (call.key in up or any(leg.uniqueid in up for leg in call.legs))
    )
    # a linked call looks like another one from then on: it is not told of twice
    known = {leg.uniqueid for call in stays for leg in call.legs}
    passing = (plan for plan in plans if plan.passing and not plan.channels & known)
    halted = () if may_send(work) else (f"{move.to_node} is not seen to be well: nothing is sent",)
    return (
        *halted,
        *(f"{call.words}: {call.why or call.fate}" for call in stays),
        *(f"{plan.words}: {plan.why}" for plan in passing),
    )


def told(work: Work) -> None:
    """People know what stays."""
    evacuation = work.move.evacuation
    if evacuation is not None:
        work.set_move(evacuation=replace(evacuation, told=True))
