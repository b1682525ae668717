"""Three-valued evaluation: closures over ``Look``; ``None`` is unknown and spreads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from orchestrator.core.language.types import Look, Run


def constant(value: Any) -> Run:
    return lambda look: value


def attribute(owner: Run, read: Callable[[Any, Look], Any]) -> Run:
    def run(look: Look) -> Any:
        found = owner(look)
        return None if found is None else read(found, look)

    return run


def negation(part: Run) -> Run:
    def run(look: Look) -> bool | None:
        value = part(look)
        return None if value is None else not value

    return run


def junction(parts: Sequence[Run], decides: bool) -> Run:
    """``or`` (decides = true) and ``and`` (decides = false) after Kleene."""

    def run(look: Look) -> Any:
        unknown = False
        for part in parts:
            value = part(look)
            if value is decides:
                return decides
            unknown = unknown or value is None
        return None if unknown else not decides

    return run


def binary(left: Run, right: Run, operate: Callable[[Any, Any], Any]) -> Run:
    """Comparison or arithmetic; unknown when a side is, or when the result is no number."""

    def run(look: Look) -> Any:
        first = left(look)
        if first is None:
            return None
        second = right(look)
        if second is None:
            return None
        try:
            result = operate(first, second)
        except (ZeroDivisionError, OverflowError):
            return None
        return None if result != result or result in (math.inf, -math.inf) else result

    return run


def unary_minus(part: Run) -> Run:
    def run(look: Look) -> float | None:
        value = part(look)
        return None if value is None else -value

    return run


def membership(part: Run, words: frozenset[Any], wanted: bool) -> Run:
    def run(look: Look) -> bool | None:
        value = part(look)
        return None if value is None else (value in words) is wanted

    return run


def quantifier(items: Run, chosen: Run, body: Run, decides: bool) -> Run:
    """``any`` (decides = true) and ``all`` (decides = false) over the chosen items."""

    def run(look: Look) -> Any:
        sequence = items(look)
        if sequence is None:
            return None
        unknown = False
        for look.item in sequence:
            taken = chosen(look)
            if taken is False:
                continue
            value = body(look)
            if value is decides and taken:
                return decides
            unknown = unknown or value is None or (value is decides)
        return None if unknown else not decides

    return run


def count(items: Run, chosen: Run) -> Run:
    def run(look: Look) -> float | None:
        sequence = items(look)
        if sequence is None:
            return None
        total = 0
        for look.item in sequence:
            taken = chosen(look)
            if taken is None:
                return None
            total += taken
        return float(total)

    return run
