"""What the target is told: differences in batches, one batch of a kind under way at a time.

A step looks at keys that were told to have changed; everything is looked through only when a
comparison came in. What a write did not change is written again after growing pauses.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from immutables import Map

from orchestrator.core.commands import Mirror, Put
from orchestrator.core.events import Fields
from orchestrator.core.machine.work import Work
from orchestrator.core.mirroring.memory import (
    LONGEST_ITEM_PAUSE_S,
    SETTLE_S,
    Backlog,
    MirrorMemory,
)
from orchestrator.core.mirroring.reading import (
    awaited,
    compare_key,
    held_back,
    set_listing,
)
from orchestrator.core.mirroring.sides import sides_of
from orchestrator.core.mirroring.wishes import Need, Sides, same_call
from orchestrator.core.picture.listed import SAME_EXPIRY_S, expiry_of
from orchestrator.core.state import Listing, Node
from orchestrator.core.words import MirrorKind

AT_ONCE = 200
MIRROR_TIMEOUT_S = 15.0
# More than this at once is more likely a source that lost its data than people who left.
FEW_REMOVALS = 10
MANY_REMOVALS_SHARE = 0.2
GUARD_S = 60.0  # lived seconds for which many removals must stand
SAME_STORE_SHARE = 0.9  # of the contacts must be one and the same on both nodes


def mirror_key(kind: MirrorKind, node: str) -> str:
    return f"mirror: write {kind} on {node}"


def write(work: Work, kind: MirrorKind, source: str, target: str) -> None:
    """Bring one kind in step on the target; nothing while either side is not known in full."""
    here, there = work.node(source), work.node(target)
    ours, theirs = here.listing(kind), there.listing(kind)
    if ours.at is None or theirs.at is None:
        return
    backlog = work.state.mirror.backlog(kind)
    if backlog.looked != (ours.at, theirs.at):
        if any(awaited(work, compare_key(kind, name)) for name in (source, target)):
            return  # the other one's list is on its way
        backlog = _look_through(work, kind, here, there)
    elif ours.changed or theirs.changed:
        backlog = replace(backlog, todo=backlog.todo.update(ours.changed).update(theirs.changed))
    backlog = _come_due(backlog, work.now)
    _looked_at(work, kind, here, there)
    if kind is MirrorKind.CONTACT and work.state.mirror.shared:
        backlog = Backlog(looked=backlog.looked)
    set_backlog(work, kind, backlog)
    if _has_work(backlog, work.state.lived_s) and not held_back(work, mirror_key(kind, target)):
        _send(work, kind, work.node(source), work.node(target))


def _has_work(backlog: Backlog, lived_s: float) -> bool:
    since = backlog.guarded_lived_s
    removes = backlog.removals and (since is None or lived_s - since >= GUARD_S)
    return bool(backlog.todo or removes)


def set_backlog(work: Work, kind: MirrorKind, backlog: Backlog) -> None:
    memory = work.state.mirror
    if memory.backlogs.get(kind) is not backlog:
        work.set(mirror=replace(memory, backlogs=memory.backlogs.set(kind, backlog)))


def _looked_at(work: Work, kind: MirrorKind, here: Node, there: Node) -> None:
    for node in (here, there):
        listing = node.listing(kind)
        if listing.changed:
            set_listing(work, node.name, kind, replace(listing, changed=Map()))


# --- what differs


def _look_through(work: Work, kind: MirrorKind, source: Node, target: Node) -> Backlog:
    """Judge everything there is."""
    ours, theirs = source.listing(kind), target.listing(kind)
    assert ours.at is not None and theirs.at is not None
    if kind is MirrorKind.CONTACT:
        shared = _same_store(work.state.mirror, ours, theirs)
        if shared is not work.state.mirror.shared:
            work.set(mirror=replace(work.state.mirror, shared=shared))
    sides = sides_of(work, kind, source, target)
    needs = {key: sides.judge(key) for key in {**sides.source, **sides.ledger}}
    todo = {key: True for key, need in needs.items() if need not in (Need.NOTHING, Need.REMOVE)}
    removals = {key: True for key, need in needs.items() if need is Need.REMOVE}
    backlog = work.state.mirror.backlog(kind)
    return replace(
        backlog,
        looked=(ours.at, theirs.at),
        todo=Map(todo),
        removals=Map(removals),
        # fewer than when the doubt arose: it is over
        guarded_lived_s=(
            backlog.guarded_lived_s if suspicious(len(removals), len(sides.ledger)) else None
        ),
    )


def _same_store(memory: MirrorMemory, ours: Listing, theirs: Listing) -> bool:
    """Whether both lists show one store, such as one realtime database, that we never wrote to."""
    if memory.mirrored(MirrorKind.CONTACT) or not ours.items:
        return False
    same = 0
    for key, fields in ours.items.items():
        other = theirs.items.get(key)
        same += other is not None and same_call(fields, other) and _ends_alike(fields, other)
    return same >= SAME_STORE_SHARE * max(len(ours.items), len(theirs.items))


def _ends_alike(one: Fields, other: Fields) -> bool:
    first, second = expiry_of(one) or 0.0, expiry_of(other) or 0.0
    return abs(first - second) <= SAME_EXPIRY_S


def _come_due(backlog: Backlog, now: float) -> Backlog:
    if now < backlog.later_at:
        return backlog
    todo, later, earliest = backlog.todo, backlog.later.mutate(), float("inf")
    for key, at in backlog.later.items():
        if at <= now:
            del later[key]
            todo = todo.set(key, True)
        else:
            earliest = min(earliest, at)
    return replace(backlog, todo=todo, later=later.finish(), later_at=earliest)


# --- one batch


@dataclass
class _Batch:
    """What is put together for one command."""

    puts: list[Put] = field(default_factory=list)
    removals: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    ours: list[str] = field(default_factory=list)  # puts that are ours to remove one day


def _send(work: Work, kind: MirrorKind, source: Node, target: Node) -> None:
    sides = sides_of(work, kind, source, target)
    batch = _Batch()
    backlog = _pick(work.state.mirror.backlog(kind), sides, batch)
    backlog = _pick_removals(backlog, sides, batch, work.state.lived_s)
    memory = work.state.mirror
    known = sides.ledger.mutate()
    verified, doubtful = memory.verified, memory.doubtful
    for key in batch.ours:
        known[key] = True
        if key in verified:
            verified = verified.delete(key)
    for key in batch.forgotten:
        del known[key]
    for key in batch.doubtful:
        doubtful = doubtful.set(key, True)
    ledger = memory.ledger
    if batch.forgotten or any(key not in sides.ledger for key in batch.ours):
        ledger = ledger.set(kind, known.finish())
    work.set(
        mirror=replace(
            memory, ledger=ledger, verified=verified, doubtful=doubtful,
            backlogs=memory.backlogs.set(kind, backlog),
        )
    )  # fmt: skip
    if batch.puts or batch.removals:
        work.send(
            mirror_key(kind, target.name),
            lambda i, e, t: Mirror(
                id=i, epoch=e, timeout_s=t, node=target.name, kind=kind,
                puts=tuple(batch.puts), removals=tuple(batch.removals),
            ),
            MIRROR_TIMEOUT_S,
        )  # fmt: skip


def _pick(backlog: Backlog, sides: Sides, batch: _Batch) -> Backlog:
    """Judge what is to be done, up to a full batch."""
    todo, removals = backlog.todo.mutate(), backlog.removals
    tries, failures, later = backlog.tries, backlog.failures, backlog.later
    for key in backlog.todo:
        if len(batch.puts) + len(batch.doubtful) >= AT_ONCE:
            break
        del todo[key]
        if key in later and tries.get(key, 0) > 1:
            continue  # its pause is not over
        need = sides.judge(key)
        if need is Need.PUT:
            fresh = key not in sides.ledger and key not in sides.verified
            batch.puts.append(Put(key, sides.wish(key), fresh))
            if sides.came_from_mirror(key):
                batch.ours.append(key)
        elif need is Need.REMOVE:
            removals = removals.set(key, True)
        elif need is Need.VERIFY:
            batch.doubtful.append(key)
        elif need is Need.FORGET:
            batch.forgotten.append(key)
        if need in (Need.NOTHING, Need.FORGET):
            tries = tries.delete(key) if key in tries else tries
            failures = failures.delete(key) if key in failures else failures
            later = later.delete(key) if key in later else later
    return replace(
        backlog, todo=todo.finish(), removals=removals, tries=tries, failures=failures, later=later
    )


def _pick_removals(backlog: Backlog, sides: Sides, batch: _Batch, lived_s: float) -> Backlog:
    """Removals that are few, or that stood long enough."""
    removals = backlog.removals
    for key in backlog.removals:  # what came back meanwhile stays
        if sides.judge(key) is not Need.REMOVE:
            removals = removals.delete(key)
    since = backlog.guarded_lived_s
    if suspicious(len(removals), len(sides.ledger)):
        since = lived_s if since is None else since
        if lived_s - since < GUARD_S:
            return replace(backlog, removals=removals, guarded_lived_s=since)
    batch.removals.extend(list(removals)[: AT_ONCE - len(batch.puts)])
    for key in batch.removals:
        removals = removals.delete(key)
    return replace(backlog, removals=removals, guarded_lived_s=since if removals else None)


def suspicious(removals: int, mirrored: int) -> bool:
    """Whether so many removals at once are rather a fault of the source."""
    return removals > max(FEW_REMOVALS, MANY_REMOVALS_SHARE * mirrored)


# --- what became of it


def after_failures(backlog: Backlog, failed: dict[str, str], now: float) -> Backlog:
    """Each thing that was not taken is tried again, later each time."""
    tries, later, failures = backlog.tries, backlog.later, backlog.failures
    earliest = backlog.later_at
    for key, why in failed.items():
        count = max(tries.get(key, 0) + 1, 2)
        at = now + min(2.0 ** (count - 1), LONGEST_ITEM_PAUSE_S)
        tries, later, failures = tries.set(key, count), later.set(key, at), failures.set(key, why)
        earliest = min(earliest, at)
    return replace(backlog, tries=tries, later=later, failures=failures, later_at=earliest)


def after_writes(backlog: Backlog, keys: list[str], now: float) -> Backlog:
    """What only an event of the node confirms is looked at again a moment later."""
    tries, later, earliest = backlog.tries, backlog.later, backlog.later_at
    for key in keys:
        count = tries.get(key, 0) + 1
        at = now + min(SETTLE_S * 2.0 ** (count - 1), LONGEST_ITEM_PAUSE_S)
        tries, later = tries.set(key, count), later.set(key, at)
        earliest = min(earliest, at)
    return replace(backlog, tries=tries, later=later, later_at=earliest)
