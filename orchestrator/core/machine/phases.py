"""Every way a move can go, as one table. ``docs/failover.md`` and its diagram are made from it.

A row says: in this plan and phase, when this comes out, go there, and this is what the operator
reads. What has no row is not possible: the machine does not react to it in that phase.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.core.state import Move
from orchestrator.core.words import DrainMode, MoveKind, Phase


class Plan(StrEnum):
    """The order of phases that a move follows."""

    UNDECIDED = "undecided"  # planned; the test call's Contact has not told the mode yet
    OVERLAP = "overlap"
    DRAIN_FIRST = "drain-first"
    FAILOVER = "failover"


class Result(StrEnum):
    """How a phase can come out."""

    DONE = "done"
    FAILED = "failed"  # a step failed, gave no result in time, or the phase took too long
    ABORT = "abort"  # the operator, or the drain's deadline with policy abort
    FROM_LOST = "old active lost"  # its verdict became dead, hung or unreachable
    TO_LOST = "new active lost"


class Ending(StrEnum):
    """How a move ends; ``MoveReport.outcome``."""

    ACTIVE = "active"
    ROLLED_BACK = "rolled-back"
    ABORTED = "aborted"  # before anything was changed
    HELD = "held"  # a human is called; nothing automatic until released


@dataclass(frozen=True, slots=True)
class Row:
    plans: tuple[Plan, ...]
    phase: Phase
    result: Result
    then: Phase | Ending
    sentence: str  # {old}: the node we come from, {new}: the node we go to, {why}


WORK: dict[Phase, str] = {
    Phase.PREPARING: "check the readiness of {new}; find out the mode by a test call's Contact",
    Phase.TAKING_TRUNKS: "{new} registers the trunks",
    Phase.REDIRECTING: "raise the drain flag on {old}: its dialplan sends new calls to {new}",
    Phase.DRAINING: "wait until the calls on {old} have ended, or carry them over to {new} where"
    " that was asked for; hang up stuck channels",
    Phase.FENCING: "make certain that {old} can serve nothing",
    Phase.MOVING_ADDRESS: "take the address from {old}, checked; then {new} adds it (new epoch)",
    Phase.RELEASING_TRUNKS: "{old} unregisters the trunks",
    Phase.VERIFYING: "OPTIONS and a test call to the service address must be answered",
    Phase.COMPLETING: "{new} is active; flags on {old} are lifted, hooks are run",
    Phase.ROLLING_BACK: "take the address from {new}, checked; {old} adds it, takes the trunks",
}

OVER, DRAIN, FAIL = (Plan.OVERLAP,), (Plan.DRAIN_FIRST,), (Plan.FAILOVER,)
PLANNED = (Plan.OVERLAP, Plan.DRAIN_FIRST)
BEGUN = (Plan.UNDECIDED, Plan.OVERLAP, Plan.DRAIN_FIRST)
ALL = (Plan.OVERLAP, Plan.DRAIN_FIRST, Plan.FAILOVER)
P, R, E = Phase, Result, Ending

TABLE: tuple[Row, ...] = (
    # --- planned: preparing
    Row(PLANNED, P.PREPARING, R.DONE, P.TAKING_TRUNKS,
        "{new} is ready: it takes the trunks first, so that no call from outside is refused"),
    Row(BEGUN, P.PREPARING, R.FAILED, E.ABORTED, "not begun, nothing was changed: {why}"),
    Row(BEGUN, P.PREPARING, R.ABORT, E.ABORTED, "aborted before anything was changed: {why}"),
    Row(BEGUN, P.PREPARING, R.FROM_LOST, P.FENCING,
        "{old} was lost before the move began ({why}): it becomes a failover to {new}"),
    Row(BEGUN, P.PREPARING, R.TO_LOST, E.ABORTED, "not begun, nothing was changed: {why}"),
    # --- planned: taking trunks
    Row(OVER, P.TAKING_TRUNKS, R.DONE, P.MOVING_ADDRESS,
        "{new} has the trunks: now the address moves, so that everything new lands there"),
    Row(DRAIN, P.TAKING_TRUNKS, R.DONE, P.RELEASING_TRUNKS,
        "{new} has the trunks: now {old} lets them go"),
    Row(PLANNED, P.TAKING_TRUNKS, R.FAILED, P.ROLLING_BACK,
        "{new} could not take the trunks ({why}): everything goes back to {old}"),
    Row(PLANNED, P.TAKING_TRUNKS, R.ABORT, P.ROLLING_BACK, "aborted ({why}): back to {old}"),
    Row(PLANNED, P.TAKING_TRUNKS, R.FROM_LOST, P.FENCING,
        "{old} was lost ({why}): the move becomes a failover to {new}"),
    Row(PLANNED, P.TAKING_TRUNKS, R.TO_LOST, P.ROLLING_BACK,
        "{new} was lost ({why}): everything goes back to {old}"),
    # --- moving the address
    Row(OVER, P.MOVING_ADDRESS, R.DONE, P.RELEASING_TRUNKS,
        "{new} has the address: every new call lands there; {old} keeps the calls it has"),
    Row(DRAIN, P.MOVING_ADDRESS, R.DONE, P.VERIFYING,
        "{new} has the address: a test call must show that it serves"),
    Row(FAIL, P.MOVING_ADDRESS, R.DONE, P.VERIFYING,
        "{new} has the address: a test call must show that it serves"),
    Row(ALL, P.MOVING_ADDRESS, R.FAILED, P.ROLLING_BACK,
        "the address could not be moved to {new} ({why}): back to {old} if it is well"),
    Row(ALL, P.MOVING_ADDRESS, R.ABORT, P.ROLLING_BACK, "aborted ({why}): back to {old}"),
    Row(PLANNED, P.MOVING_ADDRESS, R.FROM_LOST, P.FENCING,
        "{old} was lost while the address moved ({why}): the move becomes a failover to {new}"),
    Row(ALL, P.MOVING_ADDRESS, R.TO_LOST, P.ROLLING_BACK,
        "{new} was lost while the address moved ({why}): back to {old} if it is well"),
    # --- planned: releasing trunks
    Row(OVER, P.RELEASING_TRUNKS, R.DONE, P.VERIFYING,
        "{old} has let the trunks go: a test call must show that {new} serves"),
    Row(OVER, P.RELEASING_TRUNKS, R.FAILED, P.VERIFYING,
        "{old} did not let a trunk go ({why}): it is asked again later; the move goes on"),
    Row(OVER, P.RELEASING_TRUNKS, R.FROM_LOST, P.VERIFYING,
        "{old} was lost ({why}): it needs no releasing; {new} has the address already"),
    Row(DRAIN, P.RELEASING_TRUNKS, R.DONE, P.REDIRECTING,
        "{old} has let the trunks go: now its phones' new calls are sent to {new}"),
    Row(DRAIN, P.RELEASING_TRUNKS, R.FAILED, P.ROLLING_BACK,
        "{old} did not let a trunk go ({why}): it would go on taking calls; back to {old}"),
    Row(DRAIN, P.RELEASING_TRUNKS, R.FROM_LOST, P.FENCING,
        "{old} was lost ({why}): the move becomes a failover to {new}"),
    Row(PLANNED, P.RELEASING_TRUNKS, R.ABORT, P.ROLLING_BACK, "aborted ({why}): back to {old}"),
    Row(PLANNED, P.RELEASING_TRUNKS, R.TO_LOST, P.ROLLING_BACK,
        "{new} was lost ({why}): everything goes back to {old}"),
    # --- drain-first: redirecting
    Row(DRAIN, P.REDIRECTING, R.DONE, P.DRAINING,
        "new calls go to {new}: {old} is left alone until its calls have ended"),
    Row(DRAIN, P.REDIRECTING, R.FAILED, P.ROLLING_BACK,
        "{old} cannot be told to redirect new calls ({why}): everything goes back to {old}"),
    Row(DRAIN, P.REDIRECTING, R.ABORT, P.ROLLING_BACK, "aborted ({why}): back to {old}"),
    Row(DRAIN, P.REDIRECTING, R.FROM_LOST, P.FENCING,
        "{old} was lost ({why}): the move becomes a failover to {new}"),
    Row(DRAIN, P.REDIRECTING, R.TO_LOST, P.ROLLING_BACK,
        "{new} was lost ({why}): everything goes back to {old}"),
    # --- draining
    Row(OVER, P.DRAINING, R.DONE, P.COMPLETING, "{old} is drained ({why}): the move is completed"),
    Row(OVER, P.DRAINING, R.FROM_LOST, P.COMPLETING,
        "{old} was lost with its last calls ({why}): {new} serves already, it is completed"),
    Row(DRAIN, P.DRAINING, R.DONE, P.MOVING_ADDRESS, "{old} is drained ({why}): the address moves"),
    Row(DRAIN, P.DRAINING, R.FROM_LOST, P.FENCING,
        "{old} was lost while draining ({why}): the move becomes a failover to {new}"),
    Row(PLANNED, P.DRAINING, R.ABORT, P.ROLLING_BACK, "drain aborted ({why}): back to {old}"),
    Row(PLANNED, P.DRAINING, R.TO_LOST, P.ROLLING_BACK,
        "{new} was lost while {old} drained ({why}): everything goes back to {old}"),
    # --- failover: fencing
    Row(FAIL, P.FENCING, R.DONE, P.MOVING_ADDRESS,
        "{old} certainly serves nothing ({why}): {new} takes the address and the trunks"),
    Row(FAIL, P.FENCING, R.FAILED, E.HELD,
        "not promoted: it is not certain that {old} serves nothing ({why}), and two active"
        " nodes would be worse. Make certain that {old} is off, then: failover --force"),
    Row(FAIL, P.FENCING, R.ABORT, P.ROLLING_BACK, "aborted ({why}): back to {old}"),
    Row(FAIL, P.FENCING, R.TO_LOST, P.ROLLING_BACK,
        "{new} was lost before it was promoted ({why}): back to {old} if it is well"),
    # --- verifying
    Row(OVER, P.VERIFYING, R.DONE, P.DRAINING,
        "{new} serves ({why}): now the calls on {old} may end in peace"),
    Row(OVER, P.VERIFYING, R.FROM_LOST, P.COMPLETING,
        "{old} was lost with its last calls ({why}): {new} has the address, it is completed"),
    Row(DRAIN, P.VERIFYING, R.DONE, P.COMPLETING, "{new} serves ({why}): the move is completed"),
    Row(FAIL, P.VERIFYING, R.DONE, P.TAKING_TRUNKS,
        "{new} serves ({why}): the trunks' registrations are awaited"),
    Row(ALL, P.VERIFYING, R.FAILED, P.ROLLING_BACK,
        "{new} has the address but does not serve ({why}): back to {old} if it is well"),
    Row(ALL, P.VERIFYING, R.ABORT, P.ROLLING_BACK, "aborted ({why}): back to {old}"),
    Row(ALL, P.VERIFYING, R.TO_LOST, P.ROLLING_BACK,
        "{new} was lost ({why}): back to {old} if it is well"),
    # --- failover: the trunks do not delay the address
    Row(FAIL, P.TAKING_TRUNKS, R.DONE, P.COMPLETING, "{new} has the trunks: it is completed"),
    Row(FAIL, P.TAKING_TRUNKS, R.FAILED, P.COMPLETING,
        "{new} serves, but a trunk is not registered yet ({why}): it is tried again"),
    Row(FAIL, P.TAKING_TRUNKS, R.TO_LOST, P.ROLLING_BACK,
        "{new} was lost ({why}): back to {old} if it is well"),
    # --- completing
    Row(ALL, P.COMPLETING, R.DONE, E.ACTIVE, "{new} is active"),
    Row(ALL, P.COMPLETING, R.FAILED, E.ACTIVE, "{new} is active, but not all was tidied: {why}"),
    Row(ALL, P.COMPLETING, R.TO_LOST, E.ACTIVE, "{new} is active, and was lost just now: {why}"),
    # --- rolling back
    Row(ALL, P.ROLLING_BACK, R.DONE, E.ROLLED_BACK, "everything is back on {old}: it is active"),
    Row(ALL, P.ROLLING_BACK, R.FROM_LOST, P.FENCING,
        "{old} was lost on the way back ({why}): forward again, as a failover to {new}"),
    Row(ALL, P.ROLLING_BACK, R.FAILED, E.HELD,
        "could not go back to {old} ({why}). Bring one node to health, then: failover --to NODE"
        " (--force when it is certain that the other one is off)"),
)  # fmt: skip

_INDEX = {(plan, row.phase, row.result): row for row in TABLE for plan in row.plans}


def plan_of(move: Move) -> Plan:
    """Which order of phases the move follows."""
    if move.kind is MoveKind.FAILOVER:
        return Plan.FAILOVER
    if move.mode is None:
        return Plan.UNDECIDED
    return Plan.OVERLAP if move.mode is DrainMode.OVERLAP else Plan.DRAIN_FIRST


def row_for(plan: Plan, phase: Phase, result: Result) -> Row | None:
    """The row, or None: this plan does not react to that result in that phase."""
    return _INDEX.get((plan, phase, result))
