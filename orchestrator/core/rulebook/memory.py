"""The rules' memory as plain JSON data and back, for the durable record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from immutables import Map

from orchestrator.core.rulebook.types import RulePhase, RuleState
from orchestrator.core.rulebook.windows import Samples
from orchestrator.core.rules import states_of, windows_of
from orchestrator.core.state import RuleMemory


def to_json(memory: RuleMemory) -> dict[str, object]:
    """Timers and samples; what was only glanced at is left out."""
    return {
        "states": {key: _state_out(state) for key, state in sorted(states_of(memory).items())},
        "windows": [
            [path, seconds, kept.owner, kept.last, kept.rise, [list(p) for p in kept.points]]
            for (path, seconds), kept in sorted(windows_of(memory).items())
        ],
    }


def from_json(data: Mapping[str, Any]) -> RuleMemory:
    """The memory again. Timers went on meanwhile; conditions are looked at anew."""
    states = Map({key: _state_in(raw) for key, raw in data.get("states", {}).items()})
    windows = Map(
        {
            (path, seconds): Samples(owner, last, rise, tuple((t, r) for t, r in points))
            for path, seconds, owner, last, rise, points in data.get("windows", [])
        }
    )
    return Map(states=states, windows=windows)


def _state_out(state: RuleState) -> dict[str, object]:
    return {
        "phase": state.phase.value,
        "since": state.since,
        "clearing_since": state.clearing_since,
        "paused_at": state.paused_at,
        "acted_at": state.acted_at,
        "silenced": state.silenced,
        "fired_at": list(state.fired_at),
    }


def _state_in(raw: Mapping[str, Any]) -> RuleState:
    fields = {**raw, "phase": RulePhase(raw["phase"]), "fired_at": tuple(raw["fired_at"])}
    return RuleState(**fields)
