"""What the rule language knows of its world: kinds of values, records and their attributes.

A value is a bool, a float (numbers; durations in seconds), a str (texts and words), a sequence of
items, a record's object, or ``None``: unknown. Nothing is unknown in any other way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from orchestrator.core.state import Pair, Policy

WindowKey: TypeAlias = tuple[str, float]  # ("active.calls_failed", window in seconds)


class Kind(StrEnum):
    BOOL = "true or false"
    NUMBER = "a number"
    DURATION = "a duration"
    TEXT = "a text"
    WORD = "one of a few words"
    LIST = "a list"
    RECORD = "an object"


@dataclass(frozen=True, slots=True)
class Type:
    kind: Kind
    words: tuple[str, ...] = ()  # WORD: the words
    of: Record | None = None  # LIST, RECORD: what it holds

    def __str__(self) -> str:
        return self.kind.value


BOOL = Type(Kind.BOOL)
NUMBER = Type(Kind.NUMBER)
DURATION = Type(Kind.DURATION)
TEXT = Type(Kind.TEXT)


@dataclass(slots=True)
class Look:
    """One evaluation: what it looks at, and what it has found out already."""

    state: Pair
    policy: Policy
    now: float
    increases: Mapping[WindowKey, float | None] = field(default_factory=dict)
    item: Any = None  # of the comprehension that is being run
    cache: dict[tuple[int, str], Any] = field(default_factory=dict)
    steps: int = 0  # parts of expressions that were asked of items
    gave_up: str = ""  # why a list was not looked through


Run: TypeAlias = Callable[[Look], Any]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One fact. ``sources`` name what it is read from, so that rules are woken only by it."""

    type: Type
    doc: str
    read: Callable[[Any, Look], Any]
    sources: tuple[str, ...] = ()
    counter: bool = False  # only rises: ``increase`` and ``ratio`` take it


@dataclass(frozen=True, slots=True)
class Record:
    """A thing with facts: a node, the pair, a trunk."""

    name: str
    doc: str
    attributes: Mapping[str, Attribute]
    label: str = "name"  # the attribute that names one of a list, in traces
    few: bool = False  # a list has no more of them than the configuration names


@dataclass(frozen=True, slots=True)
class Root:
    """A name that every expression may start with."""

    record: Record
    doc: str
    find: Run  # the object, or None while it is not known which one it is


@dataclass(frozen=True, slots=True)
class Schema:
    """All that expressions may read."""

    roots: Mapping[str, Root]
    nodes: tuple[str, ...] = ()  # for node("name"); empty: any name

    def words(self) -> frozenset[str]:
        """Every word that a fact of a root can be."""
        attributes = (a for root in self.roots.values() for a in root.record.attributes.values())
        return frozenset(word for attribute in attributes for word in attribute.type.words)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with an expression, ``offset`` characters into it."""

    offset: int
    text: str
