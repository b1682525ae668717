"""A node's calls, sorted by how they could be carried over. Pure.

Only what is plainly one of these may be sent: a conversation of two, a leg with a service, a member
of a conference, a caller who waits in a queue. Anything else (ringing, dialling, a consultation)
is left alone and looked at again: on such calls a redirect may lose a leg.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from orchestrator.core.picture.calls import by_call
from orchestrator.core.picture.observe_calls import endpoint_of
from orchestrator.core.state import Channel, Node, QueueCaller
from orchestrator.core.words import ChannelState, LegRole

TWO, CONFERENCE = "basic", "base"  # BridgeType (bridge_basic.c; app_confbridge: bridge_base)
# Channels that are nobody's leg: halves of Local, conference announcers and recorders, spies
_PLUMBING = frozenset(
    {"Local", "CBAnn", "CBRec", "Announcer", "Recorder", "Surrogate", "Snoop", "Message",
     "MulticastRTP", "UnicastRTP"}
)  # fmt: skip
_DIALLING = frozenset({"Dial", "Queue", "FollowMe", "Page", "Park", "ParkedCall"})


@dataclass(frozen=True, slots=True)
class Leg:
    """A channel with what it is in its call."""

    channel: Channel
    role: LegRole
    queue: str = ""
    position: int = 0

    @property
    def endpoint(self) -> str:
        return endpoint_of(self.channel.name)


@dataclass(frozen=True, slots=True)
class Sorted:
    """A call that can be sent (``legs``), or why it is left alone now."""

    key: str
    people: tuple[Channel, ...]
    legs: tuple[Leg, ...] = ()
    why: str = ""


def is_plumbing(channel: Channel) -> bool:
    """Whether the channel is nobody's leg."""
    return channel.name.partition("/")[0] in _PLUMBING


def sort_calls(node: Node, trunks: Collection[str]) -> tuple[Sorted, ...]:
    """Every call of the node; conversations and services oldest first, then queues in their order.

    A phone with two calls is in the middle of something (a transfer by its user refers to both
    dialogs on this node): both are left alone. ``trunks``: endpoints that may have many.
    """
    found = [*_members(node), *_groups(node)]
    crowded = _with_several([channel for call in found for channel in call.people], trunks)
    calls = [_alone(call, crowded) for call in found]
    return tuple(sorted(calls, key=_order))


def _order(call: Sorted) -> tuple[bool, str, int, float, str]:
    leg = call.legs[0] if call.legs else None
    waits = leg is not None and leg.role is LegRole.WAITING
    queue, position = (leg.queue, leg.position) if leg and waits else ("", 0)
    return (waits, queue, position, min(c.created_at for c in call.people), call.key)


def _alone(call: Sorted, crowded: frozenset[str]) -> Sorted:
    for leg in call.legs:
        if leg.endpoint in crowded:
            why = f"{leg.endpoint} has more than one call (a consultation, or a call waiting)"
            return Sorted(call.key, call.people, why=why)
    return call


def _with_several(people: Iterable[Channel], trunks: Collection[str]) -> frozenset[str]:
    """Phones with more than one channel."""
    seen: set[str] = set()
    twice: set[str] = set()
    for channel in people:
        endpoint = endpoint_of(channel.name)
        (twice if endpoint in seen else seen).add(endpoint)
    return frozenset(twice.difference(trunks))


def _members(node: Node) -> list[Sorted]:
    """Members of conferences: each one is a leg by itself."""
    return [
        Sorted(f"member {channel.uniqueid}", (channel,), (Leg(channel, LegRole.SERVICE),))
        for channel in node.channels.values()
        if _in_conference(channel) and not is_plumbing(channel)
    ]


def _in_conference(channel: Channel) -> bool:
    return channel.bridge_kind == CONFERENCE and channel.state is ChannelState.UP


def _groups(node: Node) -> list[Sorted]:
    grouped = by_call(
        channel
        for channel in node.channels.values()
        if is_plumbing(channel) or not _in_conference(channel)
    )
    waiting = _waiting(node)
    found = []
    for key, channels in grouped.items():
        people = tuple(
            sorted(
                (c for c in channels if not is_plumbing(c)),
                key=lambda c: (c.dialled, c.uniqueid != key, c.created_at),
            )
        )
        if people:
            plumbing = [c for c in channels if is_plumbing(c)]
            found.append(_sort(node, key, people, plumbing, waiting))
    return found


def _waiting(node: Node) -> dict[str, tuple[str, int]]:
    """Who waits: uniqueid -> queue and place in line, counted afresh.

    The nodes tell a caller's position when he joins, not when those before him leave.
    """
    places: dict[str, tuple[str, int]] = {}
    for queue in node.queues.values():
        ordered = sorted(queue.callers.values(), key=_place)
        for place, caller in enumerate(ordered, 1):
            places[caller.uniqueid] = (queue.name, place)
    return places


def _place(caller: QueueCaller) -> tuple[int, float]:
    return (caller.position, caller.joined_at)


def _sort(
    node: Node,
    key: str,
    people: tuple[Channel, ...],
    plumbing: list[Channel],
    waiting: dict[str, tuple[str, int]],
) -> Sorted:
    if any(c.state is not ChannelState.UP for c in (*people, *plumbing)):
        return Sorted(key, people, why="somebody is being called")
    if len(people) == 2:
        return _two(node, key, people, plumbing)
    if len(people) > 2:
        return Sorted(key, people, why="more than two take part (a transfer, or a spy)")
    (channel,) = people
    queue, position = waiting.get(channel.uniqueid, ("", 0))
    if queue:
        return Sorted(key, people, (Leg(channel, LegRole.WAITING, queue, position),))
    if plumbing or channel.bridge or channel.application in _DIALLING:
        return Sorted(key, people, why="it is being connected, or parked")
    return Sorted(key, people, (Leg(channel, LegRole.SERVICE),))


def _two(node: Node, key: str, people: tuple[Channel, ...], plumbing: list[Channel]) -> Sorted:
    first, second = people
    known = all(c.bridge and c.bridge_kind == TWO for c in (*people, *plumbing))
    if not known or second.bridge not in _reached(first.bridge, plumbing):
        return Sorted(key, people, why="the two are not connected now")
    if any(_is_held(node, channel) for channel in people):
        return Sorted(key, people, why="one of them is on hold, and would come off it")
    legs = (Leg(first, LegRole.FIRST, first.queue), Leg(second, LegRole.SECOND, first.queue))
    return Sorted(key, people, legs)


def _is_held(node: Node, channel: Channel) -> bool:
    """Seen on 16 and 22: the device of whoever was put on hold says so."""
    return node.devices.get(channel.name.rpartition("-")[0]) == "onhold"


def _reached(bridge: str, plumbing: list[Channel]) -> set[str]:
    """Bridges that are joined with this one by Local channels, itself included."""
    halves: dict[str, set[str]] = {}
    for channel in plumbing:
        halves.setdefault(channel.name.rpartition(";")[0], set()).add(channel.bridge)
    reached = {bridge}
    for _ in halves:
        for pair in halves.values():
            if pair & reached:
                reached |= pair
    return reached
