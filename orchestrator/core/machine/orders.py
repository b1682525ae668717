"""What operators order and rules ask, turned into moves, holds, messages and actions."""

from __future__ import annotations

from orchestrator.core import evacuation, failover
from orchestrator.core.commands import AmiAction, RunHook
from orchestrator.core.events import (
    AbortRequested,
    ExtendRequested,
    HoldRequested,
    MoveRequested,
    OperatorEvent,
    ProbeRequested,
    ReleaseRequested,
    RulesReloaded,
)
from orchestrator.core.machine.dry_run import REFUSED
from orchestrator.core.machine.work import Work
from orchestrator.core.rulebook.types import Ask, Request
from orchestrator.core.state import Hold
from orchestrator.core.words import MoveKind, Phase, Severity

_MOVES = {
    Ask.SWITCHOVER: MoveKind.SWITCHOVER,
    Ask.FAILOVER: MoveKind.FAILOVER,
    Ask.FAILBACK: MoveKind.FAILBACK,
}


def obey(work: Work, order: OperatorEvent) -> None:
    """Carry the order out or refuse it; either way the operator gets a sentence."""
    if work.policy.dry_run and not isinstance(order, RulesReloaded):
        accepted, sentence = False, REFUSED
    elif isinstance(order, MoveRequested):
        accepted, sentence = failover.begin(work, order)
        if accepted and work.state.hold is not None:
            sentence += f" (still held by {work.state.hold.by}: release when you are done)"
    elif isinstance(order, AbortRequested):
        accepted, sentence = failover.abort(work, order.by)
    elif isinstance(order, ExtendRequested):
        accepted, sentence = failover.extend(work, order.by, order.seconds)
    elif isinstance(order, HoldRequested):
        accepted, sentence = hold(work, order)
    elif isinstance(order, ProbeRequested):
        accepted, sentence = evacuation.probe(work, order)
    elif isinstance(order, RulesReloaded):
        accepted, sentence = True, f"rules reloaded by {order.by}: {order.changes}"
    else:
        accepted, sentence = release(work, order)
    work.answer(order, accepted, sentence)


def hold(work: Work, order: HoldRequested) -> tuple[bool, str]:
    """Stop everything automatic; a move in progress goes on to its end."""
    until = "until released" if order.until is None else f"for {order.until - work.now:.0f} s"
    work.set(hold=Hold(order.by, order.reason, work.now, order.until))
    sentence = f"held by {order.by} {until}: nothing automatic is done, watching goes on"
    if work.state.move is not None:
        sentence += f"; {work.state.move.kind} {work.state.move.number} goes on to its end"
    work.tell(Severity.INFO, "held", f"{sentence} ({order.reason})")
    return True, sentence


def release(work: Work, order: ReleaseRequested) -> tuple[bool, str]:
    """Let rules act again; when it is not known who is active, learn it afresh."""
    if work.state.hold is None:
        return False, "nothing to release: there is no hold"
    sentence = lift_hold(work, f"released by {order.by}: rules act again")
    work.tell(Severity.INFO, "released", sentence)
    return True, sentence


def end_hold_in_time(work: Work) -> None:
    """A hold that was given an end is over by itself."""
    hold = work.state.hold
    if hold is not None and hold.until is not None and work.now >= hold.until:
        sentence = lift_hold(work, f"the hold by {hold.by} is over: rules act again")
        work.note(sentence)
        work.tell(Severity.INFO, "hold is over", sentence)


def lift_hold(work: Work, sentence: str) -> str:
    """Decide again; first who is active, where that is not known. Returns what to say."""
    work.set(hold=None, forgiven_at=work.now)
    if work.state.active or work.state.move is not None:
        return sentence
    work.set(phase=Phase.LEARNING, phase_since=work.now, learning_lived_s=work.state.lived_s)
    return f"{sentence}; who is active is learnt afresh"


def follow_rule(work: Work, request: Request) -> None:
    """Do what a rule asks, unless it is held or refused; then the notes say why."""
    by, args, held = f"rule {request.rule}", request.args, work.state.hold
    if request.observed:
        work.note(f"{by} only observes; it would {_would(request)}")
        return
    if work.policy.dry_run and request.ask not in _MOVES:
        work.note(f"dry run: {by} would {_would(request)}")
        return
    if request.ask is Ask.NOTIFY:
        work.tell(
            Severity(str(args.get("severity", Severity.WARNING))),
            str(args.get("title", request.rule)),
            str(args.get("text", request.reason)),
        )
        return
    if request.ask in _MOVES:
        at_most = args.get("at_most_s")
        begun, sentence = failover.begin(
            work,
            MoveRequested(
                _MOVES[request.ask], by, request.reason,
                at_most_s=float(at_most) if isinstance(at_most, int | float) else None,
            ),
        )  # fmt: skip
        waits = work.state.waiting
        told = work.policy.dry_run or (waits is not None and waits.request.by == by)
        if not begun and not told:
            work.note(f"{by}: {sentence}")
    elif held is not None:
        work.note(f"{by} asked for {request.ask} ({request.reason}): held by {held.by}, not done")
    elif request.ask is Ask.HOLD:
        for_s = args.get("for_s")
        until = work.now + float(for_s) if isinstance(for_s, int | float) else None
        hold(work, HoldRequested(by, str(args.get("reason") or request.reason), until))
        work.note(f"{by} holds: {request.reason}")
    else:
        _act(work, request, by)


def _would(request: Request) -> str:
    if request.ask is Ask.NOTIFY:
        return f"tell people: {request.args.get('title', request.rule)}: {request.args.get('text')}"
    return f"ask for {request.ask}: {request.reason}"


def _act(work: Work, request: Request, by: str) -> None:
    node, args = str(request.args.get("node") or work.state.active), request.args
    if node not in work.state.nodes:
        work.note(f"{by} asked for {request.ask} on the active, which is not known: not done")
        return
    if request.ask is Ask.COMMAND:
        name = str(args["name"])
        work.send(
            f"{by}: {name}",
            lambda i, e, t: RunHook(id=i, epoch=e, timeout_s=t, node=node, name=name),
        )
    else:
        action = args["action"]
        assert isinstance(action, tuple)
        work.send(
            f"{by}: AMI action",
            lambda i, e, t: AmiAction(id=i, epoch=e, timeout_s=t, node=node, action=action),
        )
    work.note(f"{by} had {request.ask} done on {node}: {request.reason}")
