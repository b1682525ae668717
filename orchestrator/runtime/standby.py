"""The standby's figures, and every phone, as plain data for ``status`` and ``phones``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.core.evacuating.habits import obstacle
from orchestrator.core.facts.node import phones as phones_on
from orchestrator.core.state import Contact, Node, Pair, Policy
from orchestrator.core.words import ContactStatus, MirrorKind

# of a phone's contacts, which status counts
_BEST = (
    ContactStatus.REACHABLE,
    ContactStatus.UNQUALIFIED,
    ContactStatus.UNKNOWN,
    ContactStatus.UNREACHABLE,
)
UNKNOWN_HABIT = "unknown"
LISTED_HABIT = "listed"  # fits evacuation.user_agents, not seen yet


def phones(state: Pair, policy: Policy, now: float) -> dict[str, Any]:
    """One row a phone of the active node, and the sentence that sums them up."""
    if not state.active:
        says = "It is not known which node is active, so nothing can be said of the standby."
        return {"active": "", "standby": "", "says": says, "phones": []}
    missing, says = _figures(state, policy, now)
    rows = _rows(state, policy, now, missing)
    return {"active": state.active, "standby": state.standby(policy), "says": says, "phones": rows}


def _figures(state, policy, now):  # type: ignore
    here = _by_phone(state.nodes[state.active], policy)
    there = _by_phone(state.nodes[state.standby(policy)], policy)
    missing = {n: "not known" for n in here if n not in there}
    return (
        missing,
        f"of {len(here)} phones {len(here) - len(missing)} are ready on {state.standby(policy)}",
    )


def standby(state: Pair, policy: Policy, now: float) -> dict[str, Any] | None:
    """How warm the standby is; None while it is not known which node that is."""
    return None


def _rows(
    state: Pair, policy: Policy, now: float, missing: Mapping[str, str]
) -> list[dict[str, Any]]:
    active, standby = state.active, state.standby(policy)
    here = _by_phone(state.nodes[active], policy)
    there = _by_phone(state.nodes[standby], policy)
    expiries = _expiries(state.nodes[active])
    return [
        {
            "phone": name,
            "user_agent": contact.user_agent,
            "active": contact.status.value,
            "standby": there[name].status.value if name in there else "not known",
            "ready": name not in missing,
            "why": missing.get(name, ""),
            "expires_in_s": expiries[name] - now if name in expiries else None,
            **_habit(state, policy, contact.user_agent),
        }
        for name, contact in sorted(here.items())
    ]


def _by_phone(node: Node, policy: Policy) -> dict[str, Contact]:
    """Of each phone its best contact."""
    found: dict[str, Contact] = {}
    for contact in phones_on(node, policy):
        known = found.get(contact.aor)
        if known is None or _rank(contact) < _rank(known):
            found[contact.aor] = contact
    return found


def _rank(contact: Contact) -> int:
    return _BEST.index(contact.status) if contact.status in _BEST else len(_BEST)


def _expiries(node: Node) -> dict[str, float]:
    """When each phone's last registration ends, by our clock."""
    ahead_s = node.clock_ahead_s or 0.0
    found: dict[str, float] = {}
    for key, fields in node.listing(MirrorKind.CONTACT).items.items():
        values = dict(fields)
        expiry = values.get("expiration_time", "")
        phone = values.get("endpoint") or key.partition(";")[0]
        if expiry.replace(".", "", 1).isdigit():
            found[phone] = max(found.get(phone, 0.0), float(expiry) - ahead_s)
    return found


def _habit(state: Pair, policy: Policy, user_agent: str) -> dict[str, Any]:
    seen = state.habits.get(user_agent)
    if seen is not None:
        return {"refer": seen.habit.value, "refer_seen": seen.endpoint, "refer_at": seen.at}
    rules = policy.evacuation
    listed = rules is not None and not obstacle(user_agent, state.habits, rules)
    return {"refer": LISTED_HABIT if listed else UNKNOWN_HABIT, "refer_seen": "", "refer_at": None}
