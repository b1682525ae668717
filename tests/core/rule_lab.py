"""A pair that stands still until a test changes it, and rules that are played on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from textwrap import indent

from immutables import Map

from orchestrator.config.rule_files import load_rules
from orchestrator.core.rulebook.explain import explain
from orchestrator.core.rulebook.memory import from_json, to_json
from orchestrator.core.rules import Request, RuleSet, evaluate
from orchestrator.core.state import (
    Contact,
    Counters,
    Node,
    NodePolicy,
    Observation,
    Pair,
    Policy,
    Registration,
    TrunkPolicy,
)
from orchestrator.core.words import (
    ContactStatus,
    Observer,
    Outcome,
    Phase,
    RegistrationStatus,
    Verdict,
)

START = 1_800_000_000.0  # Fri 2027-01-15 08:00 UTC
POLICY = Policy(
    nodes=(NodePolicy("pbx-a", "10.77.0.11", preferred=True), NodePolicy("pbx-b", "10.77.0.12")),
    trunks=(TrunkPolicy("trunk-reg", "trunk"),),
)


def trunk(reachable: bool | None, registered: bool) -> dict[str, object]:
    """The tables of a node whose only trunk is so."""
    status = RegistrationStatus.REGISTERED if registered else RegistrationStatus.UNREGISTERED
    seen = {
        True: ContactStatus.REACHABLE,
        False: ContactStatus.UNREACHABLE,
        None: ContactStatus.UNQUALIFIED,
    }[reachable]
    registration = Registration("trunk-reg", "sip:u@p", "sip:p", status, START)
    contact = Contact("trunk", "sip:10.77.0.30", seen, START)
    return {
        "registrations": Map({("sip:u@p", "sip:p"): registration}),
        "contacts": Map({contact.uri: contact}),
    }


def phones(
    count: int, lost: int = 0, first: int = 1000, keep: Map[str, Contact] | None = None
) -> Map[str, Contact]:
    """Contacts of so many phones, some of them unreachable, beside those that are kept."""
    contacts = keep or Map()
    for index in range(count):
        status = ContactStatus.UNREACHABLE if index < lost else ContactStatus.REACHABLE
        uri = f"sip:{first + index}@10.77.0.20:5{first + index}"
        contacts = contacts.set(uri, Contact(str(first + index), uri, status, START))
    return contacts


def well(name: str, active: bool) -> Node:
    """A node that is healthy in every respect."""
    host = Observation(Outcome.ANSWERS, START, 0.0, START)
    return Node(
        name,
        observations=Map({Observer.HOST: host}),
        verdict=Verdict.HEALTHY,
        verdict_since=START,
        verdict_why="AMI and SIP answer",
        confirmed_at=START,
        in_sync=True,
        asterisk_version="22.10.1",
        holds_address=active,
        address_at=START,
        counters=Counters(),
        **trunk(reachable=True, registered=active),  # type: ignore[arg-type]
    )


class Play:
    """Virtual time, a pair, rules; remembers what was asked for."""

    def __init__(self, rules: RuleSet, policy: Policy = POLICY) -> None:
        self.rules = rules
        self.policy = policy
        self.now = START
        self.state = Pair(
            nodes=Map({"pbx-a": well("pbx-a", True), "pbx-b": well("pbx-b", False)}),
            phase=Phase.STEADY,
            active="pbx-a",
            active_since=START,
        )

    def node(self, name: str, **changes: object) -> None:
        node = replace(self.state.nodes[name], **changes)  # type: ignore[arg-type]
        self.state = replace(self.state, nodes=self.state.nodes.set(name, node))

    def count(self, name: str, **changes: int) -> None:
        """Raise counters of a node."""
        counters = self.state.nodes[name].counters
        raised = {key: getattr(counters, key) + by for key, by in changes.items()}
        self.node(name, counters=replace(counters, **raised))  # type: ignore[arg-type]

    def pair(self, **changes: object) -> None:
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]

    def verdict(self, name: str, verdict: Verdict, why: str = "two observers say so") -> None:
        self.node(name, verdict=verdict, verdict_since=self.now, verdict_why=why)

    def step(self) -> tuple[Request, ...]:
        memory, requests = evaluate(self.rules, self.state, self.policy, self.now)
        self.pair(rules=memory)
        return requests

    def run(
        self, seconds: float, pace: float = 0.5, stale: frozenset[str] = frozenset()
    ) -> list[Request]:
        """Step through so much time; nodes are confirmed on the way unless they are stale."""
        asked: list[Request] = []
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now = min(self.now + pace, end)
            for name in ("pbx-a", "pbx-b"):
                if name not in stale:
                    self.node(name, confirmed_at=self.now, address_at=self.now)
            asked += self.step()
        return asked

    def restart(self) -> None:
        """The service starts anew; only what the journal keeps is left."""
        self.pair(rules=from_json(to_json(self.state.rules)))

    def explain(self, name: str | None = None) -> str:
        return "\n".join(explain(self.rules, self.state, self.policy, self.now, name))


def write_rules(folder: Path, text: str) -> Path:
    """A rule file with these rules."""
    path = folder / "rules.yaml"
    path.write_text("rules:\n" + indent(text.strip("\n"), "  ") + "\n")
    return path


def rules_of(folder: Path, text: str) -> RuleSet:
    return load_rules([write_rules(folder, text)], nodes=("pbx-a", "pbx-b"))


def asks(requests: list[Request] | tuple[Request, ...]) -> list[str]:
    """``rule:ask`` of each, for comparing."""
    return [f"{request.rule}:{request.ask.value}" for request in requests]
