"""Why an expression came out as it did, in words."""

from __future__ import annotations

from typing import Any, Final

from orchestrator.core.language.durations import say_duration
from orchestrator.core.language.parts import Condition, Term
from orchestrator.core.language.types import Kind, Look, Run, Type

MOST_ITEMS: Final = 5
TRUTH: Final = {True: "true", False: "false", None: "unknown"}


def say_value(value: Any, type_: Type) -> str:
    """A value for people: ``unknown``, ``3 min 20 s``, ``12``, ``12.5``, the text itself."""
    if value is None:
        return "unknown"
    if type_.kind is Kind.DURATION:
        return say_duration(value)
    if type_.kind is Kind.NUMBER:
        return f"{value:.0f}" if float(value).is_integer() else f"{value:.3g}"
    return TRUTH[value] if isinstance(value, bool) else str(value)


def explain_terms(condition: Condition, look: Look) -> list[str]:
    """One line a term: ``active.calls > 3 is false (active.calls is 2)``."""
    return [_say_term(term, look) for term in condition.terms]


def say_facts(condition: Condition, look: Look) -> str:
    """The values that a condition rests on, for a reason: ``active.verdict is dead, ...``."""
    facts = {fact: None for term in condition.terms for fact in _facts(term, look)}
    return ", ".join(facts)


def _say_term(term: Term, look: Look) -> str:
    value, gave_up = run_and_tell(term.run, look)
    details = gave_up or ", ".join(_facts(term, look))
    return f"{term.text} is {TRUTH[value]}" + (f" ({details})" if details else "")


def run_and_tell(run: Run, look: Look) -> tuple[Any, str]:
    """The value, and why it is unknown when there was too much to look through; else empty."""
    look.gave_up = ""
    value = run(look)
    return value, look.gave_up if value is None else ""


def _facts(term: Term, look: Look) -> list[str]:
    said = [
        f"{text} is {say_value(part.run(look), part.type)}"
        for text, part in term.facts
        if part.type.kind not in (Kind.LIST, Kind.RECORD) and text != term.text
    ]
    return said + _items(term, look)


def _items(term: Term, look: Look) -> list[str]:
    if term.items is None:
        return []
    items, record, asked = term.items
    found = items(look)
    if found is None:
        return [f"{record.name}s are unknown"]
    said = []
    for look.item in list(found)[:MOST_ITEMS]:
        name = record.attributes[record.label].read(look.item, look)
        said.append(f"{record.name} {name}: {TRUTH[asked(look)]}")
    rest = len(found) - MOST_ITEMS
    return [*said, *([f"{rest} more"] if rest > 0 else [])] or [f"there is no {record.name}"]
