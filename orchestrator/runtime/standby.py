"""The standby's figures, and every phone, as plain data for ``status`` and ``phones``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from orchestrator.core.evacuating.habits import obstacle
from orchestrator.core.mirroring.sides import shift_s
from orchestrator.core.picture.phones import phones as phones_on
from orchestrator.core.readiness import readiness
from orchestrator.core.readying.figures import compared_age_s, standby_figures
from orchestrator.core.state import Contact, Node, Pair, Policy
from orchestrator.core.words import ContactStatus, MirrorKind

# of a phone's contacts, which status counts
_BEST = (
    ContactStatus.REACHABLE,
    ContactStatus.UNQUALIFIED,
    ContactStatus.UNKNOWN,
    ContactStatus.UNREACHABLE,
)
_COUNTS: Final = (
    "phones", "phones_known", "phones_ready", "queues", "queues_known", "queues_ready",
)  # fmt: skip
UNKNOWN_HABIT = "unknown"
LISTED_HABIT = "listed"  # fits evacuation.user_agents, not seen yet


def standby(state: Pair, policy: Policy, now: float) -> dict[str, Any] | None:
    """How warm the standby is; None while it is not known which node that is."""
    name = state.standby(policy)
    if not name:
        return None
    checks = readiness(state, policy, now, name)
    figures = standby_figures(state, policy, now, name)
    source, target = state.nodes[state.active], state.nodes[name]
    return {
        "node": name,
        "ready": all(check.ok for check in checks if check.gates),
        "checks": [asdict(check) for check in checks],
        **{key: getattr(figures, key) if figures else None for key in _COUNTS},
        "mirror_age_s": compared_age_s(policy, now, source, target),
        "clock_s": shift_s(source, target),
    }


def phones(state: Pair, policy: Policy, now: float) -> dict[str, Any]:
    """One row a phone of the active node, and the sentence that sums them up."""
    active, name = state.active, state.standby(policy)
    if not active:
        says = "It is not known which node is active, so nothing can be said of the standby."
        return {"active": "", "standby": "", "says": says, "phones": []}
    figures = standby_figures(state, policy, now, name)
    says = figures.says() if figures else (
        f"The picture of {active} or of {name} is not in step now, so it cannot be told which "
        "phones are ready. See: asterisk-orchestrator status"
    )  # fmt: skip
    here = _by_phone(state.nodes[active], policy)
    there = _by_phone(state.nodes[name], policy)
    expiries = _expiries(state.nodes[active])
    rows = [
        {
            "phone": phone,
            "user_agent": contact.user_agent,
            "active": contact.status.value,
            "standby": there[phone].status.value if phone in there else "not known",
            "ready": phone not in figures.phones_missing if figures else None,
            "why": figures.phones_missing.get(phone, "") if figures else "",
            "expires_in_s": expiries[phone] - now if phone in expiries else None,
            **_habit(state, policy, contact.user_agent),
        }
        for phone, contact in sorted(here.items())
    ]
    return {"active": active, "standby": name, "says": says, "phones": rows}


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
