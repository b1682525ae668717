"""What a compiled expression is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.language.sense import Formula
from orchestrator.core.language.types import Attribute, Look, Record, Run, Type


@dataclass(frozen=True, slots=True)
class Part:
    """A checked piece of an expression."""

    type: Type
    run: Run
    attribute: Attribute | None = None  # when it is a fact
    literal: Any = None  # when it stands in the text itself
    path: str = ""  # of a record outside lists: "active", "node:pbx-a"
    record: Record | None = None  # a fact: what it is a fact of


@dataclass(frozen=True, slots=True)
class Term:
    """A piece whose value explains a decision: the author's words and the facts in it."""

    text: str
    run: Run
    facts: tuple[tuple[str, Part], ...] = ()
    items: tuple[Run, Record, Run] | None = None  # any, all: the list and what each must be


@dataclass(frozen=True, slots=True)
class Window:
    """A counter whose rise over the last ``seconds`` is asked for."""

    path: str  # "active.calls_failed"
    seconds: float
    read: Run = field(compare=False)
    owner: Run = field(compare=False)  # the node: a count of another node is another count


@dataclass(frozen=True, slots=True)
class Mention:
    """A text that a fact is compared with: ``t.name == "telco"``, ``like(c.aor, "62*")``."""

    record: str
    fact: str
    text: str
    offset: int  # of the text, in the expression
    pattern: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled expression and what it depends on."""

    text: str
    type: Type
    run: Run
    sources: frozenset[str]
    windows: frozenset[Window]
    terms: tuple[Term, ...]
    formula: Formula | None = None  # of one that is true or false
    mentions: tuple[Mention, ...] = ()
    long: bool = False  # it looks through lists that may be long

    def __call__(self, look: Look) -> Any:
        return self.run(look)


class Refused(Exception):
    """This piece makes no sense; the problem is noted already, neighbours are still checked."""
