"""Calls carried over to the other node: the door to it for the machine and the engine.

Which calls: evacuating/sorting.py and planner.py. Sending and following: sending.py, driving.py,
settling.py. What phones do with a REFER: habits.py, probing.py. Words for people: telling.py.
"""

from __future__ import annotations

import re
from dataclasses import replace

from orchestrator.core.evacuating import habits
from orchestrator.core.evacuating.book import calls_of, is_seen, may_send, put, settle, under_way
from orchestrator.core.evacuating.driving import call_back
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
_REFUSING = frozenset({400, 403, 405, 420, 488, 501, 603})
_REACHED = frozenset({LegStep.ARRIVED, LegStep.JOINED})


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
    if event.step is LegStep.JOINED:
        leg = replace(leg, arrived=True)
    if event.role is not leg.plan.role:
        return leg
    if event.step in _REACHED:
        return replace(leg, arrived=True, arrived_as=event.uniqueid or leg.arrived_as)
    return replace(leg, step=event.step, detail=event.detail)


def _declined(work: Work, call: CarriedCall, event: LegSeen) -> CarriedCall:
    code = re.search(r"\d{3}", event.detail)
    for leg in call.legs:
        if leg.plan.role is event.role:
            if leg.user_agent and code and int(code[0]) in _REFUSING:
                habits.learn(work, leg.user_agent, ReferHabit.DECLINES, leg.plan.endpoint)
            said = f" ({event.detail})" if event.detail else ""
            call = replace(call, why=f"{leg.plan.endpoint or leg.plan.channel} declined{said}")
    return call


def break_off(work: Work, ended: bool = False) -> None:
    """The drain, or the whole move, is over before its calls are: settle each by what is seen."""
    move = work.move
    if work.state.phase is Phase.DRAINING and not ended:
        return
    old, new = work.node(move.from_node), work.node(move.to_node)
    for sent in under_way(move):
        call = looked_at(sent, old, new, is_seen(work, old))
        places = {place_of(leg, new) for leg in call.legs}
        if places <= {Place.NEW, Place.CROSSING}:
            settle(work, call, CallFate.CARRIED)
        elif work.lost(old.name):
            settle(work, call, CallFate.LOST, f"{old.name} was lost meanwhile")
        elif places & {Place.NEW, Place.CROSSING, Place.GONE} or work.lost(new.name):
            _gather(work, call, places, new.name)
        else:
            settle(work, call_back(work, call, "broken off"), CallFate.STAYED)


def _gather(work: Work, call: CarriedCall, places: set[Place], new: str) -> None:
    """Some of it may be over already; what is left is brought together where it was."""
    if places & {Place.OLD, Place.BACK, Place.LINKED}:
        call = call_back(work, call, "broken off")
    parted = places & {Place.NEW, Place.CROSSING, Place.GONE}
    fate = CallFate.LOST if parted else CallFate.STAYED
    settle(work, call, fate, f"{new} was lost meanwhile" if work.lost(new) else "broken off")


def is_under_way(work: Work) -> bool:
    """Whether a call was sent and has not come out yet."""
    return bool(under_way(work.move))


def left(work: Work, policy: EvacuationPolicy) -> tuple[str, ...]:
    """The calls that stay for now, each with the reason; first why nothing at all is sent."""
    move, old = work.move, work.node(work.move.from_node)
    plans = plan_calls(old, work.policy, policy, work.state.habits)
    passing = tuple(f"{plan.words}: {plan.why}" for plan in plans if plan.passing)
    up = {plan.key for plan in plans}
    stays = tuple(
        f"{call.words}: {call.why or call.fate}"
        for call in calls_of(move)
        if call.key in up and call.fate in (CallFate.STAYED, CallFate.LINKED)
    )
    halted = () if may_send(work) else (f"{move.to_node} is not seen to be well: nothing is sent",)
    return (*halted, *stays, *passing)


def told(work: Work) -> None:
    """People know what stays."""
    evacuation = work.move.evacuation
    if evacuation is not None:
        work.set_move(evacuation=replace(evacuation, told=True))
