"""What must be so before a move may begin. Each refusal says what it waits for."""

from __future__ import annotations

from orchestrator.core.events import MoveRequested
from orchestrator.core.language.durations import say_duration
from orchestrator.core.language.hours import say_hours, within
from orchestrator.core.machine.work import Work
from orchestrator.core.readiness import missing
from orchestrator.core.words import MoveKind, Phase, Verdict


def target_of(work: Work, request: MoveRequested) -> str:
    """The node that the request would make active; empty when it cannot be told."""
    if request.to_node:
        return request.to_node
    if request.kind is MoveKind.FAILBACK:
        return work.policy.preferred
    return work.state.standby(work.policy)


def refusal(work: Work, request: MoveRequested, automatic: bool) -> str:
    """Why the move may not begin now; empty: it may."""
    return (
        _by_phase(work, automatic)
        or _by_target(work, request)
        or _by_evacuation(work, request)
        or _by_hours(work, request)
        or _by_health(work, request)
    )


def by_a_rule(by: str) -> bool:
    """Rules ask under their own name; people ask as ``operator NAME``."""
    return not by.startswith("operator")


def flapping(work: Work) -> str:
    """Why one more move that nobody ordered would be one too many; empty: it may begin."""
    most, within_s = work.policy.automatic_moves, work.policy.automatic_within_s
    since = max(work.now - within_s, work.state.forgiven_at)
    moves = [m for m in work.state.history if m.started_at >= since and by_a_rule(m.by)]
    if len(moves) < most:
        return ""
    listed = "; ".join(f"{m.kind} {m.number} by {m.by}: {m.outcome}" for m in moves[-most:])
    return (
        f"rules have moved {len(moves)} times within {say_duration(within_s)} already, and not more"
        f" than {most} are allowed (automatic_moves): {listed}. Another one would be flapping, so"
        " nothing was moved: find out why. Releasing lets rules move again; what you order yourself"
        " (failover, switchover) is never counted"
    )


def _by_phase(work: Work, automatic: bool) -> str:
    state = work.state
    if state.move is not None:
        return (
            f"{state.move.kind} {state.move.number} to {state.move.to_node} is in progress"
            f" ({state.phase}); wait for it or abort it"
        )
    if state.phase is Phase.LEARNING:
        return "the orchestrator has just started and still learns who is active; wait a moment"
    if automatic and state.hold is not None:
        return f"held by {state.hold.by} ({state.hold.reason}); release lets rules act again"
    return ""


def _by_target(work: Work, request: MoveRequested) -> str:
    state, new = work.state, target_of(work, request)
    if request.kind is MoveKind.FAILBACK and not work.policy.preferred:
        return "no node is configured as preferred"
    if new and new not in state.nodes:
        return f"there is no node {new}; the pair is {' and '.join(sorted(state.nodes))}"
    if not new:
        return "it is not known which node is active; name the one to promote with --to"
    if new == state.active:
        return f"{new} is active already"
    if not state.active and request.kind is not MoveKind.FAILOVER:
        return f"it is not known which node is active; ask: failover --to {new}"
    return ""


def _by_evacuation(work: Work, request: MoveRequested) -> str:
    if not request.evacuate:
        return ""
    if request.kind is MoveKind.FAILOVER:
        return (
            "a failover carries no calls over, since it counts on nothing of the old active; ask"
            " for a switchover, or leave the evacuation out"
        )
    if work.policy.evacuation is None:
        return (
            "no call can be carried over: configure `evacuation:` with the User-Agents of phones"
            " that follow a REFER, and include extensions-evacuate.conf on both nodes; or ask"
            " again without the evacuation, then the calls are waited for"
        )
    return ""


def _by_hours(work: Work, request: MoveRequested) -> str:
    """Going back waits for the hours that the site allows it in, whoever asks."""
    gate = work.policy.failback
    if request.kind is not MoveKind.FAILBACK or gate is None or request.force:
        return ""
    if within(work.now, work.policy.timezone, gate.hours, gate.days):
        return ""
    return (
        f"going back is allowed {say_hours(gate.hours, gate.days)} ({work.policy.timezone}) and not"
        f" now; if it must be now: switchover --to {work.policy.preferred}"
    )


def _by_health(work: Work, request: MoveRequested) -> str:
    new = target_of(work, request)
    old = work.policy.other(new)
    target, source = work.node(new), work.node(old)
    if work.lost(new):
        return f"{new} is {target.verdict} and could not serve: {target.verdict_why}"
    if request.force:
        return ""
    if request.kind is MoveKind.FAILOVER:
        if not work.well(new):
            return f"{new} is {target.verdict}: {target.verdict_why}"
        if source.verdict is Verdict.UNKNOWN:
            return f"{old} is unknown, and unknown never promotes: {source.verdict_why}"
        return ""
    if source.verdict is not Verdict.HEALTHY:
        return (
            f"a planned move drains {old}, and {old} is {source.verdict}"
            f" ({source.verdict_why}); ask for a failover"
        )
    lacks = missing(work.state, work.policy, work.now, new)
    return f"{new} is not ready: {'; '.join(lacks)}" if lacks else ""
