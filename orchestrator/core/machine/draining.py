"""The draining phase: calls end in peace, stuck channels do not count, the deadline is a policy."""

from __future__ import annotations

from orchestrator.core import evacuation
from orchestrator.core.commands import HangUp, Recount
from orchestrator.core.language.durations import say_duration
from orchestrator.core.machine.drain import Progress, progress, words_for
from orchestrator.core.machine.flags import set_maintenance
from orchestrator.core.machine.phases import Plan, Result, plan_of
from orchestrator.core.machine.work import Outcome, Status, Work
from orchestrator.core.policy import EvacuationPolicy
from orchestrator.core.state import Channel
from orchestrator.core.words import AtDeadline, Severity

CUT_ROUNDS = 3  # a call may have begun while the others were hung up
CUT_PAUSE_S = 1.0  # for the hang-up events to come in
RECOUNT_EVERY_S = 5.0  # takes a node some milliseconds
LONE_FOR_S = 2.0  # the last leg of a call that ends (or is transferred) looks stuck for a moment


def draining(work: Work) -> Outcome:
    """Wait for the calls of the old active; act on its deadline."""
    move, now = work.move, work.now
    carrying = evacuation.wanted(work)
    if carrying is not None:
        evacuation.drive(work, carrying)
    seen = progress(work.state, work.policy, move, now)
    if plan_of(move) is Plan.OVERLAP and work.node(move.from_node).can_set_maintenance:
        for trunk in work.policy.trunks:
            set_maintenance(work, move.from_node, trunk.endpoint, True)
    if seen.known and seen.channels:
        _recount(work)
    if seen.known and evacuation.is_under_way(work):
        return None  # each call comes out within a few times the site's patience
    if seen.known and not seen.channels:
        return _stuck_only(work, seen.stuck)
    if move.lone_lived_s is not None:
        work.set_move(lone_lived_s=None)
    if carrying is not None and seen.known:
        _tell_left(work, carrying, seen)
    if move.deadline_at is None or now < move.deadline_at:
        return None
    if move.at_deadline is AtDeadline.ABORT:
        return (Result.ABORT, f"its deadline came with {seen.calls} calls still up")
    if move.at_deadline is AtDeadline.CUT and seen.known:
        return _cut(work, seen)
    if carrying is None or move.at_deadline is AtDeadline.WAIT or not seen.known:
        _warn(work, seen)
    return None


def _recount(work: Work) -> None:
    """A channel whose end was not told must not be waited for."""
    move, lived_s = work.move, work.state.lived_s
    if lived_s - max(move.phase_lived_s, move.recounted_lived_s) < RECOUNT_EVERY_S:
        return
    work.set_move(recounted_lived_s=lived_s)
    work.send(
        "look which channels are really there",
        lambda i, e, t: Recount(id=i, epoch=e, timeout_s=t, node=move.from_node),
    )


def _tell_left(work: Work, policy: EvacuationPolicy, seen: Progress) -> None:
    """Say once what could not be carried over: those calls are waited for."""
    begun = work.move.evacuation
    if begun is None or begun.told or work.now - begun.since < policy.patience_s:
        return
    lines = evacuation.left(work, policy)
    if not lines:
        return
    evacuation.told(work)
    old, new = work.move.from_node, work.move.to_node
    work.tell(
        Severity.WARNING,
        f"{seen.calls} calls stay on {old}",
        f"Not carried over to {new}: {'; '.join(lines)}. The drain of {old} waits for them. You"
        " can: wait until they have ended, ask the people to end them, or abort.",
    )


def _stuck_only(work: Work, stuck: tuple[Channel, ...]) -> Outcome:
    if not stuck:
        return (Result.DONE, "no call is left on it")
    since = work.move.lone_lived_s
    if since is None:
        work.set_move(lone_lived_s=work.state.lived_s)
        return None
    if work.state.lived_s - since < LONE_FOR_S:
        return None
    asked = len(work.commands)
    status = _hang_up(work, "hang up stuck channels", stuck)
    if len(work.commands) > asked:
        listed = "; ".join(words_for(channel, work.now) for channel in stuck)
        work.note(
            f"only {len(stuck)} stuck channels are left on {work.move.from_node} (no conversation,"
            f" older than {say_duration(work.policy.stuck_after_s)}), they are hung up: {listed}"
        )
    if status is None:
        return None
    return (Result.DONE, f"only {len(stuck)} stuck channels were left, they were hung up")


def _cut(work: Work, seen: Progress) -> Outcome:
    """Hang up what is left, and again what began meanwhile; the list says who was cut off."""
    move = work.move
    if work.state.lived_s < move.retry_lived_s:
        return None
    status = _hang_up(work, f"cut the calls left, round {move.attempt}", seen.channels)
    if status is None:
        listed = (words_for(channel, work.now) for channel in seen.channels)
        known = {line.rpartition("(")[2] for line in move.cut}
        fresh = tuple(line for line in listed if line.rpartition("(")[2] not in known)
        work.set_move(cut=(*move.cut, *fresh))
        return None
    if move.attempt > CUT_ROUNDS:
        return (Result.DONE, f"its deadline came: {len(move.cut)} channels were cut")
    pause = work.state.lived_s + CUT_PAUSE_S
    work.set_move(attempt=move.attempt + 1, retry_lived_s=pause)
    return None


def _hang_up(work: Work, key: str, channels: tuple[Channel, ...]) -> Status:
    names = tuple(sorted(channel.name for channel in channels))
    return work.ask(
        key,
        lambda i, e, t: HangUp(
            id=i, epoch=e, timeout_s=t, node=work.move.from_node, channels=names
        ),
    )


def _warn(work: Work, seen: Progress) -> None:
    """Say it once per drain deadline: a drain without end is for people to decide."""
    move = work.move
    if move.warned_at is not None and work.now - move.warned_at < work.policy.drain_deadline_s:
        return
    work.set_move(warned_at=work.now)
    what = f"{seen.calls} calls are still up" if seen.known else "its calls cannot be seen"
    work.tell(
        Severity.WARNING,
        f"drain of {move.from_node} is over its deadline",
        f"The drain of {move.from_node} is over its deadline and {what}; it waits, as the site"
        " decided. You can: extend, abort, or go on waiting.",
    )
