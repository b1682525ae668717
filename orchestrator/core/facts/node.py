"""What rules can read of a node. A picture that is stale, or never came, is unknown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from orchestrator.core.facts.lists import (
    CONTACT,
    QUEUE,
    TRUNK,
    TrunkView,
    age,
    registered,
    trunk_views,
    word,
    words,
)
from orchestrator.core.facts.pictured import Read, once, picture, pictured
from orchestrator.core.facts.warm import WARM, other
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
from orchestrator.core.picture.calls import calls_in_progress
from orchestrator.core.picture.phones import known, reachable
from orchestrator.core.picture.phones import phones as phones
from orchestrator.core.readiness import gating, missing
from orchestrator.core.state import Contact, Node
from orchestrator.core.words import Role, Verdict

# What a source is read from; the second word tells whether it changes so often, or costs so much to
# look through, that rules look at it only a few times a second (rules: ``PACE_S``).
SOURCES: Final[dict[str, tuple[Callable[[Node, Look], object], bool]]] = {
    "name": (lambda node, _: node.name, False),
    "verdict": (lambda node, _: node.verdict, False),
    "why": (lambda node, _: node.verdict_why, False),
    "fresh": (lambda node, look: node.fresh(look.now, look.policy.stale_s), False),
    "missing": (lambda node, _: node.missing, False),
    "address": (lambda node, _: node.holds_address, False),
    "shutdown": (lambda node, _: node.shutting_down, False),
    "version": (lambda node, _: node.asterisk_version, False),
    "registrations": (lambda node, _: node.registrations, False),
    "contacts": (lambda node, _: node.contacts, True),
    "channels": (lambda node, _: node.channels, True),
    "queues": (lambda node, _: node.queues, True),
    "counters": (lambda node, _: node.counters, True),
    "other's contacts": (lambda node, look: _table(other(node, look), "contacts"), True),
    "other's queues": (lambda node, look: _table(other(node, look), "queues"), True),
}


def _table(node: Node | None, name: str) -> object:
    return None if node is None else getattr(node, name)


# --- readers -------------------------------------------------------------------------------------


def _role(node: Node, look: Look) -> str | None:
    if not look.state.active:
        return None
    return Role.ACTIVE if node.name == look.state.active else Role.STANDBY


def _holds_address(node: Node, look: Look) -> bool | None:
    recent = node.address_at is not None and age(node.address_at, look) <= look.policy.stale_s
    return node.holds_address if recent else None


_trunks = once("trunks", trunk_views)


def _trunks_that(ask: Callable[[TrunkView, Look], bool | None]) -> Read:
    def run(node: Node, look: Look) -> float | None:
        answers = [ask(trunk, look) for trunk in _trunks(node, look)]
        return None if None in answers else float(sum(map(bool, answers)))

    return run


def _phones(node: Node, look: Look) -> Sequence[Contact]:
    return phones(node, look.policy)


_phones_once = once("contacts", _phones)


def _phones_known(node: Node, look: Look) -> float:
    return float(known(_phones_once(node, look)))


def _phones_reachable(node: Node, look: Look) -> float:
    return float(reachable(_phones_once(node, look)))


def _calls(node: Node, look: Look) -> float:
    policy = look.policy
    return float(len(calls_in_progress(node, policy, look.now, policy.stuck_after_s)))


def _ready(node: Node, look: Look) -> bool | None:
    checks = gating(look.state, look.policy, look.now, node.name)
    answers = [check.ok for check in checks]
    if False in answers:
        return False
    return None if None in answers else True


def _missing(node: Node, look: Look) -> str:
    return "; ".join(missing(look.state, look.policy, look.now, node.name)) or "nothing"


def _counter(name: str, doc: str) -> Attribute:
    read = pictured(lambda node, _: float(getattr(node.counters, name)))
    return Attribute(NUMBER, doc, read, ("fresh", "counters"), counter=True)


# --- the record ----------------------------------------------------------------------------------

_JUDGED: Final = {
    "name": Attribute(TEXT, "its name in the configuration", lambda n, _: n.name, ("name",)),
    "role": Attribute(words(Role), "active or standby; unknown while learning", _role, ("name",)),
    "verdict": Attribute(
        words(Verdict),
        "what all observers together say",
        lambda n, _: word(n.verdict),
        ("verdict",),
    ),
    "verdict_for": Attribute(
        DURATION,
        "how long the verdict has been so",
        lambda n, look: age(n.verdict_since, look),
        ("verdict", "clock"),
    ),
    "verdict_why": Attribute(
        TEXT,
        "why, in a sentence",
        lambda n, _: n.verdict_why.removeprefix(f"{n.name}: "),
        ("why",),
    ),
    "ready": Attribute(
        BOOL,
        "it could take over now (see status)",
        once("ready", _ready),
        ("verdict", "fresh", "clock"),
    ),
    "missing": Attribute(
        TEXT, "what it lacks for that, in words", once("missing", _missing), ("clock",)
    ),
    "holds_address": Attribute(
        BOOL, "its host has the virtual IP", _holds_address, ("address", "clock")
    ),
    "shutting_down": Attribute(
        BOOL, "Asterisk said goodbye", lambda n, _: n.shutting_down, ("shutdown",)
    ),
    "asterisk_version": Attribute(
        TEXT, "of Asterisk", lambda n, _: n.asterisk_version or None, ("version",)
    ),
    "uptime": Attribute(
        DURATION,
        "since Asterisk started",
        lambda n, look: None if n.booted_at is None else age(n.booted_at, look),
        ("version", "clock"),
    ),
}
_TABLES: Final = {
    "trunks": picture(
        Type(Kind.LIST, of=TRUNK),
        "the trunks of the configuration",
        "trunks",
        trunk_views,
        "registrations",
        "contacts",
    ),
    "trunks_registered": picture(
        NUMBER,
        "trunks registered from here",
        "trunks registered",
        _trunks_that(registered),
        "registrations",
    ),
    "trunks_reachable": picture(
        NUMBER,
        "trunks whose provider answers this node",
        "trunks reachable",
        _trunks_that(lambda trunk, _: trunk.reachable),
        "contacts",
    ),
    "contacts": picture(
        Type(Kind.LIST, of=CONTACT),
        "phones, without trunks and the other node",
        "contacts",
        _phones,
        "contacts",
    ),
    "phones_known": picture(
        NUMBER, "phones registered, each counted once", "phones", _phones_known, "contacts"
    ),
    "phones_reachable": picture(
        NUMBER,
        "phones that answer, or that are not asked (no qualify)",
        "reachable phones",
        _phones_reachable,
        "contacts",
    ),
    "calls": picture(
        NUMBER,
        "calls in progress, also ringing and waiting ones; without stuck channels",
        "calls",
        _calls,
        "channels",
    ),
    "channels": picture(
        NUMBER,
        "channels, also ringing ones",
        "channels",
        lambda n, _: float(len(n.channels)),
        "channels",
    ),
    "queues": picture(
        Type(Kind.LIST, of=QUEUE),
        "queues with their agents and callers",
        "queues",
        lambda n, _: tuple(n.queues.values()),
        "queues",
    ),
}
_COUNTERS: Final = {
    name: _counter(name, doc)
    for name, doc in {
        "calls_attempted": "calls begun",
        "calls_answered": "calls answered",
        "calls_failed": "calls that failed by network or equipment",
        "trunk_calls_attempted": "calls begun over a trunk",
        "trunk_calls_failed": "calls over a trunk that failed by network or equipment",
        "contacts_lost": "phones that became unreachable or whose registration ended",
        "registrations_lost": "trunk registrations lost",
        "callers_abandoned": "callers who hung up while waiting in a queue",
        "reloads": "reloads of Asterisk's configuration",
        "events_dropped": "AMI events that could not be taken in",
    }.items()
}

NODE: Final = Record("node", "One Asterisk host.", {**_JUDGED, **_TABLES, **WARM, **_COUNTERS})
