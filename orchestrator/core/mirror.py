"""What the standby lacks, as commands: level-triggered, from the node that holds the address.

The mirror compares the two nodes' listings and asks for what brings the other node in step with
the one that holds the virtual IP; it turns round when the address moves. It writes nothing while
either side is not known for certain, nothing ever to the holder (but see ``mirroring.pausing``),
and removes only what it once wrote itself (the ledger). Under hold it goes on: it decides nothing
about who is active, and a standby that got cold would make the operator's move a bad one.
"""

from __future__ import annotations

from dataclasses import replace

from immutables import Map

from orchestrator.core.machine.work import Work
from orchestrator.core.mirroring.pausing import pause_across
from orchestrator.core.mirroring.qualifying import look_at_phones
from orchestrator.core.mirroring.reading import compare, fetch
from orchestrator.core.mirroring.sides import kinds_of, readable, source_of
from orchestrator.core.mirroring.writing import write


def keep_mirrored(work: Work) -> None:
    """Ask for what brings the standby in step with the node that holds the address."""
    policy = work.policy.mirror
    pause_across(work)
    if policy is None:
        return
    compare(work, policy)
    source = source_of(work.state, work.policy)
    if not source:
        return
    target = work.policy.other(source)
    _turn_to(work, source, target)
    stale_s = work.policy.stale_s
    if not all(readable(work.node(name), work.now, stale_s) for name in (source, target)):
        return
    if policy.contacts:
        look_at_phones(work, work.node(source), work.node(target))
        fetch(work, work.node(source), work.node(target))
    for kind in kinds_of(policy):
        write(work, kind, source, target)


def _turn_to(work: Work, source: str, target: str) -> None:
    """When the address moved, what was to be done the other way is of no use any more."""
    memory = work.state.mirror
    if (memory.source, memory.target) != (source, target):
        work.set(
            mirror=replace(
                memory, source=source, target=target, backlogs=Map(), doubtful=Map(),
                verified=Map(), pauses=Map(), unlooked=Map(), unlooked_at=None,
            )
        )  # fmt: skip
