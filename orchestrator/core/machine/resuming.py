"""A move that was in progress when the orchestrator stopped: by what the world says now, go on.

Every phase looks at the world and asks for what is missing, so "the same phase again" is safe.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from immutables import Map

from orchestrator.core.failover import end
from orchestrator.core.machine.phases import Ending, Plan, plan_of
from orchestrator.core.machine.work import Work
from orchestrator.core.state import Move
from orchestrator.core.words import Phase


class Where(StrEnum):
    """Where the address stands after the restart."""

    OLD = "on the old active"
    NEW = "on the new active"
    NOWHERE = "nowhere"
    BOTH = "on both"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ResumeRow:
    phases: tuple[Phase, ...]
    where: tuple[Where, ...]
    then: Phase | Ending | None  # None: the same phase again
    sentence: str


P, W = Phase, Where
AFTER_ADDRESS = (P.VERIFYING, P.COMPLETING)

TABLE: tuple[ResumeRow, ...] = (
    ResumeRow(tuple(P), (W.BOTH,), Ending.HELD,
              "both nodes hold the address. Remove it from one by hand, then: failover --to NODE"),
    ResumeRow((P.PREPARING,), tuple(W), Ending.ABORTED,
              "nothing had been changed yet; ask again if it is still wanted"),
    ResumeRow((P.ROLLING_BACK,), tuple(W), None, "it goes on going back to {old}"),
    ResumeRow((P.FENCING,), (W.OLD, W.NOWHERE, W.UNKNOWN), None,
              "{old} is fenced again, from the first method on"),
    ResumeRow((P.FENCING,), (W.NEW,), P.VERIFYING, "{new} has the address already: verify it"),
    ResumeRow((P.MOVING_ADDRESS,), (W.OLD, W.NOWHERE, W.NEW, W.UNKNOWN), None,
              "the address is moved, from where it stands now"),
    ResumeRow(AFTER_ADDRESS, (W.NEW, W.UNKNOWN), None, "{new} has the address: it goes on"),
    ResumeRow(AFTER_ADDRESS, (W.NOWHERE,), P.MOVING_ADDRESS,
              "{new} lost the address meanwhile: it gets it again"),
    ResumeRow(AFTER_ADDRESS, (W.OLD,), P.ROLLING_BACK,
              "{old} has the address again: everything goes back to it"),
)  # fmt: skip

# Phases whose place relative to the address depends on the plan.
MOVABLE: tuple[ResumeRow, ...] = (
    ResumeRow((P.TAKING_TRUNKS, P.RELEASING_TRUNKS, P.REDIRECTING, P.DRAINING),
              (W.OLD, W.UNKNOWN), None, "{old} still has the address: it goes on"),
    ResumeRow((P.TAKING_TRUNKS, P.RELEASING_TRUNKS, P.REDIRECTING, P.DRAINING),
              (W.NOWHERE, W.NEW), P.ROLLING_BACK,
              "the address left {old} before its time: everything goes back to it"),
)  # fmt: skip

MOVED: tuple[ResumeRow, ...] = tuple(
    replace(row, phases=(P.TAKING_TRUNKS, P.RELEASING_TRUNKS, P.DRAINING))
    for row in TABLE
    if row.phases == AFTER_ADDRESS
)


def resume_move(work: Work) -> None:
    """Called once, when learning has ended and the journal remembers a move."""
    move, phase = work.move, work.state.phase_before
    where = locate(work, move)
    rows = (*TABLE, *(MOVED if _address_first(move, phase) else MOVABLE))
    row = next(row for row in rows if phase in row.phases and where in row.where)
    names = {"old": move.from_node, "new": move.to_node}
    sentence = (
        f"the orchestrator was restarted in {phase} of {move.kind} {move.number}, the address"
        f" is {where}: {row.sentence.format(**names)}"
    )
    move = replace(
        move, pending=frozenset(), results=Map(), phase_since=work.now, attempt=1,
        phase_lived_s=work.state.lived_s, retry_lived_s=0.0, touched=True, vouched="",
        promoted=where is W.NEW,
    )  # fmt: skip
    active = work.state.recalled
    work.set(move=move, active=active, active_since=work.now, asked=Map())
    if isinstance(row.then, Ending):
        end(work, row.then, sentence)
        return
    work.note(sentence)
    work.set(phase=row.then or phase, phase_since=work.now)


def locate(work: Work, move: Move) -> Where:
    """Where the address stands, by what the hosts say; what is certain counts as said."""
    old, new = work.node(move.from_node), work.node(move.to_node)
    if old.holds_address and new.holds_address:
        return W.BOTH
    if old.holds_address:
        return W.OLD
    if new.holds_address:
        return W.NEW
    if not old.could_serve and not new.could_serve:
        return W.NOWHERE
    return W.UNKNOWN


def _address_first(move: Move, phase: Phase) -> bool:
    """Whether the plan has moved the address before it comes to this phase."""
    plan = plan_of(move)
    if plan is Plan.FAILOVER:
        return True
    return plan is Plan.OVERLAP and phase is not P.TAKING_TRUNKS
