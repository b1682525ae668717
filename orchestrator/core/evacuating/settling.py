"""How a call that was sent has come out: by where each of its legs is. Pure.

What the dialplan tells may be lost (a restart, a broken stream), so what is seen of the channels
decides where it can, and the dialplan's word where only it can know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from orchestrator.core.evacuating.records import CallFate, CarriedCall, CarriedLeg
from orchestrator.core.picture.observe_calls import endpoint_of
from orchestrator.core.state import Channel, Node
from orchestrator.core.words import Carry, ChannelState, LegStep

CLOCK_SLACK_S = 2.0  # an age in a list of channels is told in whole seconds


class Place(StrEnum):
    """Where a leg is."""

    OLD = "old"  # on the old node, on its way or waiting there
    CROSSING = "crossing"  # its phone is on the new node, its old channel has not ended yet
    NEW = "new"
    LINKED = "linked"  # on the old node, joined with the new one
    BACK = "back"  # on the old node again
    GONE = "gone"  # ended, and not seen on the new node


@dataclass(frozen=True, slots=True)
class FateRow:
    when: Callable[[frozenset[Place]], bool]
    fate: CallFate


P = Place
# What is certain at once; what has no row is waited for, as long as patience allows.
TABLE: tuple[FateRow, ...] = (
    FateRow(lambda at: at == {P.NEW}, CallFate.CARRIED),
    FateRow(lambda at: P.LINKED in at and at <= {P.LINKED, P.NEW}, CallFate.LINKED),
    FateRow(lambda at: P.BACK in at and at <= {P.BACK, P.GONE}, CallFate.STAYED),
)


def fate_now(call: CarriedCall, new: Node) -> CallFate | None:
    """How the call has come out; None: it is still under way."""
    places = frozenset(place_of(leg, new) for leg in call.legs)
    if any(leg.step is LegStep.ALONE for leg in call.legs):
        return CallFate.LOST
    return next((row.fate for row in TABLE if row.when(places)), None)


def place_of(leg: CarriedLeg, new: Node) -> Place:
    """Where the leg is, by its record."""
    if leg.gone:
        return Place.NEW if leg.arrived else Place.GONE
    if leg.arrived and came_itself(leg, new):
        return Place.CROSSING
    if leg.step is LegStep.LINKED or leg.joined:
        return Place.LINKED
    return Place.BACK if leg.step is LegStep.REJOINED else Place.OLD


def came_itself(leg: CarriedLeg, new: Node) -> bool:
    """Whether its own phone is on the new node: else it came through the old one."""
    if leg.arrived_by:
        return leg.arrived_by == leg.plan.endpoint
    there = new.channels.get(leg.arrived_as)
    if there is None:
        return leg.step is LegStep.MOVED and leg.plan.carry is Carry.REFER
    return bool(leg.plan.endpoint) and endpoint_of(there.name) == leg.plan.endpoint


def looked_at(call: CarriedCall, old: Node, new: Node, old_known: bool) -> CarriedCall:
    """The call with what is seen of its channels now."""
    taken = {leg.arrived_as for leg in call.legs}
    legs = tuple(
        _looked_at(leg, call.asked_at, new, taken)
        if leg.gone or (old_known and leg.uniqueid not in old.channels)
        else leg
        for leg in call.legs
    )
    return call if legs == call.legs else replace(call, legs=legs)


def _looked_at(leg: CarriedLeg, asked_at: float, new: Node, taken: set[str]) -> CarriedLeg:
    there = None if leg.arrived else _arrival(leg, asked_at, new, taken)
    if there is None:
        return leg if leg.gone else replace(leg, gone=True)
    return replace(leg, gone=True, arrived=True, arrived_as=there.uniqueid)


def _arrival(leg: CarriedLeg, asked_at: float, new: Node, taken: set[str]) -> Channel | None:
    """A channel of the leg's phone that is on the new node since it was sent."""
    if not leg.plan.endpoint or leg.plan.carry is not Carry.REFER:
        return None
    for channel in new.channels.values():
        since = channel.created_at >= asked_at - CLOCK_SLACK_S
        up = channel.state is ChannelState.UP and channel.uniqueid not in taken
        if since and up and endpoint_of(channel.name) == leg.plan.endpoint:
            return channel
    return None


def is_whole(call: CarriedCall, old: Node) -> bool:
    """Whether its legs talk with each other on the old node as they did before it was sent."""
    bridges = {
        channel.bridge if channel is not None else ""
        for channel in (old.channels.get(leg.uniqueid) for leg in call.legs)
    }
    return len(call.legs) > 1 and len(bridges) == 1 and "" not in bridges
