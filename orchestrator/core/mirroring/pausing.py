"""While both nodes carry calls: an agent who talks on one node is not rung by the other.

Each node knows the state of a phone only by its own calls. So during a planned move a member in a
call on one node is paused on the other, also on the one that holds the address. This is the only
thing that the mirror ever writes there, and what it paused it unpauses: when the call ends, when
the move ends, or after a crash (``Node.cross_paused`` is durable).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from immutables import Map

from orchestrator.core.commands import PauseMember
from orchestrator.core.machine.work import Work
from orchestrator.core.mirroring.memory import SETTLE_S
from orchestrator.core.mirroring.reading import awaited
from orchestrator.core.mirroring.sides import readable
from orchestrator.core.mirroring.wishes import cross_pause_reason, is_cross_pause
from orchestrator.core.picture.listed import member_key
from orchestrator.core.state import Node
from orchestrator.core.words import MirrorKind, Phase

BUSY = frozenset({"inuse", "busy", "ringing", "ringinuse", "onhold"})
_BEFORE_OR_AFTER = (Phase.LEARNING, Phase.STEADY, Phase.PREPARING)


def pause_across(work: Work) -> None:
    """Pause who talks elsewhere, unpause who no longer does."""
    policy, state = work.policy.mirror, work.state
    move = state.move
    wanted = policy is not None and policy.queues and move is not None and move.mode is not None
    between = wanted and state.phase not in _BEFORE_OR_AFTER
    if not between and not any(node.cross_paused for node in state.nodes.values()):
        if state.mirror.cross_asked:
            work.set(mirror=replace(state.mirror, cross_asked=Map()))
        return
    for name in state.nodes:
        node, other = work.node(name), work.node(work.policy.other(name))
        if readable(node, work.now, work.policy.stale_s):
            _bring_in_step(work, node, other, set(_busy(work, other)) if between else set())


def _busy(work: Work, node: Node) -> Iterator[str]:
    """Members who are in a call there; when its picture is lost they keep their pause."""
    if not readable(node, work.now, work.policy.stale_s):
        yield from work.node(work.policy.other(node.name)).cross_paused
        return
    for queue in node.queues.values():
        for interface, member in queue.members.items():
            if member.in_call or member.status in BUSY:
                yield member_key(queue.name, interface)


def _bring_in_step(work: Work, node: Node, other: Node, busy: set[str]) -> None:
    members = node.listing(MirrorKind.MEMBER).items
    for key in sorted(busy | node.cross_paused):
        there = members.get(key)
        paused_by_us = there is not None and is_cross_pause(there)
        paused = there is not None and dict(there)["paused"] == "1"
        if key in busy and there is not None and not paused:
            _ask(work, node.name, key, cross_pause_reason(other.name))
        elif key not in busy and paused_by_us:
            _ask(work, node.name, key, "")
        elif key in node.cross_paused and not paused_by_us and _settled(work, node.name, key):
            _set_paused(work, node.name, key, False)  # unpaused, or the agent's own pause now


def _asked_key(node: str, key: str, paused: bool) -> str:
    return f"mirror: {'pause' if paused else 'unpause'} {key} on {node}"


def _settled(work: Work, node: str, key: str) -> bool:
    """Nothing was asked of it so lately that its event may still be on its way."""
    return not any(
        _held_back(work, _asked_key(node, key, paused), SETTLE_S) for paused in (True, False)
    )


def _held_back(work: Work, asked: str, slack_s: float = 0.0) -> bool:
    pause = work.state.mirror.cross_asked.get(asked)
    return (pause is not None and work.now < pause.until + slack_s) or awaited(work, asked)


def _ask(work: Work, node: str, key: str, reason: str) -> None:
    """Pause with a reason, unpause without one."""
    asked = _asked_key(node, key, bool(reason))
    if _held_back(work, asked):
        return
    queue, _, interface = key.partition("|")
    work.send(
        asked,
        lambda i, e, t: PauseMember(
            id=i, epoch=e, timeout_s=t, node=node, queue=queue, interface=interface,
            paused=bool(reason), reason=reason,
        ),
    )  # fmt: skip
    if reason:
        _set_paused(work, node, key, True)


def _set_paused(work: Work, node: str, key: str, paused: bool) -> None:
    known = work.node(node).cross_paused
    work.set_node(node, cross_paused=known | {key} if paused else known - {key})
