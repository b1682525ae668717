"""After a start nothing is decided until the world was heard; then the evidence says who is active.

Evidence: who holds the address, where the trunks are registered, what the journal remembers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.core.failover import call_human
from orchestrator.core.machine.resuming import resume_move
from orchestrator.core.machine.service import trunk_status
from orchestrator.core.machine.work import Work
from orchestrator.core.words import Observer, Outcome, Phase, RegistrationStatus, Severity

WAITING = "learning: waiting for"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found. Names of nodes; empty: none or not exactly one."""

    holders: tuple[str, ...]  # their hosts say they hold the address
    unasked: tuple[str, ...]  # hosts that could not be asked
    journal: str
    trunks: str  # the only node with trunks registered
    preferred: str  # configured, and healthy now
    heard: bool  # at least one observer of one node was answered


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    when: Callable[[Evidence], bool]
    active: Callable[[Evidence], str]  # empty: not decided
    hold: bool
    sentence: str  # {holders}, {unasked}, {journal}, {trunks}, {active}


def _nobody(_: Evidence) -> str:
    return ""


def _journal(found: Evidence) -> str:
    return found.journal


def _holder(found: Evidence) -> str:
    return found.holders[0]


TABLE: tuple[EvidenceRow, ...] = (
    EvidenceRow(
        lambda e: len(e.holders) == 2 and bool(e.journal), _journal, False,
        "both nodes hold the address; the journal says {journal} is active: the other gives it up",
    ),
    EvidenceRow(
        lambda e: len(e.holders) == 2, _nobody, True,
        "both nodes hold the address and the journal does not say who is active. Remove it from"
        " one of them by hand",
    ),
    EvidenceRow(
        lambda e: len(e.holders) == 1 and e.journal in ("", e.holders[0]), _holder, False,
        "{active} holds the address: it is active",
    ),
    EvidenceRow(
        lambda e: len(e.holders) == 1, _nobody, True,
        "{holders} holds the address but the journal says {journal} is active: somebody moved it"
        " while the orchestrator was away. If {holders} is right: failover --to {holders}",
    ),
    EvidenceRow(
        lambda e: bool(e.journal), _journal, False,
        "no host says that it holds the address; the journal says {journal} is active",
    ),
    EvidenceRow(
        lambda e: bool(e.trunks), lambda e: e.trunks, False,
        "no host says that it holds the address; the trunks are registered on {trunks} only:"
        " it is active",
    ),
    EvidenceRow(
        lambda e: not e.unasked and bool(e.preferred), lambda e: e.preferred, False,
        "nobody holds the address and nothing is remembered: the preferred node {active} gets it",
    ),
    EvidenceRow(
        lambda e: e.heard, _nobody, True,
        "nobody is known to hold the address (could not ask: {unasked}) and nothing is remembered."
        " Choose: failover --to NODE",
    ),
)  # fmt: skip


def learn(work: Work) -> None:
    """Leave the learning phase once enough is known; called in each step of it."""
    state = work.state
    lacking = unheard(work)
    if lacking and state.lived_s - state.learning_lived_s < work.policy.learning_s:
        work.set(notes=(f"{WAITING} {', '.join(lacking)}",))
        return
    if lacking:
        work.note(f"learning: not heard within {work.policy.learning_s:g} s: {', '.join(lacking)}")
    if state.move is not None:
        resume_move(work)
        return
    found = evidence(work)
    row = next((row for row in TABLE if row.when(found)), None)
    if row is None:
        work.set(notes=("learning: nothing at all was heard of either node; waiting",))
        return
    active = row.active(found)
    sentence = row.sentence.format(
        active=active, journal=found.journal, trunks=found.trunks,
        holders=" and ".join(found.holders), unasked=", ".join(found.unasked) or "none",
    )  # fmt: skip
    work.set(phase=Phase.STEADY, phase_since=work.now, active=active, active_since=work.now)
    work.note(sentence)
    if row.hold:
        call_human(work, sentence)
    else:
        severity = Severity.INFO if found.holders == (active,) else Severity.WARNING
        work.tell(severity, f"{active} is active", sentence)


def unheard(work: Work) -> list[str]:
    """Configured sources that have not spoken yet, in words."""
    lacking: list[str] = []
    for node in work.policy.nodes:
        picture = work.node(node.name)
        observers = [Observer.AMI, Observer.SIP]
        observers += [Observer.ARI] if node.has_ari else []
        observers += [Observer.HOST] if node.has_host else []
        for observer in observers:
            look = picture.observations.get(observer)
            if look is None or look.outcome is Outcome.SILENT:
                lacking.append(f"{observer} of {node.name}")
        ami = picture.observations.get(Observer.AMI)
        if ami is not None and ami.outcome is Outcome.ANSWERS and not picture.in_sync:
            lacking.append(f"the snapshot of {node.name}")
        if node.has_host and picture.holds_address is None:
            lacking.append(f"the address on {node.name}")
    return lacking


def evidence(work: Work) -> Evidence:
    """The world as far as it can be asked."""
    names = [node.name for node in work.policy.nodes]
    nodes = [work.node(name) for name in names]
    registered = [
        node.name
        for node in nodes
        if any(
            trunk_status(node, trunk) is RegistrationStatus.REGISTERED
            for trunk in work.policy.trunks
        )
    ]
    preferred = work.policy.preferred
    return Evidence(
        holders=tuple(node.name for node in nodes if node.holds_address),
        unasked=tuple(node.name for node in nodes if node.holds_address is None),
        journal=work.state.recalled,
        trunks=registered[0] if len(registered) == 1 else "",
        preferred=preferred if preferred and work.well(preferred) else "",
        heard=any(
            look.answered_lived_s is not None
            for node in nodes
            for look in node.observations.values()
        ),
    )
