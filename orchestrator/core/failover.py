"""The machine: begins moves, drives them through the table (machine/phases.py), and ends them.

It refuses what is not safe, whoever asks, and says why. Rules decide whether; this decides how.
"""

from __future__ import annotations

from dataclasses import replace

from immutables import Map

from orchestrator.core import evacuation
from orchestrator.core.events import MoveRequested
from orchestrator.core.machine.drain import calls_on
from orchestrator.core.machine.dry_run import would_ask
from orchestrator.core.machine.gates import by_a_rule, flapping, refusal, target_of
from orchestrator.core.machine.moves import PHASES, fate
from orchestrator.core.machine.phases import Ending, Result, Row, plan_of, row_for
from orchestrator.core.machine.work import Outcome, Work
from orchestrator.core.state import Hold, Move, MoveReport, Waiting
from orchestrator.core.words import MoveKind, Phase, Severity, Verdict

PASSES = 24  # transitions in one step; the longest plan has nine phases
MAX_TURNS = 3  # forward, back and forward again; then a human decides
HISTORY_KEPT = 50


def begin(work: Work, request: MoveRequested) -> tuple[bool, str]:
    """Start the move, or say why not. A rule's failover that must wait is kept and tried again.

    In a dry run it is never started: the sentence, which is noted, says what would come of it.
    """
    automatic = by_a_rule(request.by)
    why = refusal(work, request, automatic)
    if not why and automatic and (why := flapping(work)):
        call_human(work, f"{request.by} asked for a {request.kind} ({request.reason}), but {why}")
    if why:
        waits = automatic and request.kind is MoveKind.FAILOVER and bool(work.state.active)
        if waits:
            _keep(work, request, why)
        if work.policy.dry_run:
            then = "wait, and begin as soon as it may" if waits else "be refused"
            return False, would_ask(work, request, f"{then}: {why}")
        return False, f"{request.kind} not begun: {why}"
    state, new = work.state, target_of(work, request)
    old = work.policy.other(new)
    if work.policy.dry_run:
        work.set(waiting=None)
        return False, would_ask(work, request, f"begin, from {old} to {new}")
    failover = request.kind is MoveKind.FAILOVER
    first = Phase.FENCING if failover else Phase.PREPARING
    at_most = work.policy.drain_deadline_s if request.at_most_s is None else request.at_most_s
    move = Move(
        number=state.next_move,
        kind=request.kind,
        from_node=old,
        to_node=new,
        by=request.by,
        reason=request.reason,
        started_at=work.now,
        phase_since=work.now,
        mode=None if failover else work.policy.drain_mode,
        deadline_at=None if failover else work.now + at_most,
        at_deadline=work.policy.at_deadline,
        calls_at_start=calls_on(work.node(old)),
        phase_lived_s=state.lived_s,
        force=request.force,
        evacuate=request.evacuate and not failover,
    )
    work.set(
        move=move, phase=first, phase_since=work.now, next_move=move.number + 1,
        asked=Map(), waiting=None,
    )  # fmt: skip
    sentence = f"{move.kind} {move.number} from {old} to {new} begun by {move.by}"
    if move.reason:
        sentence += f": {move.reason}"
    work.note(sentence)
    severity = Severity.CRITICAL if failover else Severity.INFO
    work.tell(severity, f"{move.kind} to {new} begun", sentence)
    return True, sentence


def run(work: Work) -> None:
    """Go on until nothing more can happen in this step."""
    for _ in range(PASSES):
        if work.state.move is None:
            return
        evacuation.follow_on(work)
        row, why = _next(work)
        if row is None:
            return
        _follow(work, row, why)


def retry_waiting(work: Work) -> None:
    """Begin a rule's failover that had to wait, or drop it when it is not needed any more."""
    waiting = work.state.waiting
    if waiting is None or work.state.move is not None:
        return
    if work.state.active != waiting.from_node:
        work.set(waiting=None)
    elif work.node(waiting.from_node).verdict is Verdict.HEALTHY:
        work.note(f"{waiting.from_node} is well again: the waiting failover is dropped")
        work.set(waiting=None)
    elif not refusal(work, waiting.request, True):
        begin(work, waiting.request)


def abort(work: Work, by: str) -> tuple[bool, str]:
    """Turn the move in progress back, where that has a meaning; else say why it has none."""
    move, phase = work.state.move, work.state.phase
    if move is None:
        return False, "nothing to abort: no move is in progress"
    if phase is Phase.ROLLING_BACK:
        return False, f"already going back to {move.from_node}; wait until it has ended"
    row = row_for(plan_of(move), phase, Result.ABORT)
    if row is None:
        return False, (
            f"too late: {move.to_node} is active already and only tidying is left;"
            f" ask for a switchover to {move.from_node} instead"
        )
    if row.then is Phase.ROLLING_BACK and not work.well(move.from_node):
        return False, (
            f"cannot go back: {move.from_node} is {work.node(move.from_node).verdict};"
            f" the move to {move.to_node} goes on"
        )
    work.set_move(aborting=by)
    return True, f"{move.kind} {move.number} is aborted: going back to {move.from_node}"


def extend(work: Work, by: str, seconds: float) -> tuple[bool, str]:
    """Give the drain more time."""
    move = work.state.move
    if move is None or move.deadline_at is None:
        return False, "nothing to extend: no drain is in progress"
    until = max(move.deadline_at, work.now) + seconds
    work.set_move(deadline_at=until, warned_at=None)
    return True, f"{by} gave the drain {seconds:g} s more: {until - work.now:.0f} s from now"


def call_human(work: Work, reason: str) -> None:
    """Stop everything automatic and say so to people; released by an operator."""
    if work.policy.dry_run:
        work.note(f"dry run: would hold everything and call a human: {reason}")
        return
    work.set(hold=Hold(by="machine", reason=reason, since=work.now))
    work.note(f"held: {reason}")
    work.tell(Severity.CRITICAL, "held: a human is needed", f"{reason}. Then: release.")


def _next(work: Work) -> tuple[Row | None, str]:
    """The row that applies now, if any: first what happened around it, then its own outcome."""
    plan, phase = plan_of(work.move), work.state.phase
    for result, why in fate(work):
        row = row_for(plan, phase, result)
        if row is not None:
            return row, why
    outcome: Outcome = PHASES[phase](work)
    if outcome is None:
        return None, ""
    row = row_for(plan_of(work.move), phase, outcome[0])
    return row, outcome[1]


def _follow(work: Work, row: Row, why: str) -> None:
    move = work.move
    sentence = row.sentence.format(old=move.from_node, new=move.to_node, why=why or "done")
    turning = row.then is Phase.ROLLING_BACK or (row.then is Phase.FENCING)
    if turning and not _may_turn(work, row):
        sentence += f"; and {move.from_node} is not well either"
        end(work, Ending.HELD, f"{sentence}. Bring one node to health, then: failover --to NODE")
    elif isinstance(row.then, Ending):
        end(work, row.then, sentence)
    else:
        _enter(work, row.then, sentence, turning)


def _may_turn(work: Work, row: Row) -> bool:
    """A move changes direction a few times at most, and not towards a node that is lost."""
    target = work.move.from_node if row.then is Phase.ROLLING_BACK else work.move.to_node
    return work.move.turns < MAX_TURNS and not work.lost(target)


def _enter(work: Work, phase: Phase, sentence: str, turning: bool) -> None:
    move = work.move
    work.note(sentence)
    move = replace(
        move, phase_since=work.now, phase_lived_s=work.state.lived_s, attempt=1,
        retry_lived_s=0.0,
    )  # fmt: skip
    if turning:
        kind = MoveKind.FAILOVER if phase is Phase.FENCING else move.kind
        move = replace(
            move, kind=kind, turns=move.turns + 1, pending=frozenset(), results=Map(),
            vouched="", turned=sentence, aborting="" if phase is Phase.FENCING else move.aborting,
        )  # fmt: skip
    elif phase is Phase.DRAINING:
        move = replace(move, calls_at_start=calls_on(work.node(move.from_node)))
    work.set(move=move, phase=phase, phase_since=work.now)


def end(work: Work, ending: Ending, sentence: str) -> None:
    """Write the move into the history and tell people; held ends call a human."""
    evacuation.break_off(work)
    move, active = work.move, work.state.active
    if ending is Ending.ROLLED_BACK:
        active = move.from_node
    elif ending is Ending.HELD:
        active = move.to_node if move.promoted else move.from_node
    if ending is Ending.ROLLED_BACK and move.turned:
        sentence = f"{move.turned}; {sentence}"
    calls = evacuation.summary(move)
    if calls:
        sentence += f"; {calls}"
    fared = evacuation.tally(move)
    outcome = Ending.ABORTED if ending is Ending.ROLLED_BACK and move.aborting else ending
    report = MoveReport(
        number=move.number, kind=move.kind, from_node=move.from_node, to_node=move.to_node,
        by=move.by, reason=move.reason, started_at=move.started_at, ended_at=work.now,
        outcome=str(outcome), sentence=sentence, cut=move.cut, carried=fared.carried,
        linked=fared.linked, stayed=fared.stayed, lost=fared.lost,
    )  # fmt: skip
    since = work.state.active_since if active == work.state.active else work.now
    work.set(
        move=None, phase=Phase.STEADY, phase_since=work.now, active=active, active_since=since,
        history=(*work.state.history, report)[-HISTORY_KEPT:], asked=Map(), upkeep=Map(),
    )  # fmt: skip
    work.note(sentence)
    if ending is Ending.HELD:
        call_human(work, sentence)
        return
    title = f"{move.kind} to {move.to_node}: {outcome}"
    took = f"{sentence} (after {work.now - move.started_at:.2f} s)"
    cut = f"; cut off: {'; '.join(move.cut)}" if move.cut else ""
    good = ending is Ending.ACTIVE and not cut and not fared.lost
    work.tell(Severity.INFO if good else Severity.WARNING, title, took + cut)


def _keep(work: Work, request: MoveRequested, why: str) -> None:
    before = work.state.waiting
    since = before.since if before else work.now
    work.set(waiting=Waiting(request, work.state.active, since, why))
    if not work.policy.dry_run:
        work.note(f"failover by {request.by} waits: {why}; it begins as soon as it may")
