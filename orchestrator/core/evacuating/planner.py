"""Which calls may be sent to the other node now, and how each leg gets there. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.core.commands import LegPlan
from orchestrator.core.evacuating.habits import obstacle
from orchestrator.core.evacuating.records import CarriedLeg, Habit
from orchestrator.core.evacuating.sorting import Leg, Sorted, sort_calls
from orchestrator.core.picture.observe_calls import endpoint_of
from orchestrator.core.policy import EvacuationPolicy, Policy
from orchestrator.core.state import Channel, Contact, Node
from orchestrator.core.words import Carry, ContactStatus, LegRole

PEER = "peernode"  # the endpoint of the other node (contrib/asterisk/pjsip-peernode.conf)


@dataclass(frozen=True, slots=True)
class CallPlan:
    """One call: how its legs would go, or why it stays."""

    key: str
    words: str
    channels: frozenset[str]  # uniqueids of who takes part
    legs: tuple[CarriedLeg, ...] = ()  # empty: it stays
    why: str = ""  # why it stays, or why a leg is linked
    passing: bool = False  # the reason may go away by itself: looked at again


def plan_calls(
    node: Node, policy: Policy, evacuation: EvacuationPolicy, habits: Mapping[str, Habit]
) -> tuple[CallPlan, ...]:
    """Every call of the node, in the order in which they shall go."""
    trunks = {trunk.endpoint for trunk in policy.trunks} | {PEER}
    calls = sort_calls(node, trunks)
    agents = _user_agents(node, {leg.endpoint for call in calls for leg in call.legs})
    return tuple(_plan(call, node, trunks, agents, evacuation, habits) for call in calls)


def _plan(
    call: Sorted,
    node: Node,
    trunks: set[str],
    agents: dict[str, str],
    evacuation: EvacuationPolicy,
    habits: Mapping[str, Habit],
) -> CallPlan:
    words = words_for(call)
    people = frozenset(channel.uniqueid for channel in call.people)
    if not call.legs:
        return CallPlan(call.key, words, people, why=call.why, passing=True)
    legs, lacks = [], []
    for leg in call.legs:
        agent = agents.get(leg.endpoint, "")
        lack = _lack(leg, trunks, agent, evacuation, habits)
        lacks.append(lack)
        legs.append(_leg(leg, Carry.LINK if lack else Carry.REFER, node, trunks, agent))
    said = "; ".join(lack for lack in lacks if lack)
    if all(lacks):
        return CallPlan(call.key, words, people, why=said)
    if any(lacks) and not evacuation.link_others:
        return CallPlan(call.key, words, people, why=f"{said}; such legs are not linked here")
    return CallPlan(call.key, words, people, tuple(legs), why=said)


def _lack(
    leg: Leg,
    trunks: set[str],
    user_agent: str,
    evacuation: EvacuationPolicy,
    habits: Mapping[str, Habit],
) -> str:
    """Why the leg cannot be sent by REFER; empty: it can."""
    if leg.endpoint in trunks:
        return f"the trunk {leg.endpoint} cannot be referred"
    if not leg.channel.name.startswith("PJSIP/"):
        return f"{leg.channel.name} is no PJSIP phone"
    why = obstacle(user_agent, habits, evacuation)
    return f"{leg.endpoint}: {why}" if why else ""


def _leg(leg: Leg, carry: Carry, node: Node, trunks: set[str], user_agent: str) -> CarriedLeg:
    agent = _agent(node, leg) if leg.queue and leg.role is LegRole.SECOND else ""
    plan = LegPlan(
        channel=leg.channel.name,
        endpoint="" if leg.endpoint in trunks else leg.endpoint,
        role=leg.role,
        carry=carry,
        queue=leg.queue,
        position=leg.position,
        agent=agent,
    )
    referred = carry is Carry.REFER
    return CarriedLeg(plan, leg.channel.uniqueid, user_agent if referred else "")


def _agent(node: Node, leg: Leg) -> str:
    """The name under which the queue knows who answered."""
    queue = node.queues.get(leg.queue)
    device = leg.channel.name.rpartition("-")[0]
    for member in queue.members.values() if queue else ():
        local = member.interface.startswith(f"Local/{leg.endpoint}@")
        if local or device in (member.interface, member.state_interface):
            return member.name or member.interface
    return device


def _user_agents(node: Node, endpoints: set[str]) -> dict[str, str]:
    """What phone an endpoint has, where that is certain: reachable, and all its contacts alike."""
    found: dict[str, set[str]] = {}
    for contact in node.contacts.values():
        if contact.aor in endpoints:
            found.setdefault(contact.aor, set()).add(_said(contact))
    return {aor: said.pop() for aor, said in found.items() if len(said) == 1}


def _said(contact: Contact) -> str:
    unreachable = contact.status is ContactStatus.UNREACHABLE
    return "" if unreachable else contact.user_agent


def words_for(call: Sorted) -> str:
    """Who talks with whom, for people."""
    first, *others = call.people
    who = _who(first)
    if others:
        return f"{who} with {' and '.join(_who(other) for other in others)}"
    if call.legs and call.legs[0].role is LegRole.WAITING:
        return f"{who}, waiting in {call.legs[0].queue}"
    whom = first.connected_number or first.exten
    return f"{who} with {whom}" if whom else who


def _who(channel: Channel) -> str:
    return channel.caller_number or channel.caller_name or endpoint_of(channel.name)
