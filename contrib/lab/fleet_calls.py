"""Thirty calls of all kinds on a lab with a fleet, and what has become of them."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from contrib.lab.fleet import Fleet, Leg, Planned
from contrib.lab.fleet_files import QUEUES
from contrib.lab.lab import Lab


def mix() -> list[Planned]:
    """30 calls: 9 conversations, 5 to a service, 10 with agents, a conference of 4, 2 waiting."""
    calls = [Planned("phone", f"{2041 + n}", f"{2061 + n}") for n in range(9)]
    calls += [Planned("service", f"{2071 + n}", "600") for n in range(5)]
    calls += [Planned("queue", f"{2080 + n}", f"{700 + n}") for n in QUEUES]
    calls += [Planned("trunk", f"{8100 + n}", f"{5550700 + n}", from_trunk=True) for n in QUEUES]
    calls += [Planned("conference", f"{2091 + n}", "800") for n in range(4)]
    return calls + [Planned("waiting", f"{2095 + n}", "700") for n in range(2)]


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of a call: `fate` is `carried` (wholly to pbx-b), `linked` (in part), `stayed`
    or `cut`; `silence_ms` the longest that one of its ends heard nothing, None where the call has
    no audio (a waiting caller hears nothing here: the lab has no music).
    """

    call: Planned
    fate: str
    silence_ms: float | None
    legs: tuple[Leg, ...]


def place(fleet: Fleet, calls: Sequence[Planned]) -> None:
    """Places them, those of one kind together; LabError when one does not come up."""
    for kind in dict.fromkeys(one.kind for one in calls):
        fleet.place([one for one in calls if one.kind == kind])


def judge(lab: Lab, legs: Sequence[Leg], calls: Sequence[Planned]) -> list[Seen]:
    """What became of each call, as its own ends tell (`Fleet.report`)."""
    return [_judged(lab, one, tuple(leg for leg in legs if _belongs(leg, one))) for one in calls]


def _belongs(leg: Leg, call: Planned) -> bool:
    """The caller's end, or that of whoever was called (who hears of the caller's number)."""
    return (leg.phone, leg.peer) == (call.by, call.to) or leg.peer == call.by


def _judged(lab: Lab, call: Planned, legs: tuple[Leg, ...]) -> Seen:
    heard = [leg.silence_ms for leg in legs if leg.heard and leg.silence_ms is not None]
    return Seen(call, _fate(lab, legs), max(heard, default=None), legs)


def _fate(lab: Lab, legs: Sequence[Leg]) -> str:
    if not legs or any(leg.ended_by for leg in legs):
        return "cut"
    there = lab.node("b").address
    on_b = [leg.server == there for leg in legs]
    if all(on_b):
        return "carried"
    return "linked" if any(on_b) else "stayed"


def agents_in_calls(seen: Sequence[Seen]) -> set[str]:
    """The agents who talk with a queue's caller."""
    return {
        leg.phone
        for one in seen
        if one.call.kind in ("queue", "trunk") and one.fate != "cut"
        for leg in one.legs
        if leg.phone != one.call.by
    }


def summary(seen: Sequence[Seen]) -> dict[str, object]:
    """The calls' part of a benchmark's line."""
    silences = _silences(seen)
    fates = Counter(one.fate for one in seen)
    kinds = dict.fromkeys(one.call.kind for one in seen)
    return {
        "calls_up": len(seen),
        "calls_cut": fates["cut"],
        "worst_silence_ms": max(silences, default=None),
        "median_silence_ms": round(statistics.median(silences), 1) if silences else None,
        **{fate: fates[fate] for fate in ("carried", "linked", "stayed")},
        "by_kind": {kind: _of([one for one in seen if one.call.kind == kind]) for kind in kinds},
    }


def _silences(seen: Sequence[Seen]) -> list[float]:
    return [one.silence_ms for one in seen if one.fate != "cut" and one.silence_ms is not None]


def _of(seen: Sequence[Seen]) -> dict[str, object]:
    fates = Counter(one.fate for one in seen)
    return {**fates, "worst_silence_ms": max(_silences(seen), default=None)}
