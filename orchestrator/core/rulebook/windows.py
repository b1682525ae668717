"""By how much counters rose over a window, from a few samples of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from immutables import Map

from orchestrator.core.language.parts import Window
from orchestrator.core.language.types import Look, WindowKey
from orchestrator.core.state import Node

SAMPLES: Final = 20  # a window's edge is sharp to a twentieth of it


@dataclass(frozen=True, slots=True)
class Samples:
    """A counter's rise since it was first looked at. A count that fell began anew at 0."""

    owner: str  # the node it belongs to
    last: float  # the counter itself
    rise: float
    points: tuple[tuple[float, float], ...]  # (time, rise), the oldest may be outside the window


def sample(
    windows: frozenset[Window], memory: Map[WindowKey, Samples], look: Look
) -> tuple[Map[WindowKey, Samples], dict[WindowKey, float | None]]:
    """The memory with the present counts, and the rise over each window (None: unknown)."""
    increases: dict[WindowKey, float | None] = {}
    for window in windows:
        key = (window.path, window.seconds)
        owner, count = window.owner(look), window.read(look)
        if not isinstance(owner, Node) or count is None:
            increases[key] = None
            continue
        before = memory.get(key)
        after = _next(before, owner.name, count, window.seconds, look.now)
        if after is not before:
            memory = memory.set(key, after)
        increases[key] = _increase(after, window.seconds, look.now)
    return memory, increases


def _next(before: Samples | None, owner: str, count: float, seconds: float, now: float) -> Samples:
    if before is None or before.owner != owner:
        return Samples(owner, count, 0.0, ((now, 0.0),))
    rise = before.rise + (count - before.last if count >= before.last else count)
    points = before.points
    if now - points[-1][0] >= seconds / SAMPLES:
        old = sum(time <= now - seconds for time, _ in points) - 1
        points = (*points[max(old, 0) :], (now, rise))
    elif count == before.last:
        return before
    return replace(before, last=count, rise=rise, points=points)


def _increase(samples: Samples, seconds: float, now: float) -> float:
    base = samples.points[0][1]
    for time, rise in samples.points:
        if time > now - seconds:
            break
        base = rise
    return samples.rise - base
