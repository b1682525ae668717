"""What is remembered of calls that are carried over, and of what phones do with a REFER.

All of it is durable (core/durable.py) but what is said to be of this run only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from orchestrator.core.commands import LegPlan
from orchestrator.core.words import Carry, LegRole, LegStep, ReferHabit

RESTARTED = -1.0  # ``CarriedCall.since_lived_s``: not looked at since the orchestrator's restart


class CallFate(StrEnum):
    """How a call fares that was, or was not, carried over."""

    UNDER_WAY = "under way"
    CARRIED = "carried"  # all its legs are on the new node
    LINKED = "linked"  # it goes on over both nodes: the old one is still in its path
    STAYED = "stayed"  # on the old node, as it was
    LOST = "lost"  # it ended on the way


@dataclass(frozen=True, slots=True)
class CarriedLeg:
    """One leg of a call that was sent."""

    plan: LegPlan
    uniqueid: str  # of its channel on the old node
    user_agent: str = ""
    step: LegStep | None = None  # the last the old node told of it
    arrived: bool = False  # the new node has it
    joined: bool = False  # the new node said that it talks with the other one there
    arrived_as: str = ""  # its channel's uniqueid there, where it is known
    arrived_by: str = ""  # the endpoint it came by, where that was told
    gone: bool = False  # its channel on the old node has ended


@dataclass(frozen=True, slots=True)
class CarriedCall:
    """A call that was sent, or that stays for a reason that will not go away by itself."""

    key: str  # which call of the old node: its linkedid; ``member`` and uniqueid in a conference
    id: str  # what the nodes know its evacuation by; new for each try
    words: str  # who with whom, for people
    fate: CallFate
    legs: tuple[CarriedLeg, ...] = ()
    why: str = ""
    tries: int = 0
    asked_at: float = 0.0  # epoch seconds
    since_lived_s: float = RESTARTED  # lived time when it was last sent or called back
    sent: bool = False  # the old node said that the order was carried out
    refused: str = ""  # why the order to send it was not carried out, where that was said
    back: bool = False  # it was called back: nothing more is tried
    rescued: bool = False  # what was left of it was linked
    final: bool = False  # not tried again in this move


@dataclass(frozen=True, slots=True)
class Evacuation:
    """The evacuation of one move."""

    since: float
    calls: tuple[CarriedCall, ...] = ()
    next_id: int = 1
    told: bool = False  # people know what stays, and why


@dataclass(frozen=True, slots=True)
class Habit:
    """What was seen of phones of one User-Agent."""

    habit: ReferHabit
    at: float
    endpoint: str  # whose phone showed it


@dataclass(frozen=True, slots=True)
class Probing:
    """Test calls that an operator asked for; of this run of the orchestrator only."""

    by: str
    left: tuple[tuple[str, str], ...]  # endpoint and User-Agent, still to be called
    number: int = 0  # the command whose result is awaited; 0: none
    endpoint: str = ""  # who is being called
    said: tuple[str, ...] = ()  # what came out


def evacuation_from_json(data: Mapping[str, Any] | None) -> Evacuation | None:
    """The record that ``core/durable.py`` wrote."""
    if data is None:
        return None
    return Evacuation(**{**data, "calls": tuple(_call(call) for call in data["calls"])})


def _call(data: Mapping[str, Any]) -> CarriedCall:
    legs = tuple(_leg(leg) for leg in data["legs"])
    return CarriedCall(**{**data, "fate": CallFate(data["fate"]), "legs": legs})


def _leg(data: Mapping[str, Any]) -> CarriedLeg:
    plan = data["plan"]
    typed = {**plan, "role": LegRole(plan["role"]), "carry": Carry(plan["carry"])}
    step = LegStep(data["step"]) if data["step"] else None
    return CarriedLeg(**{**data, "plan": LegPlan(**typed), "step": step})


def habits_to_json(habits: Mapping[str, Habit]) -> dict[str, list[object]]:
    """By User-Agent: habit, when, whose phone."""
    return {ua: [str(h.habit), h.at, h.endpoint] for ua, h in sorted(habits.items())}


def habits_from_json(data: Mapping[str, Any]) -> dict[str, Habit]:
    """The reverse of ``habits_to_json``."""
    return {ua: Habit(ReferHabit(habit), at, who) for ua, (habit, at, who) in data.items()}
