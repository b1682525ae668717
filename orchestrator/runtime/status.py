"""The picture of the pair as plain data: what ``status`` prints and ``--json`` gives.

Keys that end in ``_at``, ``_since`` or ``until`` are epoch seconds; ``_s`` are seconds.
"""

from __future__ import annotations

from typing import Any

from orchestrator.core.evacuating.telling import tally
from orchestrator.core.machine.drain import calls_on, progress
from orchestrator.core.machine.service import trunk_status
from orchestrator.core.picture.phones import known, phones, reachable
from orchestrator.core.state import (
    Hold,
    Move,
    MoveReport,
    Node,
    Pair,
    Policy,
    Probing,
    TrunkPolicy,
)
from orchestrator.core.words import ContactStatus, Phase, Role
from orchestrator.runtime.standby import standby

NOTES = 5  # the newest; all of them are in the history


def status(state: Pair, policy: Policy, now: float) -> dict[str, Any]:
    """Everything an operator asks first."""
    return {
        "now": now,
        "dry_run": policy.dry_run,
        "phase": state.phase.value,
        "phase_since": state.phase_since,
        "active": state.active,
        "active_since": state.active_since,
        "epoch": state.epoch,
        "hold": _hold(state.hold),
        "move": _move(state, policy, state.move, now) if state.move else None,
        "last_move": _report(state.history[-1]) if state.history else None,
        "nodes": {
            node.name: _node(state, policy, state.nodes[node.name], now) for node in policy.nodes
        },
        "standby": standby(state, policy, now),
        "probing": _probing(state.probing),
        "notes": list(state.notes[-NOTES:]),
    }


def _probing(probing: Probing | None) -> dict[str, Any] | None:
    if probing is None:
        return None
    return {
        "by": probing.by,
        "phone": probing.endpoint,
        "left": [phone for phone, _ in probing.left],
        "said": list(probing.said),
    }


def _hold(hold: Hold | None) -> dict[str, Any] | None:
    if hold is None:
        return None
    return {"by": hold.by, "reason": hold.reason, "since": hold.since, "until": hold.until}


def _move(state: Pair, policy: Policy, move: Move, now: float) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "number": move.number,
        "kind": move.kind.value,
        "from": move.from_node,
        "to": move.to_node,
        "by": move.by,
        "reason": move.reason,
        "mode": move.mode.value if move.mode else None,
        "started_at": move.started_at,
        "deadline_at": move.deadline_at,
        "at_deadline": move.at_deadline.value,
        "promoted": move.promoted,
        "aborting": move.aborting,
        "failures": list(move.failures),
        "drain": None,
        "evacuation": _evacuation(move),
    }
    if state.phase is Phase.DRAINING:
        drain = progress(state, policy, move, now)
        facts["drain"] = {
            "known": drain.known,
            "calls_at_start": move.calls_at_start,
            "calls": drain.calls,
            "stuck": len(drain.stuck),
            "longest_s": drain.longest_s,
            "estimate_s": drain.estimate_s,
        }
    return facts


def _evacuation(move: Move) -> dict[str, Any] | None:
    """How the calls fare that are carried over; None while none is."""
    seen = tally(move)
    if not seen.any:
        return None
    return {
        "under_way": seen.under_way,
        "carried": seen.carried,
        "linked": list(seen.linked),
        "stayed": list(seen.stayed),
        "lost": list(seen.lost),
    }


def _report(report: MoveReport) -> dict[str, Any]:
    return {
        "number": report.number,
        "kind": report.kind.value,
        "from": report.from_node,
        "to": report.to_node,
        "by": report.by,
        "reason": report.reason,
        "started_at": report.started_at,
        "ended_at": report.ended_at,
        "outcome": report.outcome,
        "sentence": report.sentence,
        "cut": list(report.cut),
        "carried": report.carried,
        "linked": list(report.linked),
        "stayed": list(report.stayed),
        "lost": list(report.lost),
    }


def _node(state: Pair, policy: Policy, node: Node, now: float) -> dict[str, Any]:
    people = phones(node, policy)
    return {
        "role": _role(state, node.name).value,
        "preferred": node.name == policy.preferred,
        "verdict": node.verdict.value,
        "verdict_since": node.verdict_since,
        "why": node.verdict_why.removeprefix(f"{node.name}: "),
        "observers": {
            observer.value: {"outcome": seen.outcome.value, "since": seen.since, "at": seen.at}
            for observer, seen in sorted(node.observations.items())
        },
        "address": node.holds_address,
        "guarded": node.guarded,
        "gave_up_address": node.gave_up_address,
        "fresh": node.fresh(now, policy.stale_s),
        "confirmed_at": node.confirmed_at,
        "version": node.asterisk_version,
        "booted_at": node.booted_at,
        "trunks": [_trunk(node, trunk) for trunk in policy.trunks],
        "phones_known": known(people),
        "phones_reachable": reachable(people),
        "calls": calls_on(node),
        "channels": len(node.channels),
        "waiting": sum(len(queue.callers) for queue in node.queues.values()),
    }


def _role(state: Pair, name: str) -> Role:
    if not state.active:
        return Role.UNKNOWN
    return Role.ACTIVE if state.active == name else Role.STANDBY


def _trunk(node: Node, trunk: TrunkPolicy) -> dict[str, Any]:
    contact = ContactStatus.UNKNOWN
    for contact_seen in node.contacts.values():
        if contact_seen.aor == trunk.endpoint:
            contact = contact_seen.status
    return {
        "name": trunk.registration,
        "registration": trunk_status(node, trunk).value,
        "contact": contact.value,
    }
