"""Stated trunks, phones and queues as the objects that the picture of a node is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from immutables import Map

from orchestrator.core.facts.lists import REACHED
from orchestrator.core.state import Contact, Queue, QueueCaller, QueueMember, Registration
from orchestrator.core.words import ContactStatus, RegistrationStatus

Item = Mapping[str, Any]  # attribute -> value, None: unknown
_STATUS_OF: Final = {reached: status for status, reached in REACHED.items()}


@dataclass(frozen=True, slots=True)
class Trunk:
    """A trunk as one node sees it."""

    name: str
    registration: Registration
    contact: Contact


def contact(item: Item, number: int, now: float) -> Contact:
    """A phone; what is not stated is made up (``aor``, ``uri``) or unknown."""
    aor = str(item.get("aor") or 1000 + number)
    uri = str(item.get("uri") or f"sip:{aor}@192.0.2.{number % 250 + 1}:{5060 + number // 250}")
    rtt = item.get("rtt")
    return Contact(
        aor=aor,
        uri=uri,
        status=_contact_status(item),
        since=now - (item.get("status_for") or 0.0),
        rtt_ms=None if rtt is None else rtt * 1000,
        user_agent=item.get("user_agent") or "",
    )


def _contact_status(item: Item) -> ContactStatus:
    if item.get("status") is not None:
        return ContactStatus(item["status"])
    if "status" in item or "reachable" in item:
        reached = item.get("reachable")
        return ContactStatus.UNKNOWN if reached is None else _STATUS_OF[reached]
    return ContactStatus.REACHABLE


def trunk(item: Item, number: int, now: float) -> Trunk:
    """A trunk; one of which nothing is said but its name is registered and reachable."""
    name = str(item.get("name") or f"trunk-{number + 1}")
    since = now - (item.get("status_for") or 0.0)
    registration = Registration(
        name, f"sip:{name}@client", f"sip:{name}@provider", _registration_status(item), since,
        item.get("cause") or "",
    )  # fmt: skip
    reached = item.get("reachable", True)
    status = ContactStatus.UNQUALIFIED if reached is None else _STATUS_OF[reached]
    return Trunk(name, registration, Contact(name, f"sip:{name}.provider", status, now))


def _registration_status(item: Item) -> RegistrationStatus:
    if item.get("status") is not None:
        return RegistrationStatus(item["status"])
    if "status" in item:
        return RegistrationStatus.UNKNOWN
    registered = item.get("registered", True)
    if registered is None:
        return RegistrationStatus.UNKNOWN
    return RegistrationStatus.REGISTERED if registered else RegistrationStatus.UNREGISTERED


def queue(item: Item, number: int, now: float) -> Queue:
    """A queue with as many agents and callers; agents that are neither free nor paused talk."""
    free, paused = int(item.get("agents_free") or 0), int(item.get("agents_paused") or 0)
    agents = max(int(item.get("agents") or 0), free + paused)
    members = {
        f"PJSIP/{number}{index:03}": _member(f"PJSIP/{number}{index:03}", index, free, paused)
        for index in range(agents)
    }
    longest = item.get("longest_wait") or 0.0
    callers = {
        f"waits-{index}": QueueCaller(f"waits-{index}", index + 1, "", now - (not index) * longest)
        for index in range(int(item.get("callers") or 0))
    }
    return Queue(str(item.get("name") or f"queue-{number + 1}"), Map(members), Map(callers))


def _member(interface: str, index: int, free: int, paused: int) -> QueueMember:
    talks = index >= free + paused
    return QueueMember(
        interface=interface,
        name=interface,
        penalty=0,
        paused=free <= index < free + paused,
        pause_reason="",
        in_call=talks,
        status="inuse" if talks else "not_inuse",
    )


def repeated(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each item as often as it says by ``times``; names that are numbers are counted up."""
    for item in items:
        for index in range(int(item.get("times", 1))):
            one = {key: value for key, value in item.items() if key != "times"}
            for name in ("aor", "name", "uri"):
                if index and one.get(name):
                    one[name] = _counted(str(one[name]), index)
            yield one


def _counted(name: str, index: int) -> str:
    return str(int(name) + index).zfill(len(name)) if name.isdigit() else f"{name}-{index + 1}"
