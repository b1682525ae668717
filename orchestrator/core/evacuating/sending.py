"""Sends calls over, as many at a time as the site allows."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.commands import Evacuate, LegPlan
from orchestrator.core.evacuating import habits
from orchestrator.core.evacuating.book import calls_of, put, under_way
from orchestrator.core.evacuating.planner import CallPlan
from orchestrator.core.evacuating.records import CallFate, CarriedCall, CarriedLeg
from orchestrator.core.machine.work import Work
from orchestrator.core.policy import EvacuationPolicy
from orchestrator.core.words import LegRole


def key_of(call: CarriedCall) -> str:
    """The name of the order to send it, within the move."""
    return f"carry call {call.id}"


def send(work: Work, policy: EvacuationPolicy, plans: tuple[CallPlan, ...]) -> None:
    """Send what may be sent now; write down what stays, and why."""
    free = policy.at_once - len(under_way(work.move))
    by_key = {call.key: call for call in calls_of(work.move)}
    # a leg that was sent out of a conference, or linked, looks like another call from then on
    by_leg = {leg.uniqueid: call for call in calls_of(work.move) for leg in call.legs}
    for plan in plans:
        sent = (by_leg[leg.uniqueid] for leg in plan.legs if leg.uniqueid in by_leg)
        known = by_key.get(plan.key) or next(sent, None)
        if known is not None and (known.final or known.fate is not CallFate.STAYED):
            continue
        if plan.passing:
            continue
        if not plan.legs:
            stays = known or CarriedCall(plan.key, "", plan.words, CallFate.STAYED)
            put(work, replace(stays, why=plan.why))
        elif free > 0 and not _must_wait(work, plan):
            _begin(work, plan, known)
            free -= 1


def order(work: Work, call: CarriedCall, legs: tuple[CarriedLeg, ...], key: str) -> None:
    """Ask for these legs of the call to be sent."""
    policy, plans = work.policy.evacuation, tuple(leg.plan for leg in legs)
    variables = policy.variables if policy else ()
    work.ask(
        key,
        lambda i, e, t: Evacuate(
            id=i, epoch=e, timeout_s=t, node=work.move.from_node, to_node=work.move.to_node,
            call=call.id, legs=plans, variables=variables,
        ),
    )  # fmt: skip


def _must_wait(work: Work, plan: CallPlan) -> bool:
    """Of phones that were never seen to follow, one call goes first: it may be lost.

    Callers who wait in a queue go one after the other: two at once could change places.
    """
    if any(_waits_in(leg.plan) & _waiting_on_the_way(work) for leg in plan.legs):
        return True
    mine = {
        leg.user_agent
        for leg in plan.legs
        if leg.user_agent and not habits.is_proven(leg.user_agent, work.state.habits)
    }
    others = {leg.user_agent for call in under_way(work.move) for leg in call.legs}
    return bool(mine & others)


def _waits_in(leg: LegPlan) -> set[str]:
    return {leg.queue} if leg.role is LegRole.WAITING else set()


def _waiting_on_the_way(work: Work) -> set[str]:
    legs = (leg.plan for call in under_way(work.move) for leg in call.legs)
    return set[str]().union(*(_waits_in(leg) for leg in legs))


def _begin(work: Work, plan: CallPlan, known: CarriedCall | None) -> None:
    evacuation = work.move.evacuation
    assert evacuation is not None
    number = evacuation.next_id
    work.set_move(evacuation=replace(evacuation, next_id=number + 1))
    call = CarriedCall(
        key=known.key if known else plan.key,
        id=f"{work.move.number}-{number}",
        words=plan.words,
        fate=CallFate.UNDER_WAY,
        legs=tuple(_placed(work, leg) for leg in plan.legs),
        why=plan.why,
        tries=known.tries + 1 if known else 1,
        asked_at=work.now,
        since_lived_s=work.state.lived_s,
    )
    put(work, call)
    order(work, call, call.legs, key_of(call))


def _placed(work: Work, leg: CarriedLeg) -> CarriedLeg:
    """A caller's place in line on the new node: behind those who went before him."""
    if not leg.plan.position:
        return leg
    ahead = sum(
        _is_ahead(work, call, other)
        for call in calls_of(work.move)
        for other in call.legs
        if other.plan.position and other.plan.queue == leg.plan.queue
    )
    return replace(leg, plan=replace(leg.plan, position=leg.plan.position + ahead))


def _is_ahead(work: Work, call: CarriedCall, other: CarriedLeg) -> bool:
    """Whether he waits on the new node, or has left the old node's line for it."""
    here, there = (
        work.node(name).queues.get(other.plan.queue)
        for name in (work.move.from_node, work.move.to_node)
    )
    if other.arrived:
        return there is not None and other.arrived_as in there.callers
    on_the_way = call.fate is CallFate.UNDER_WAY
    return on_the_way and (here is None or other.uniqueid not in here.callers)
