"""What must survive a restart of the orchestrator, as JSON and back.

Not the picture of the world: that is looked at anew. Only what we decided, and what we are owed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from immutables import Map

from orchestrator.core.evacuating.records import (
    evacuation_from_json,
    habits_from_json,
    habits_to_json,
)
from orchestrator.core.events import MoveRequested
from orchestrator.core.mirroring.memory import Ledger
from orchestrator.core.rulebook import memory as rule_memory
from orchestrator.core.state import (
    Habit,
    Hold,
    MirrorMemory,
    Move,
    MoveReport,
    Pair,
    RuleMemory,
    Waiting,
)
from orchestrator.core.words import AtDeadline, DrainMode, MoveKind, Phase

FORMAT = 1
# Of a move: what is asked anew after a restart is left out.
_TRANSIENT = frozenset(
    {"pending", "results", "attempt", "retry_lived_s", "phase_lived_s", "lone_lived_s",
     "recounted_lived_s", "since_lived_s"}
)  # fmt: skip
_ENUMS: dict[str, type[StrEnum]] = {
    "kind": MoveKind, "mode": DrainMode, "at_deadline": AtDeadline,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """What we owe a node, and whether an order to add the address may still reach it."""

    could_serve: bool = True
    adding: int = 0
    added: int = 0
    drain_flag: bool = False
    maintenance: frozenset[str] = frozenset()
    cross_paused: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Durable:
    """The journal's record of the pair."""

    phase: Phase = Phase.STEADY
    active: str = ""
    active_since: float = 0.0
    epoch: int = 0
    hold: Hold | None = None
    move: Move | None = None
    history: tuple[MoveReport, ...] = ()
    forgiven_at: float = 0.0
    next_command: int = 1
    next_move: int = 1
    waiting: Waiting | None = None
    nodes: Map[str, NodeRecord] = field(default_factory=Map)
    rules: RuleMemory = field(default_factory=Map)
    habits: Map[str, Habit] = field(default_factory=Map)
    # What the mirror wrote: thousands of keys, in a table of the journal's own.
    ledger: Ledger = field(default_factory=Map)

    def onto(self, state: Pair) -> Pair:
        """A fresh picture with these memories; it learns before it decides."""
        nodes = state.nodes
        for name, record in self.nodes.items():
            if name in nodes:
                values = {f.name: getattr(record, f.name) for f in fields(NodeRecord)}
                nodes = nodes.set(name, replace(nodes[name], **values))
        known = self.active in state.nodes
        move = self.move
        if move is not None and not {move.from_node, move.to_node} <= set(state.nodes):
            move = None  # the configuration has other nodes now
        return replace(
            state,
            nodes=nodes,
            recalled=self.active if known else "",
            active_since=self.active_since,
            phase_before=self.phase,
            epoch=self.epoch,
            hold=self.hold,
            move=move,
            history=self.history,
            forgiven_at=self.forgiven_at,
            next_command=self.next_command,
            next_move=self.next_move,
            waiting=self.waiting,
            rules=self.rules,
            habits=self.habits,
            mirror=MirrorMemory(ledger=self.ledger),
        )


def to_json(state: Pair) -> dict[str, object]:
    """What must be on disk before the commands of a step are carried out."""
    learning = state.phase is Phase.LEARNING
    return {
        "format": FORMAT,
        "phase": str(state.phase_before if learning else state.phase),
        "active": state.active or (state.recalled if learning else ""),
        "active_since": state.active_since,
        "epoch": state.epoch,
        "hold": _plain(state.hold),
        "move": _plain(state.move),
        "history": [_plain(report) for report in state.history],
        "forgiven_at": state.forgiven_at,
        "next_command": state.next_command,
        "next_move": state.next_move,
        "waiting": _plain(state.waiting),
        "nodes": {
            name: {f.name: _plain(getattr(node, f.name)) for f in fields(NodeRecord)}
            for name, node in sorted(state.nodes.items())
        },
        "rules": rule_memory.to_json(state.rules),
        "habits": habits_to_json(state.habits),
    }


def from_json(data: Mapping[str, Any]) -> Durable:
    """The record of ``to_json``. Raises ValueError when it is of another format."""
    if data.get("format") != FORMAT:
        raise ValueError(f"the record has format {data.get('format')}, this version reads {FORMAT}")
    waiting = data["waiting"]
    return Durable(
        phase=Phase(data["phase"]),
        active=data["active"],
        active_since=data["active_since"],
        epoch=data["epoch"],
        hold=Hold(**data["hold"]) if data["hold"] else None,
        move=_move(data["move"]),
        history=tuple(MoveReport(**_typed(report)) for report in data["history"]),
        forgiven_at=data.get("forgiven_at", 0.0),
        next_command=data["next_command"],
        next_move=data["next_move"],
        waiting=(
            Waiting(**{**waiting, "request": MoveRequested(**_typed(waiting["request"]))})
            if waiting
            else None
        ),
        nodes=Map({
            name: NodeRecord(**{**node, **{
                key: frozenset(node.get(key, ())) for key in ("maintenance", "cross_paused")
            }})
            for name, node in data["nodes"].items()
        }),
        rules=rule_memory.from_json(data["rules"]),
        habits=Map(habits_from_json(data.get("habits", {}))),
    )  # fmt: skip


def _move(data: Mapping[str, Any] | None) -> Move | None:
    if not data:
        return None
    evacuation = evacuation_from_json(data.get("evacuation"))
    return replace(Move(**{**_typed(data), "evacuation": None}), evacuation=evacuation)


def _plain(value: object) -> object:
    """Frozen dataclasses, enums and sets as JSON's own types."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, frozenset):
        return sorted(_plain(item) for item in value)  # type: ignore[type-var]
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    names = [f.name for f in fields(value)]  # type: ignore[arg-type]
    return {name: _plain(getattr(value, name)) for name in names if name not in _TRANSIENT}


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    typed: dict[str, Any] = {}
    for name, value in values.items():
        if name in _ENUMS and value is not None:
            typed[name] = _ENUMS[name](value)
        else:
            typed[name] = tuple(value) if isinstance(value, list) else value
    return typed
