"""What is done in each phase of a move: look at the world, ask for what is missing.

So entering a phase again, after a restart of the orchestrator, simply goes on. A phase returns
None while it waits, else how it came out and why; core/machine/phases.py says where that leads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from orchestrator.core import evacuation
from orchestrator.core.commands import RunHook, Verify
from orchestrator.core.machine.draining import draining
from orchestrator.core.machine.flags import lift_flags, set_drain_flag
from orchestrator.core.machine.phases import Plan, Result, plan_of
from orchestrator.core.machine.service import (
    add_address,
    clear_address,
    register_trunks,
    remove_address,
    unregister_trunks,
)
from orchestrator.core.machine.work import Outcome, Status, Work
from orchestrator.core.readiness import missing
from orchestrator.core.words import DrainMode, Phase

VERIFY_PAUSE_S = 0.25


def outcome_of(statuses: Iterable[Status]) -> Outcome:
    """All ok: done. All settled and some failed: failed. Else wait."""
    known = list(statuses)
    if any(status is None for status in known):
        return None
    failures = [status for status in known if status]
    return (Result.FAILED, "; ".join(failures)) if failures else (Result.DONE, "")


def preparing(work: Work) -> Outcome:
    """Standby ready; mode known, else found out by a test call to the active."""
    move = work.move
    if not move.force:
        lacks = missing(work.state, work.policy, work.now, move.to_node)
        if lacks:
            return (Result.FAILED, "; ".join(lacks))
    if move.mode is not None:
        return (Result.DONE, "")
    status = _test_call(work, move.from_node, "test call for the mode")
    if status is None:
        return None
    if status and not move.force:
        return (Result.FAILED, f"the service address does not answer a test call now: {status}")
    own = work.move.contact_host == work.policy.node(move.from_node).address
    work.set_move(mode=DrainMode.OVERLAP if own and not status else DrainMode.DRAIN_FIRST)
    return (Result.DONE, "")


def taking_trunks(work: Work) -> Outcome:
    """The new active registers the trunks; without AMI it cannot be asked to."""
    outcome = outcome_of(register_trunks(work, work.move.to_node))
    if outcome and outcome[0] is Result.FAILED and work.move.force:
        return (Result.DONE, f"forced on although: {outcome[1]}")
    return outcome


def fencing(work: Work) -> Outcome:
    """Make certain; the site or the operator may take it upon themselves."""
    move = work.move
    work.set_move(touched=True)
    status = clear_address(work, move.from_node)
    if not status:
        return None if status is None else (Result.DONE, work.move.vouched or "it is certain")
    if move.force or work.policy.proceed_when_fencing_fails:
        who = move.by if move.force else "the configuration (fencing: if_it_fails)"
        work.set_move(vouched=f"{who} vouches for it")
        return (Result.DONE, f"{status}; but {who} vouches for it")
    return (Result.FAILED, status)


def moving_address(work: Work) -> Outcome:
    """Remove, checked; then add. In a failover the trunks are asked for in the same breath."""
    move = work.move
    if plan_of(move) is not Plan.FAILOVER:
        work.set_move(touched=True)
        removed = remove_address(work, move.from_node)
        if removed is None:
            return None
        if removed:
            return (Result.FAILED, removed)
    status = add_address(work, move.to_node)
    if plan_of(move) is Plan.FAILOVER and work.node(move.to_node).adding:
        register_trunks(work, move.to_node)
    if status == "":
        work.set_move(promoted=True)
    return None if status is None else outcome_of([status])


def releasing_trunks(work: Work) -> Outcome:
    return outcome_of(unregister_trunks(work, work.move.from_node))


def redirecting(work: Work) -> Outcome:
    return outcome_of([set_drain_flag(work, work.move.from_node, True)])


def verifying(work: Work) -> Outcome:
    """The test call must be answered, and not by the node we left."""
    move = work.move
    status = _test_call(work, move.to_node, "test call to the service address")
    if status is None:
        return None
    if status:
        return (Result.FAILED, status)
    if work.move.contact_host and (
        work.move.contact_host == work.policy.node(move.from_node).address
    ):
        return (Result.FAILED, f"{move.from_node} still answers at the service address")
    return (Result.DONE, "a test call was answered")


def completing(work: Work) -> Outcome:
    """The new node is active from here on; tidy up, run the site's hooks."""
    move = work.move
    if work.state.active != move.to_node:
        work.set(active=move.to_node, active_since=work.now)
    statuses = [] if work.lost(move.from_node) else lift_flags(work, move.from_node)
    for name, hook in (
        (move.from_node, "" if work.lost(move.from_node) else work.policy.demote_hook),
        (move.to_node, work.policy.promote_hook),
    ):
        if hook:
            statuses.append(
                work.ask(
                    f"hook {hook} on {name}",
                    lambda i, e, t, n=name, h=hook: RunHook(  # type: ignore[misc]
                        id=i, epoch=e, timeout_s=t, node=n, name=h
                    ),
                )
            )
    return outcome_of(statuses)


def rolling_back(work: Work) -> Outcome:
    """The old active gets everything back; trunks that resist are left to the upkeep."""
    move = work.move
    back, away = move.from_node, move.to_node
    if not work.well(back):
        return None  # what serves is not taken away before the old active is known to be well
    cleared = clear_address(work, away)
    if cleared is None or cleared:
        return None if cleared is None else (Result.FAILED, cleared)
    work.set_move(promoted=False)
    address: Status = ""
    if move.touched or work.node(back).holds_address is not True:
        address = add_address(work, back)
    if address:
        return (Result.FAILED, address)
    rest = [*lift_flags(work, back), *register_trunks(work, back)]
    if None in rest:
        return None  # no call from outside is refused: one registers before the other lets go
    if not work.lost(away):
        rest += unregister_trunks(work, away)
    if address is None or None in rest or _calls_settle(work):
        return None
    for failure in filter(None, rest):
        work.note(f"after going back, tried again later: {failure}")
    return (Result.DONE, "")


def _calls_settle(work: Work) -> bool:
    """Whether calls that were on their way to the other node are waited for; not for long."""
    waited_s = work.state.lived_s - work.move.phase_lived_s
    return evacuation.is_under_way(work) and waited_s < 2 * work.policy.step_timeout_s


def _test_call(work: Work, name: str, purpose: str) -> Status:
    """Up to the policy's attempts, with a pause between them."""
    policy, attempt = work.policy, work.move.attempt
    if work.state.lived_s < work.move.retry_lived_s:
        return None
    status = work.ask(
        f"{purpose}, attempt {attempt}",
        lambda i, e, t: Verify(id=i, epoch=e, timeout_s=t, node=name),
        policy.verify_timeout_s,
    )
    if not status or attempt >= policy.verify_attempts:
        return status
    work.set_move(attempt=attempt + 1, retry_lived_s=work.state.lived_s + VERIFY_PAUSE_S)
    return None


PHASES: dict[Phase, Callable[[Work], Outcome]] = {
    Phase.PREPARING: preparing,
    Phase.TAKING_TRUNKS: taking_trunks,
    Phase.FENCING: fencing,
    Phase.MOVING_ADDRESS: moving_address,
    Phase.RELEASING_TRUNKS: releasing_trunks,
    Phase.REDIRECTING: redirecting,
    Phase.DRAINING: draining,
    Phase.VERIFYING: verifying,
    Phase.COMPLETING: completing,
    Phase.ROLLING_BACK: rolling_back,
}


def limit_s(work: Work, phase: Phase) -> float | None:
    """How long a phase may take; None: the drain, which has the move's own deadline."""
    policy = work.policy
    step, trunk = policy.step_timeout_s, policy.trunk_timeout_s
    verify = policy.verify_attempts * (policy.verify_timeout_s + VERIFY_PAUSE_S + 1.0)
    return {
        Phase.PREPARING: verify + step,
        Phase.TAKING_TRUNKS: trunk + step,
        Phase.FENCING: 4 * step,
        Phase.MOVING_ADDRESS: 4 * step,
        Phase.RELEASING_TRUNKS: trunk + step,
        Phase.REDIRECTING: 2 * step,
        Phase.VERIFYING: verify + step,
        Phase.COMPLETING: 3 * step,
        Phase.ROLLING_BACK: trunk + 6 * step,
    }.get(phase)


def fate(work: Work) -> list[tuple[Result, str]]:
    """What happened around the phase that it must react to, most urgent first."""
    move = work.move
    happened: list[tuple[Result, str]] = []
    if work.lost(move.from_node):
        happened.append((Result.FROM_LOST, work.node(move.from_node).verdict_why))
    if work.lost(move.to_node):
        happened.append((Result.TO_LOST, work.node(move.to_node).verdict_why))
    if move.aborting:
        happened.append((Result.ABORT, f"by {move.aborting}"))
    limit = limit_s(work, work.state.phase)
    if limit is not None and work.state.lived_s - move.phase_lived_s >= limit:
        happened.append((Result.FAILED, f"{work.state.phase} took longer than {limit:g} s"))
    return happened
