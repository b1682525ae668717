"""Keeping the steady state: one address on the active, trunks on the active only, flags lowered.

Each repair is tried, then again with growing pauses, for as long as its reason stands. Under hold
nothing is repaired.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from orchestrator.core.commands import (
    RegisterTrunk,
    RemoveAddress,
    SetDrainFlag,
    SetMaintenance,
    UnregisterTrunk,
)
from orchestrator.core.failover import call_human
from orchestrator.core.machine.service import trunk_status
from orchestrator.core.machine.work import Build, Work
from orchestrator.core.state import Node, Upkeep
from orchestrator.core.words import RegistrationStatus, Severity, Verdict

FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 60.0
SETTLE_S = 1.0  # what may be news under way must stand this long before it is acted on
BOOT_S = 12.0  # res_pjsip_outbound_registration: max_random_initial_delay is 10 s unless told


@dataclass(frozen=True, slots=True)
class Repair:
    """What is wrong, what is asked for, and how loudly people are told the first time."""

    key: str
    sentence: str
    build: Build | None  # None: the address is given back to the active
    severity: Severity | None
    timeout_s: float
    settle_s: float = 0.0  # how long it must stand before it is repaired
    once: bool = False  # not tried again as long as its reason stands


def keep_up(work: Work) -> None:
    """Repair what differs from the steady state."""
    if work.state.hold is not None or not work.state.active:
        return
    if _moved_by_hand(work):
        return
    wanted = list(_wanted(work))
    keys = {repair.key for repair in wanted}
    for key in work.state.upkeep:
        if key not in keys and key != MOVED:
            work.set(upkeep=work.state.upkeep.delete(key))
    for repair in wanted:
        _try(work, repair)


MOVED = "moved by hand"


def _moved_by_hand(work: Work) -> bool:
    """The standby alone holds the address: not ours to undo, since calls are there."""
    active = work.node(work.state.active)
    standby = work.node(work.state.standby(work.policy))
    if not (standby.holds_address and active.holds_address is False):
        if MOVED in work.state.upkeep:
            work.set(upkeep=work.state.upkeep.delete(MOVED))
        return False
    seen = work.state.upkeep.get(MOVED)
    if seen is None:
        work.set(upkeep=work.state.upkeep.set(MOVED, Upkeep(work.now)))
    elif work.now - seen.since >= SETTLE_S:
        call_human(
            work,
            f"{standby.name} holds the address although {active.name} is active: somebody moved"
            f" it by hand. If that is right: failover --to {standby.name}; else remove it there",
        )
    return True


def _wanted(work: Work) -> Iterator[Repair]:
    active = work.node(work.state.active)
    standby = work.node(work.state.standby(work.policy))
    if standby.holds_address and active.holds_address:
        yield Repair(
            f"two actives: remove the address from {standby.name}",
            f"both nodes hold the address; {active.name} is active (epoch {work.state.epoch}):"
            f" it is removed from {standby.name} at once",
            lambda i, e, t: RemoveAddress(id=i, epoch=e, timeout_s=t, node=standby.name),
            Severity.CRITICAL,
            work.policy.step_timeout_s,
        )
    if (
        active.verdict is Verdict.HEALTHY
        and active.holds_address is False
        and active.adding not in work.state.asked
        and not standby.could_serve
    ):
        why = "its guard gave it up" if active.gave_up_address else "it lost it"
        yield Repair(
            f"give {active.name} the address back",
            f"{active.name} is active and well but has not got the address ({why}): it gets it",
            None,
            Severity.WARNING,
            work.policy.step_timeout_s,
            work.policy.silence_s / 2,  # a look from before it was added may still come in
        )
    lost = active.verdict is Verdict.HEALTHY and active.holds_address is False
    if standby.could_serve and not standby.holds_address and (standby.adding or lost):
        yield Repair(
            f"make certain that {standby.name} has not got the address",
            f"an order to add the address may still reach {standby.name}: it is told to remove it",
            lambda i, e, t: RemoveAddress(id=i, epoch=e, timeout_s=t, node=standby.name),
            None,
            work.policy.step_timeout_s,
        )
    yield from _trunks(work)
    yield from _flags(work)


def _trunks(work: Work) -> Iterator[Repair]:
    active = work.node(work.state.active)
    standby = work.node(work.state.standby(work.policy))
    stale_s, limit_s = work.policy.stale_s, work.policy.trunk_timeout_s
    if active.verdict is not Verdict.HEALTHY or not active.fresh(work.now, stale_s):
        return
    for trunk in work.policy.trunks:
        name = trunk.registration
        here = trunk_status(active, trunk)
        lost = here in (RegistrationStatus.UNREGISTERED, RegistrationStatus.REJECTED)
        if lost and not _awaited(work, _back(name, active)):
            yield Repair(
                f"register {name} on {active.name}",
                f"trunk {name} is {here} on the active {active.name}: it is registered again",
                lambda i, e, t, r=name: RegisterTrunk(  # type: ignore[misc]
                    id=i, epoch=e, timeout_s=t, node=active.name, registration=r
                ),
                Severity.WARNING,
                limit_s,
                SETTLE_S,
            )
        there = trunk_status(standby, trunk)
        seen = standby.fresh(work.now, stale_s) and standby.in_sync and work.well(standby.name)
        if seen and there is RegistrationStatus.REGISTERED:
            yield from _bring_back(work, name, active, standby)
        elif seen and standby.booted_at and work.now - standby.booted_at < BOOT_S:
            yield Repair(
                f"keep {name} off {standby.name}, up since {standby.booted_at:.0f}",
                f"Asterisk on the standby {standby.name} has just started and would register trunk"
                f" {name}: it is told not to",
                _unregister(name, standby),
                None,
                limit_s,
                once=True,
            )


def _bring_back(work: Work, name: str, active: Node, standby: Node) -> Iterator[Repair]:
    """First the active registers afresh, then the standby lets go: no call is refused between.

    A provider that keeps one contact has forgotten the active's, and sends it no call before it
    registers again, which by itself it may do only in an hour.
    """
    back = _back(name, active)
    yield Repair(
        back,
        f"trunk {name} is registered on the standby {standby.name}: calls from outside land there;"
        f" {active.name} registers it afresh, then {standby.name} lets it go",
        lambda i, e, t: RegisterTrunk(
            id=i, epoch=e, timeout_s=t, node=active.name, registration=name, afresh=True
        ),
        None,
        work.policy.trunk_timeout_s,
        SETTLE_S,
    )
    entry = work.state.upkeep.get(back)
    if entry is not None and entry.tries and not _awaited(work, back):
        yield Repair(
            f"unregister {name} on {standby.name}",
            f"trunk {name} is unregistered on the standby {standby.name}",
            _unregister(name, standby),
            None,
            work.policy.trunk_timeout_s,
        )


def _back(name: str, active: Node) -> str:
    return f"take {name} back to {active.name}"


def _awaited(work: Work, key: str) -> bool:
    return any(asked.key == key for asked in work.state.asked.values())


def _unregister(name: str, standby: Node) -> Build:
    return lambda i, e, t: UnregisterTrunk(
        id=i, epoch=e, timeout_s=t, node=standby.name, registration=name
    )


def _flags(work: Work) -> Iterator[Repair]:
    """What a move raised and could not lower, because the node was lost."""
    for name, node in work.state.nodes.items():
        if node.verdict is not Verdict.HEALTHY:
            continue
        if node.drain_flag:
            yield _flag(
                work, f"lower the drain flag on {name}",
                lambda i, e, t, n=name: SetDrainFlag(  # type: ignore[misc]
                    id=i, epoch=e, timeout_s=t, node=n, on=False
                ),
            )  # fmt: skip
        for endpoint in sorted(node.maintenance):
            yield _flag(
                work, f"reopen {endpoint} on {name}",
                lambda i, e, t, n=name, p=endpoint: SetMaintenance(  # type: ignore[misc]
                    id=i, epoch=e, timeout_s=t, node=n, endpoint=p, on=False
                ),
            )  # fmt: skip


def _flag(work: Work, key: str, build: Build) -> Repair:
    return Repair(key, f"left over from a move: {key}", build, None, work.policy.step_timeout_s)


def _try(work: Work, repair: Repair) -> None:
    entry = work.state.upkeep.get(repair.key)
    if entry is None:
        entry = Upkeep(work.now, next_at=work.now + repair.settle_s)
        work.set(upkeep=work.state.upkeep.set(repair.key, entry))
    if work.now < entry.next_at or (repair.once and entry.tries):
        return
    if not entry.tries:
        work.note(repair.sentence)
        if repair.severity is not None:
            work.tell(repair.severity, repair.key, repair.sentence)
    if repair.build is None:
        work.send_address(repair.key, work.state.active)
    else:
        work.send(repair.key, repair.build, repair.timeout_s)
    pause = min(FIRST_PAUSE_S * 2**entry.tries, LONGEST_PAUSE_S)
    next_at = work.now + max(pause, repair.timeout_s if entry.tries else pause)
    entry = replace(entry, tries=entry.tries + 1, next_at=next_at)
    work.set(upkeep=work.state.upkeep.set(repair.key, entry))
