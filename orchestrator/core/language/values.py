"""Three-valued evaluation: closures over ``Look``; ``None`` is unknown and spreads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.core.language.budget import Budget
from orchestrator.core.language.types import Look, Run

_NO_OBJECT: Final = 0  # in the place of an object's id


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


def chain(first: Run, rest: Sequence[tuple[Callable[[Any, Any], bool], Run]]) -> Run:
    """``a < b < c``. Each is worked out once: else chains within chains would take for ever."""

    def run(look: Look) -> bool | None:
        left, unknown = first(look), False
        for operate, part in rest:
            right = part(look)
            if left is None or right is None:
                unknown = True
            elif not operate(left, right):
                return False
            left = right
        return None if unknown else True

    return run


def membership(part: Run, words: frozenset[Any], wanted: bool) -> Run:
    def run(look: Look) -> bool | None:
        value = part(look)
        return None if value is None else (value in words) is wanted

    return run


@dataclass(frozen=True, slots=True)
class Listed:
    """A list that is asked something: ``all(t.registered for t in active.trunks)``."""

    items: Run
    text: str  # the list in the author's words
    whole: str  # all of it, to the letter
    parts: int  # how many are asked of each item; 0: not worth counting
    budget: Budget

    def ask(self, ask: Callable[[Sequence[Any], Look], Any]) -> Run:
        """Asked once a look, however many rules do so in the same words; within the budget."""
        items, parts, key = self.items, self.parts, (_NO_OBJECT, self.whole)

        def run(look: Look) -> Any:
            sequence = items(look)
            if sequence is None:
                return None
            if why := self.budget.exceeded(len(sequence), self.text):
                look.gave_up = why
                return None
            if key not in look.cache:
                look.steps += len(sequence) * parts
                look.cache[key] = ask(sequence, look)
            return look.cache[key]

        return run


def quantifier(chosen: Run, body: Run, decides: bool) -> Callable[[Sequence[Any], Look], Any]:
    """``any`` (decides = true) and ``all`` (decides = false) over the chosen items."""

    def ask(sequence: Sequence[Any], look: Look) -> Any:
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

    return ask


def size(items: Run) -> Run:
    def run(look: Look) -> float | None:
        sequence = items(look)
        return None if sequence is None else float(len(sequence))

    return run


def count(chosen: Run) -> Callable[[Sequence[Any], Look], float | None]:
    """How many items are chosen."""

    def ask(sequence: Sequence[Any], look: Look) -> float | None:
        total = 0
        for look.item in sequence:
            taken = chosen(look)
            if taken is None:
                return None
            total += taken
        return float(total)

    return ask
