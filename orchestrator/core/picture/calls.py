"""Views on a node's channels: calls, and the channels that are none. Pure.

A call is all channels with one linkedid, and whom they talk with: two that were bridged after they
came separately have one linkedid in Asterisk (bridge_channel.c gives both the older one), but only
the last of them tells. Local channels are plumbing: they belong to a call but are nobody's leg.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.core.picture.observe_calls import OF_TWO, endpoint_of
from orchestrator.core.state import Channel, Node, Policy
from orchestrator.core.words import ChannelState

ORPHAN_AFTER_S = 60.0  # one half of a Local channel whose other half is gone
# applications in which somebody may rightly be alone for long; known from snapshots
_SERVING = frozenset({"Queue", "ConfBridge", "MeetMe", "Park", "ParkedCall", "VoiceMail"})


@dataclass(frozen=True, slots=True)
class Call:
    """One call, in words for people. Times are epoch seconds."""

    linkedid: str
    channels: tuple[Channel, ...]
    started_at: float
    answered_at: float | None  # since when two legs, or a leg and a service, talk; not in a queue
    caller: str  # number, name or channel of who began it
    agent: str  # whom it was delivered to, or the number that was called
    queue: str
    has_trunk_leg: bool
    waiting: bool  # in a queue, not delivered yet

    def duration_s(self, now: float) -> float:
        """Seconds since it began."""
        return max(now - self.started_at, 0.0)


def calls(node: Node, policy: Policy) -> tuple[Call, ...]:
    """All calls of the node, oldest first."""
    trunks = {trunk.endpoint for trunk in policy.trunks}
    grouped = by_call(node.channels.values())
    waiting = {uniqueid for queue in node.queues.values() for uniqueid in queue.callers}
    found = [_call(key, legs, trunks, waiting) for key, legs in grouped.items()]
    return tuple(sorted(found, key=lambda call: call.started_at))


def by_call(channels: Iterable[Channel]) -> dict[str, list[Channel]]:
    """The channels of each call, under one of their linkedids."""
    grouped: dict[str, list[Channel]] = {}
    talking: dict[str, set[str]] = {}  # bridge of two -> the linkedids in it
    for channel in channels:
        key = channel.linkedid or channel.uniqueid
        grouped.setdefault(key, []).append(channel)
        if channel.bridge and channel.bridge_kind == OF_TWO:
            talking.setdefault(channel.bridge, set()).add(key)
    into: dict[str, str] = {}
    for keys in talking.values():
        first, *others = sorted({_root(into, key) for key in keys})
        into.update(dict.fromkeys(others, first))
    for key in into:
        grouped.setdefault(_root(into, key), []).extend(grouped.pop(key))
    return grouped


def _root(into: Mapping[str, str], key: str) -> str:
    while key in into:
        key = into[key]
    return key


def conversations(node: Node, policy: Policy) -> tuple[Call, ...]:
    """Calls in which somebody talks, with a person or with a service."""
    return tuple(call for call in calls(node, policy) if call.answered_at is not None)


def calls_in_progress(
    node: Node, policy: Policy, now: float, stuck_after_s: float
) -> tuple[Call, ...]:
    """Calls that a drain must let end: all, ringing and waiting ones too, but stuck channels."""
    stuck = {channel.uniqueid for channel in stuck_channels(node, now, stuck_after_s)}
    return tuple(
        call
        for call in calls(node, policy)
        if any(channel.uniqueid not in stuck for channel in call.channels)
    )


def stuck_channels(node: Node, now: float, stuck_after_s: float) -> tuple[Channel, ...]:
    """Channels that are no conversation and must not hold up a drain for ever.

    Stuck is a channel older than ``stuck_after_s`` that shares its bridge with nobody, waits in no
    queue and is in no application that may keep somebody waiting; and one half of a Local channel
    whose other half has been gone for a while.
    """
    company = _company(node.channels.values())
    names = {channel.name for channel in node.channels.values()}
    waiting = {uniqueid for queue in node.queues.values() for uniqueid in queue.callers}
    return tuple(
        channel
        for channel in node.channels.values()
        if _is_orphan(channel, names, now, stuck_after_s)
        or (
            now - channel.created_at > stuck_after_s
            and company.get(channel.bridge, 0) < 2
            and channel.uniqueid not in waiting
            and channel.application not in _SERVING
        )
    )


def _company(channels: Iterable[Channel]) -> dict[str, int]:
    """How many channels each bridge has."""
    members: dict[str, int] = {}
    for channel in channels:
        if channel.bridge:
            members[channel.bridge] = members.get(channel.bridge, 0) + 1
    return members


def _is_orphan(channel: Channel, names: set[str], now: float, stuck_after_s: float) -> bool:
    name = channel.name
    if not name.startswith("Local/") or not name.endswith((";1", ";2")):
        return False
    other = name[:-1] + ("2" if name.endswith("1") else "1")
    return other not in names and now - channel.created_at > min(ORPHAN_AFTER_S, stuck_after_s)


def _call(key: str, legs: list[Channel], trunks: set[str], waiting: set[str]) -> Call:
    legs = sorted(legs, key=lambda leg: (leg.uniqueid != key, leg.created_at))
    first = legs[0]
    people = [leg for leg in legs if not leg.name.startswith("Local/")]
    called = [leg for leg in people if leg is not first and leg.state is ChannelState.UP]
    queued = any(leg.uniqueid in waiting for leg in legs)
    return Call(
        linkedid=key,
        channels=tuple(legs),
        started_at=min(leg.created_at for leg in legs),
        answered_at=None if queued else _answered_at(first, called),
        caller=first.caller_number or first.caller_name or first.name,
        agent=_who(called) or first.connected_number or first.exten,
        queue=next((leg.queue for leg in legs if leg.queue), ""),
        has_trunk_leg=any(endpoint_of(leg.name) in trunks for leg in legs),
        waiting=queued,
    )


def _answered_at(first: Channel, called: list[Channel]) -> float | None:
    """With a called leg: when that answered; alone: when a service answered the caller."""
    times = [leg.answered_at for leg in called or [first] if leg.answered_at is not None]
    return min(times) if times else None


def _who(called: list[Channel]) -> str:
    leg = called[0] if called else None
    return (leg.caller_number or endpoint_of(leg.name)) if leg else ""
