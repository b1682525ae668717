"""What is asked of the nodes: everything from time to time, single contacts as soon as told."""

from __future__ import annotations

from dataclasses import replace

from immutables import Map

from orchestrator.core.commands import Compare, Fetch
from orchestrator.core.machine.work import Work
from orchestrator.core.mirroring.sides import compared, readable
from orchestrator.core.policy import MirrorPolicy
from orchestrator.core.state import Listing, Node
from orchestrator.core.words import MirrorKind

COMPARE_TIMEOUT_S = 10.0
FETCH_TIMEOUT_S = 5.0
AT_ONCE = 200


def awaited(work: Work, key: str) -> bool:
    """Whether a command of that key is under way."""
    return any(asked.key == key for asked in work.state.asked.values())


def held_back(work: Work, key: str) -> bool:
    """Whether a command of that key is under way, or failed a moment ago."""
    pause = work.state.mirror.pauses.get(key)
    return (pause is not None and work.now < pause.until) or awaited(work, key)


def compare_key(kind: MirrorKind, node: str) -> str:
    return f"mirror: list {kind} on {node}"


def fetch_key(node: str) -> str:
    return f"mirror: read on {node}"


def compare(work: Work, policy: MirrorPolicy) -> None:
    """List both nodes when one of them is due, so that the two lists are of the same moment."""
    for kind in compared(policy):
        nodes = list(work.state.nodes.values())
        if not any(_due(node, kind, work.now, policy.compare_every_s) for node in nodes):
            continue
        for node in nodes:
            if _due(node, kind, work.now, policy.compare_every_s / 2):
                _ask(work, kind, node, policy)


def _due(node: Node, kind: MirrorKind, now: float, every_s: float) -> bool:
    at = node.listing(kind).at
    return node.in_sync and (at is None or now - at >= every_s)


def _ask(work: Work, kind: MirrorKind, node: Node, policy: MirrorPolicy) -> None:
    key = compare_key(kind, node.name)
    if not readable(node, work.now, work.policy.stale_s) or held_back(work, key):
        return
    families = policy.families if kind is MirrorKind.ASTDB else ()
    work.send(
        key,
        lambda i, e, t: Compare(
            id=i, epoch=e, timeout_s=t, node=node.name, kind=kind, families=families
        ),
        COMPARE_TIMEOUT_S,
    )
    set_listing(work, node.name, kind, replace(node.listing(kind), touched=Map()))


def fetch(work: Work, source: Node, target: Node) -> None:
    """Read contacts anew: on the source what was told of, on the target what is not from us."""
    memory = work.state.mirror
    listing = source.listing(MirrorKind.CONTACT)
    if listing.wanted and listing.at is not None and not memory.shared:
        _fetch_wanted(work, source.name, listing)
    if memory.doubtful:
        keys = tuple(memory.doubtful)[:AT_ONCE]
        if _send_fetch(work, target.name, keys):
            left = memory.doubtful.mutate()
            for key in keys:
                del left[key]
            work.set(mirror=replace(work.state.mirror, doubtful=left.finish()))


def _fetch_wanted(work: Work, name: str, listing: Listing) -> None:
    if held_back(work, fetch_key(name)):
        return
    due = [key for key, at in listing.wanted.items() if at <= work.now][:AT_ONCE]
    if due and _send_fetch(work, name, tuple(due)):
        wanted = listing.wanted.mutate()
        for key in due:
            del wanted[key]
        set_listing(work, name, MirrorKind.CONTACT, replace(listing, wanted=wanted.finish()))


def _send_fetch(work: Work, name: str, keys: tuple[str, ...]) -> bool:
    key = fetch_key(name)
    if held_back(work, key):
        return False
    work.send(
        key,
        lambda i, e, t: Fetch(
            id=i, epoch=e, timeout_s=t, node=name, kind=MirrorKind.CONTACT, keys=keys
        ),
        FETCH_TIMEOUT_S,
    )
    return True


def set_listing(work: Work, name: str, kind: MirrorKind, listing: Listing) -> None:
    """The node with this listing."""
    work.set_node(name, listings=work.node(name).listings.set(kind, listing))
