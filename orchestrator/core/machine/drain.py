"""How far a drain is: conversations that are still up, and channels that must not hold it up."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.picture.calls import by_call, stuck_channels
from orchestrator.core.state import Channel, Move, Node, Pair, Policy


@dataclass(frozen=True, slots=True)
class Progress:
    """``known`` is False while the node's picture may be stale: then nothing counts as drained."""

    known: bool
    channels: tuple[Channel, ...]  # without stuck ones
    stuck: tuple[Channel, ...]
    calls: int
    longest_s: float
    estimate_s: float | None  # until empty, at the pace so far; None: cannot be told


def progress(state: Pair, policy: Policy, move: Move, now: float) -> Progress:
    """What still goes on at the old active."""
    node = state.nodes[move.from_node]
    stuck_ids = {channel.uniqueid for channel in stuck_channels(node, now, policy.stuck_after_s)}
    left = tuple(c for c in node.channels.values() if c.uniqueid not in stuck_ids)
    stuck = tuple(c for c in node.channels.values() if c.uniqueid in stuck_ids)
    calls = len(by_call(left))
    longest = max((now - channel.created_at for channel in left), default=0.0)
    return Progress(
        known=node.in_sync and node.fresh(now, policy.stale_s),
        channels=left,
        stuck=stuck,
        calls=calls,
        longest_s=max(longest, 0.0),
        estimate_s=_estimate_s(move, calls, now - move.phase_since),
    )


def calls_on(node: Node) -> int:
    """Calls up, stuck ones included: channels that belong together count once."""
    return len(by_call(node.channels.values()))


def words_for(channel: Channel, now: float) -> str:
    """One channel for the list of what was cut: who, with whom, how long."""
    who = channel.caller_name or channel.caller_number or channel.name
    whom = channel.connected_number or channel.exten
    talk = f"{who} with {whom}" if whom else who
    return f"{talk}, up {max(now - channel.created_at, 0.0):.0f} s ({channel.name})"


def _estimate_s(move: Move, calls: int, elapsed_s: float) -> float | None:
    ended = move.calls_at_start - calls
    if ended <= 0 or elapsed_s <= 0:
        return None
    return calls * elapsed_s / ended
