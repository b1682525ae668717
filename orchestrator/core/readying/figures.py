"""How warm a node is: of the phones and queues of the other one, which could it serve now. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.core.mirroring.sides import compared, readable, shift_s, source_of
from orchestrator.core.mirroring.wishes import is_cross_pause
from orchestrator.core.picture.listed import member_fields
from orchestrator.core.picture.phones import LOST, phones
from orchestrator.core.state import Contact, Node, Pair, Policy, Queue, QueueMember
from orchestrator.core.words import MirrorKind

_NOT_RUNG = frozenset({"unavailable", "invalid"})


@dataclass(frozen=True, slots=True)
class Figures:
    """Phones and queues of ``source`` on ``target``; ages in seconds."""

    source: str
    target: str
    phones: int
    phones_known: int
    phones_ready: int  # known, and reached by the target's own qualify, or not qualified by it
    phones_missing: Mapping[str, str]  # not ready -> why
    queues: int
    queues_known: int
    queues_ready: int  # every agent of the source is there, and could be rung
    queues_missing: Mapping[str, str]
    compared_age_s: float | None  # of the oldest comparison that counts; None: not since a loss
    clock_shift_s: float | None  # the target's clock minus the source's

    def says(self) -> str:
        """In one sentence for people."""
        queues = f", of {self.queues} queues {self.queues_ready}" if self.queues else ""
        return f"of {self.phones} phones {self.phones_ready}{queues} are ready on {self.target}"


def standby_figures(state: Pair, policy: Policy, now: float, name: str = "") -> Figures | None:
    """Of that node, else of the one that does not hold the address.

    None: either picture may not be believed now, or it is not known which node is active.
    """
    source_name = policy.other(name) if name else source_of(state, policy) or state.active
    if not source_name:
        return None
    source, target = state.nodes[source_name], state.nodes[policy.other(source_name)]
    if not all(readable(node, now, policy.stale_s) for node in (source, target)):
        return None
    here, there = _by_phone(source, policy), _by_phone(target, policy)
    missing = {
        phone: why
        for phone, contacts in sorted(here.items())
        if (why := _phone_lacks(state, policy, source, target, contacts, there.get(phone, [])))
    }
    queues = {queue.name: queue for queue in source.queues.values() if queue.members}
    lacking = {
        name: why
        for name, queue in sorted(queues.items())
        if (why := _queue_lacks(queue, target.queues.get(name), target.name))
    }
    return Figures(
        source=source.name,
        target=target.name,
        phones=len(here),
        phones_known=sum(phone in there or phone not in missing for phone in here),
        phones_ready=len(here) - len(missing),
        phones_missing=missing,
        queues=len(queues),
        queues_known=sum(
            name in target.queues and bool(target.queues[name].members) for name in queues
        ),
        queues_ready=len(queues) - len(lacking),
        queues_missing=lacking,
        compared_age_s=compared_age_s(policy, now, source, target),
        clock_shift_s=shift_s(source, target),
    )


def compared_age_s(policy: Policy, now: float, source: Node, target: Node) -> float | None:
    """How old the oldest of the comparisons is; None: one of them has not come yet."""
    if policy.mirror is None:
        return None
    times = [node.listing(kind).at for kind in compared(policy.mirror) for node in (source, target)]
    known = [at for at in times if at is not None]
    return max(0.0, now - min(known)) if known and len(known) == len(times) else None


def _by_phone(node: Node, policy: Policy) -> dict[str, list[Contact]]:
    found: dict[str, list[Contact]] = {}
    for contact in phones(node, policy):
        found.setdefault(contact.aor, []).append(contact)
    return found


def _phone_lacks(
    state: Pair,
    policy: Policy,
    source: Node,
    target: Node,
    here: list[Contact],
    there: list[Contact],
) -> str:
    """Why the target could not call the phone now; empty: it could."""
    if any(contact.status not in LOST for contact in there):
        return ""
    if there:
        lost = all(contact.status in LOST for contact in here)
        return "it answers neither node" if lost else f"{target.name} does not reach it"
    if all(contact.uri.startswith("SIP/") for contact in here):
        return "not mirrored (chan_sip): it must register anew"
    if policy.mirror is None or not policy.mirror.contacts:
        return "registrations are not mirrored"
    failures = state.mirror.backlog(MirrorKind.CONTACT).failures
    owned = source.listing(MirrorKind.CONTACT).owners.get(here[0].aor, frozenset())
    if state.mirror.shared and any(
        key in target.listing(MirrorKind.CONTACT).items for key in owned
    ):
        return ""  # it finds the registration when it calls; no event tells of it
    why = next((failures[key] for key in sorted(owned) if key in failures), "")
    return f"{target.name} did not take it: {why}" if why else f"{target.name} does not know it"


def _queue_lacks(queue: Queue, there: Queue | None, target: str) -> str:
    if there is None or not there.members:
        return f"{target} knows none of its agents"
    absent = [_name(m) for key, m in queue.members.items() if key not in there.members]
    if absent:
        return f"{target} lacks {_some(absent)}"
    both = [(member, there.members[key]) for key, member in queue.members.items()]
    deaf = [_name(m) for m, copy in both if _is_rung(m) and copy.status in _NOT_RUNG]
    if deaf:
        return f"{target} cannot ring {_some(deaf)}"
    unlike = [_name(m) for m, copy in both if _paused(m) != _paused(copy)]
    return f"on {target} the pause differs of {_some(unlike)}" if unlike else ""


def _is_rung(member: QueueMember) -> bool:
    return member.status not in _NOT_RUNG and not member.paused


def _paused(member: QueueMember) -> bool:
    return member.paused and not is_cross_pause(member_fields(member))


def _name(member: QueueMember) -> str:
    return member.name or member.interface


def _some(names: list[str]) -> str:
    """The first three, and how many more."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(sorted(names)[:3]) + more
