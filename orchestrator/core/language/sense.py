"""Which conditions can never be true, or never false, whatever the facts are. Pure.

A condition is tried with a value between, at and beyond each of the literals that something in it
is compared with; whatever else stands in it is a switch that is on or off. So nothing possible is
ever called impossible; some that is impossible is not found.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import prod
from typing import Any, Final, TypeAlias

from orchestrator.core.language.types import Kind, Type

MOST_TRIES: Final = 20_000  # combinations of values; beyond that nothing is said
_ANOTHER_TEXT: Final = object()

Values: TypeAlias = Mapping[str, Any]
Holds: TypeAlias = Callable[[Values], bool]


class Sense(StrEnum):
    """What a condition can be, as far as it can be told from its words."""

    EITHER = "either"
    NEVER = "never true"
    ALWAYS = "always true"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a term is about: a switch (no type), or something compared with these literals."""

    type: Type | None = None
    literals: frozenset[Any] = frozenset()

    def values(self) -> frozenset[Any]:
        """One for each way in which the comparisons can come out."""
        if self.type is None:
            return frozenset((True, False))
        if self.type.kind is Kind.WORD:
            return frozenset(self.type.words)
        if self.type.kind is Kind.TEXT:
            return frozenset((*self.literals, _ANOTHER_TEXT))
        ordered = sorted(self.literals)
        between = [(low + high) / 2 for low, high in itertools.pairwise(ordered)]
        return frozenset((ordered[0] - 1, *ordered, *between, ordered[-1] + 1))


@dataclass(frozen=True, slots=True)
class Formula:
    """A condition over its subjects."""

    holds: Holds
    subjects: Mapping[str, Subject]

    def sense(self) -> Sense:
        """Tried with every combination of values."""
        values = {text: subject.values() for text, subject in self.subjects.items()}
        if prod(len(some) for some in values.values()) > MOST_TRIES:
            return Sense.EITHER
        tries = (
            self.holds(dict(zip(values, chosen, strict=True)))
            for chosen in itertools.product(*values.values())
        )
        first = next(tries)
        if any(one is not first for one in tries):
            return Sense.EITHER
        return Sense.ALWAYS if first else Sense.NEVER

    def together_with(self, other: Formula) -> Formula:
        """True when both are."""
        subjects = dict(self.subjects)
        for text, subject in other.subjects.items():
            known = subjects.get(text, subject)
            subjects[text] = Subject(subject.type, known.literals | subject.literals)
        return Formula(lambda values: self.holds(values) and other.holds(values), subjects)
