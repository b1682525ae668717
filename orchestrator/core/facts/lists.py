"""What rules can read of one trunk, contact, queue, agent or call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from orchestrator.core.language.types import (
    BOOL,
    DURATION,
    NUMBER,
    TEXT,
    Attribute,
    Kind,
    Look,
    Record,
    Type,
)
from orchestrator.core.state import Contact, Node, Queue, Registration, TrunkPolicy
from orchestrator.core.words import ContactStatus, RegistrationStatus

REACHED: Final = {ContactStatus.REACHABLE: True, ContactStatus.UNREACHABLE: False}
FREE: Final = ("not_inuse", "not in use")


def words(enum: type[StrEnum]) -> Type:
    """The type of a fact that is one of an enumeration's words; its unknown is no word."""
    return Type(Kind.WORD, tuple(member.value for member in enum if member.value != "unknown"))


def word(value: StrEnum) -> str | None:
    """The word, or unknown."""
    return None if value.value == "unknown" else value.value


def age(since: float, look: Look) -> float:
    """Seconds since then; never below 0, whatever the clocks of others say."""
    return max(0.0, look.now - since)


# --- trunks ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TrunkView:
    """A trunk of the policy as one node sees it."""

    name: str
    registration: Registration | None
    contacts: tuple[Contact, ...]

    @property
    def reachable(self) -> bool | None:
        """By the qualify of its contacts; without qualify it is unknown."""
        seen = [REACHED.get(contact.status) for contact in self.contacts]
        if True in seen:
            return True
        return False if seen and None not in seen else None


def trunk_views(node: Node, look: Look) -> Sequence[TrunkView]:
    """The trunks of the policy, with what the node knows of each."""
    trunks = look.policy.trunks
    endpoints = {trunk.endpoint for trunk in trunks}
    contacts = [c for c in node.contacts.values() if c.aor in endpoints]
    return [
        TrunkView(
            trunk.endpoint,
            _registration(node, trunk),
            tuple(c for c in contacts if c.aor == trunk.endpoint),
        )
        for trunk in trunks
    ]


def _registration(node: Node, trunk: TrunkPolicy) -> Registration | None:
    for registration in node.registrations.values():
        named = registration.name == trunk.registration
        uris = registration.client_uri, registration.server_uri
        if named or (trunk.server_uri and uris == (trunk.client_uri, trunk.server_uri)):
            return registration
    return None


def _status(trunk: TrunkView, _: Look) -> str | None:
    return word(trunk.registration.status) if trunk.registration else None


def registered(trunk: TrunkView, look: Look) -> bool | None:
    """Whether the provider took the registration."""
    status = _status(trunk, look)
    return None if status is None else status == RegistrationStatus.REGISTERED


TRUNK: Final = Record(
    "trunk",
    "A trunk of the configuration, as this node sees it.",
    {
        "name": Attribute(TEXT, "its endpoint", lambda t, _: t.name),
        "status": Attribute(words(RegistrationStatus), "of its registration", _status),
        "status_for": Attribute(
            DURATION,
            "how long its registration has been so",
            lambda t, look: age(t.registration.since, look) if t.registration else None,
            ("clock",),
        ),
        "registered": Attribute(BOOL, "the provider took its registration", registered),
        "reachable": Attribute(
            BOOL, "the provider answers this node's OPTIONS (qualify)", lambda t, _: t.reachable
        ),
        "cause": Attribute(
            TEXT,
            "what the provider said to its registration",
            lambda t, _: t.registration.cause if t.registration else None,
        ),
    },
    few=True,
)


# --- phones ------------------------------------------------------------


def _rtt(contact: Contact, _: Look) -> float | None:
    return None if contact.rtt_ms is None else contact.rtt_ms / 1000


CONTACT: Final = Record(
    "contact",
    "A registered phone: one for each place it registered from.",
    {
        "aor": Attribute(TEXT, "address of record, mostly the extension", lambda c, _: c.aor),
        "uri": Attribute(TEXT, "where it is reached", lambda c, _: c.uri),
        "status": Attribute(words(ContactStatus), "by qualify", lambda c, _: word(c.status)),
        "status_for": Attribute(
            DURATION, "how long it has been so", lambda c, look: age(c.since, look), ("clock",)
        ),
        "reachable": Attribute(
            BOOL,
            "answers OPTIONS; unknown without qualify",
            lambda c, _: REACHED.get(c.status),
        ),
        "rtt": Attribute(DURATION, "round trip of the last OPTIONS", _rtt),
        "user_agent": Attribute(TEXT, "what it calls itself", lambda c, _: c.user_agent or None),
    },
    label="aor",
)


# --- queues ------------------------------------------------------------


def _free(queue: Queue, _: Look) -> float:
    members = queue.members.values()
    return float(sum(not m.paused and not m.in_call and m.status in FREE for m in members))


def _longest_wait(queue: Queue, look: Look) -> float:
    return max((age(c.joined_at, look) for c in queue.callers.values()), default=0.0)


def _size(name: str) -> Any:
    return lambda queue, _: float(len(getattr(queue, name)))


QUEUE: Final = Record(
    "queue",
    "A queue of app_queue.",
    {
        "name": Attribute(TEXT, "its name", lambda q, _: q.name),
        "agents": Attribute(NUMBER, "agents logged in", _size("members")),
        "agents_free": Attribute(NUMBER, "agents who could take a call now", _free),
        "agents_paused": Attribute(
            NUMBER,
            "agents on a break",
            lambda q, _: float(sum(m.paused for m in q.members.values())),
        ),
        "callers": Attribute(NUMBER, "callers who wait", _size("callers")),
        "longest_wait": Attribute(
            DURATION,
            "of the caller who has waited longest; 0 when nobody waits",
            _longest_wait,
            ("clock",),
        ),
    },
)
