"""A pair whose facts are what somebody says they are. It is well unless stated otherwise.

Verdicts, roles, moves, holds and lists (trunks, phones, queues) become the picture that the rules
know from the service; single facts are statements that win over it. A node that is lost is one
whose picture grew stale: what rules would read from it is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from immutables import Map

from orchestrator.core.facts.node import NODE
from orchestrator.core.facts.schema import PAIR
from orchestrator.core.language.types import Kind
from orchestrator.core.rulebook.memory import from_json, to_json
from orchestrator.core.state import (
    Hold,
    Move,
    Node,
    NodePolicy,
    Observation,
    Policy,
    TrunkPolicy,
)
from orchestrator.core.words import MoveKind, Observer, Outcome, Phase, Verdict
from orchestrator.rehearsal import items
from orchestrator.rehearsal.stated import Since, StatedPair

_PARTS: Final = {"trunks": "registrations", "contacts": "contacts", "queues": "queues"}
_GOES_ON: Final = {  # what is of the picture is renewed with it, such as mirror_age
    name
    for name, fact in NODE.attributes.items()
    if fact.type.kind is Kind.DURATION and "clock" in fact.sources and "fresh" not in fact.sources
}
_WHY: Final = "so it is stated"


class World:
    """The pair at one moment; ``now`` is set by whoever lets time pass."""

    def __init__(self, policy: Policy, now: float, *, well: bool = True) -> None:
        """Well, the first node active, with one trunk; or nothing is known of either node."""
        first, second = (node.name for node in policy.nodes)
        self.now = now
        self.policy = policy
        nodes = {first: _well(first, True, now), second: _well(second, False, now)}
        self.state = StatedPair(
            nodes=Map(nodes if well else {name: Node(name, verdict_since=now) for name in nodes}),
            now=now,
            phase=Phase.STEADY,
            phase_since=now,
            active=first,
            active_since=now,
        )
        self.lost: frozenset[str] = frozenset(() if well else nodes)
        self._phones: dict[str, tuple[items.Item, ...]] = dict.fromkeys(nodes, ())
        self._trunks: dict[str, Sequence[items.Item]] = {}
        if well:
            self._list_trunks(first, [{"name": "trunk"}])

    # --- who is who ------------------------------------------------------------------------------

    def node_of(self, root: str) -> str:
        """The node that ``active``, ``standby``, ``preferred`` or a name means; empty: nobody."""
        roles = {
            "active": self.state.active,
            "standby": self.state.standby(self.policy),
            "preferred": self.policy.preferred,
        }
        return roles.get(root, root)

    def make_active(self, node: str) -> None:
        """From now on this node is active; empty: nobody knows which one."""
        self.state = replace(self.state, active=node, active_since=self.now)
        for name in self.state.nodes:
            self._node(name, holds_address=name == node)

    def lose(self, node: str) -> None:
        """Its picture is stale from now on."""
        self.lost |= {node}
        self._node(node, confirmed_at=None, address_at=None)

    def regain(self, node: str) -> None:
        """Its picture is kept again."""
        self.lost -= {node}
        self.confirm()

    def confirm(self) -> None:
        """What is not lost is seen to be so, often enough to be believed."""
        for name, node in self.state.nodes.items():
            if name not in self.lost and not node.fresh(self.now, self.policy.stale_s / 2):
                self._node(name, confirmed_at=self.now, address_at=self.now)

    def restart(self) -> None:
        """The service starts anew: the journal keeps the rules' memory, counts begin at 0."""
        counters = {name for name, found in NODE.attributes.items() if found.counter}
        stated = {key: to for key, to in self.state.stated.items() if key[1] not in counters}
        memory = from_json(to_json(self.state.rules))
        self.state = replace(self.state, stated=Map(stated), rules=memory)

    # --- facts -----------------------------------------------------------------------------------

    def set(self, node: str, attribute: str, value: Any) -> None:
        """A fact of a node, or of ``pair`` or ``failback``. None: unknown. Lists: their items."""
        if node == PAIR.name and attribute in _PAIR_FACTS:
            self._set_pair(attribute, value)
        elif node not in self.state.nodes:
            self._state(node, attribute, value)
        elif attribute in ("verdict", "verdict_why", "verdict_for"):
            self._set_verdict(node, attribute, value)
        elif attribute in _PARTS:
            self._set_list(node, attribute, value)
        else:
            self._state(node, attribute, value)

    def rise(self, node: str, counter: str, by: float) -> None:
        """Let a counter rise."""
        before = self.state.stated.get((node, counter), 0.0) or 0.0
        self._state(node, counter, before + by)

    def _state(self, owner: str, attribute: str, value: Any) -> None:
        if owner in self.state.nodes and attribute in _GOES_ON and value is not None:
            value = Since(self.now - value)
        self.state = replace(self.state, stated=self.state.stated.set((owner, attribute), value))

    def begin(self, node: str, attribute: str, at: float | None) -> None:
        """A duration that goes on with the clock since then (epoch seconds). None: unknown."""
        value = None if at is None else Since(at)
        self.state = replace(self.state, stated=self.state.stated.set((node, attribute), value))

    def unlist(self, node: str, parts: Iterable[str]) -> None:
        """The parts that the node could not be asked for."""
        self._node(node, missing=frozenset(parts))

    def _set_verdict(self, node: str, attribute: str, value: Any) -> None:
        if attribute == "verdict":
            verdict = Verdict(value) if value else Verdict.UNKNOWN
            self._node(node, verdict=verdict, verdict_since=self.now, verdict_why=_WHY)
        elif attribute == "verdict_why":
            self._node(node, verdict_why=value or "")
        else:
            self._node(node, verdict_since=self.now - (value or 0.0))

    def _set_pair(self, attribute: str, value: Any) -> None:
        changes = _PAIR_FACTS[attribute](self, value)
        self.state = replace(self.state, **changes)

    def move(self, kind: str | None) -> Move | None:
        """A move of that kind, begun now."""
        if not kind:
            return None
        old, new = self.state.active, self.state.standby(self.policy)
        return Move(1, MoveKind(kind), old, new, "operator", "", self.now, self.now)

    # --- the picture -----------------------------------------------------------------------------

    def _set_list(self, node: str, attribute: str, value: list[dict[str, Any]] | None) -> None:
        """All items of the list; None: the node could not be asked for them."""
        missing, part = self.state.nodes[node].missing, _PARTS[attribute]
        self._node(node, missing=missing | {part} if value is None else missing - {part})
        listed = list(items.repeated(value or []))
        if attribute == "trunks":
            self._list_trunks(node, listed)
        elif attribute == "contacts":
            self._phones[node] = tuple(listed)
            self._list_contacts(node, self._made_trunks(node))
        else:
            made = [items.queue(item, number, self.now) for number, item in enumerate(listed)]
            self._node(node, queues=Map({queue.name: queue for queue in made}))

    def _list_trunks(self, node: str, trunks: Sequence[items.Item]) -> None:
        self._trunks[node] = trunks
        made = {name: self._made_trunks(name) for name in self.state.nodes}
        names = dict.fromkeys(trunk.name for known in made.values() for trunk in known)
        policies = tuple(TrunkPolicy(name, name) for name in names)
        self.policy = replace(self.policy, trunks=policies)
        for name, known in made.items():
            self._list_contacts(name, known)

    def _made_trunks(self, node: str) -> list[items.Trunk]:
        """Where nothing is stated of the other node, it reaches the same trunks, unregistered."""
        others = next(iter(self._trunks.values()), ())
        spare = [{"name": items.trunk(item, n, 0).name, "registered": False}
                 for n, item in enumerate(others)]  # fmt: skip
        listed = self._trunks.get(node, spare)
        return [items.trunk(item, number, self.now) for number, item in enumerate(listed)]

    def _list_contacts(self, node: str, trunks: Sequence[items.Trunk]) -> None:
        """Phones and trunks share Asterisk's table of contacts."""
        known = [items.contact(item, number, self.now) for number, item in
                 enumerate(self._phones[node])]  # fmt: skip
        contacts = [*known, *(trunk.contact for trunk in trunks)]
        registrations = {(t.registration.client_uri, t.registration.server_uri): t.registration
                         for t in trunks}  # fmt: skip
        self._node(
            node,
            contacts=Map({f"{contact.aor}/{contact.uri}": contact for contact in contacts}),
            registrations=Map(registrations),
        )

    def _node(self, name: str, **changes: Any) -> None:
        node = replace(self.state.nodes[name], **changes)
        self.state = replace(self.state, nodes=self.state.nodes.set(name, node))


def policy_of(nodes: tuple[str, str]) -> Policy:
    """A site of which nothing is decided but the names of its nodes; the first is preferred."""
    first, second = nodes
    return Policy(
        nodes=(
            NodePolicy(first, "192.0.2.251", preferred=True),
            NodePolicy(second, "192.0.2.252"),
        ),
    )


_PAIR_FACTS: Final[Mapping[str, Any]] = {
    "phase": lambda world, to: {"phase": Phase(to), "phase_since": world.now},
    "phase_for": lambda world, to: {"phase_since": world.now - to},
    "moving": lambda world, to: {"move": world.move(MoveKind.SWITCHOVER if to else None)},
    "move": lambda world, to: {"move": world.move(to)},
    "held": lambda world, to: {"hold": Hold("operator", "", world.now) if to else None},
    "hold_reason": lambda world, to: {"hold": Hold("operator", to, world.now) if to else None},
    "epoch": lambda world, to: {"epoch": int(to)},
    "active_for": lambda world, to: {"active_since": world.now - to},
}


def _well(name: str, active: bool, now: float) -> Node:
    """A node that is healthy in every respect."""
    return Node(
        name,
        observations=Map({Observer.HOST: Observation(Outcome.ANSWERS, now, 0.0, now)}),
        verdict=Verdict.HEALTHY,
        verdict_since=now,
        verdict_why="AMI and SIP answer",
        confirmed_at=now,
        in_sync=True,
        asterisk_version="22.10.1",
        holds_address=active,
        address_at=now,
    )
