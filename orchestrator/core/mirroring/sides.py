"""Which node is mirrored onto which, and whether both may be believed. Pure."""

from __future__ import annotations

from orchestrator.core.machine.work import Work
from orchestrator.core.mirroring.wishes import Sides
from orchestrator.core.policy import MirrorPolicy, Policy
from orchestrator.core.state import Node, Pair
from orchestrator.core.words import MirrorKind, Phase

CERTAIN_S = 1.0  # a clock known less exactly is not corrected by


def kinds_of(policy: MirrorPolicy) -> tuple[MirrorKind, ...]:
    """What the site wants mirrored; members before the rest: they are few."""
    chosen = (
        (MirrorKind.MEMBER, policy.queues),
        (MirrorKind.DEVICE, policy.devices),
        (MirrorKind.CONTACT, policy.contacts),
        (MirrorKind.ASTDB, bool(policy.families)),
    )
    return tuple(kind for kind, wanted in chosen if wanted)


def compared(policy: MirrorPolicy) -> tuple[MirrorKind, ...]:
    """Kinds that only a comparison tells everything about; the others come with the snapshot."""
    return tuple(k for k in kinds_of(policy) if k in (MirrorKind.CONTACT, MirrorKind.ASTDB))


def source_of(state: Pair, policy: Policy) -> str:
    """The node that holds the address, as far as that is certain; else empty.

    Where no host agent can be asked, it is the active of the steady state.
    """
    holders = [node.name for node in state.nodes.values() if node.holds_address]
    if len(holders) == 1:
        return holders[0]
    asked = any(node.has_host for node in policy.nodes)
    return "" if asked or holders or state.phase is not Phase.STEADY else state.active


def readable(node: Node, now: float, stale_s: float) -> bool:
    """Whether the node's picture may be believed and its Asterisk means to stay."""
    return node.in_sync and node.fresh(now, stale_s) and not node.shutting_down


def shift_s(source: Node, target: Node) -> float | None:
    """The target's clock minus the source's, in seconds; None while it is not known well."""
    if source.clock_ahead_s is None or target.clock_ahead_s is None:
        return None
    if source.clock_error_s + target.clock_error_s > CERTAIN_S:
        return None
    return target.clock_ahead_s - source.clock_ahead_s


def sides_of(work: Work, kind: MirrorKind, source: Node, target: Node) -> Sides:
    """Both listings of the kind, with what is needed to judge them."""
    memory, policy = work.state.mirror, work.policy.mirror
    assert policy is not None  # nothing is mirrored without one
    return Sides(
        kind,
        source.listing(kind).items,
        target.listing(kind).items,
        memory.mirrored(kind),
        round(shift_s(source, target) or 0.0),
        work.now + (source.clock_ahead_s or 0.0),
        memory.verified,
        policy.families,
    )
