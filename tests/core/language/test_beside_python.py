"""Where everything is known we say what Python says; else never more than is known."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from orchestrator.core.conditions import compile_value
from orchestrator.core.language.parts import Condition
from orchestrator.core.language.trace import explain_terms
from orchestrator.core.language.types import Problem
from tests.core.language.expressions import (
    Both,
    boxes,
    by_python,
    durations,
    filled,
    look_at,
    numbers,
    over_lists,
    schema,
    truths,
)

SCHEMA = schema()
SUBSTITUTIONS = 8
expressions = over_lists() | truths() | numbers(("box",), 3) | durations(("box",), 2)


def compiled(text: str) -> Condition:
    problems: list[Problem] = []
    condition = compile_value(text, SCHEMA, problems)
    too_long = any("too deep or too long" in problem.text for problem in problems)
    too_long = too_long or any("longer than" in problem.text for problem in problems)
    assume(not too_long)
    assert condition, (text, problems)
    return condition


@settings(max_examples=400, deadline=None)
@given(expressions, boxes())
def test_where_all_is_known_it_is_what_python_says(both: Both, box: Any) -> None:
    ours, python = both
    condition = compiled(ours)
    try:
        expected = by_python(python, box)
    except ZeroDivisionError:
        return  # Python has no value: ours is unknown, or decided by another term
    found = condition.run(look_at(box))
    assert type(found) is type(expected)
    assert found == expected


@settings(max_examples=400, deadline=None)
@given(st.data(), expressions, boxes(unknown=True))
def test_what_it_says_is_so_whatever_the_unknown_is(
    data: st.DataObject, both: Both, box: Any
) -> None:
    ours, python = both
    look = look_at(box)
    found = compiled(ours).run(look)
    event("unknown" if found is None else "known")
    if found is None:
        return
    for _ in range(SUBSTITUTIONS):
        try:
            expected = by_python(python, data.draw(filled(box)))
        except ZeroDivisionError:
            continue
        assert found == expected


@settings(max_examples=200, deadline=None)
@given(truths(), boxes(unknown=True))
def test_the_trace_has_the_truth_of_the_whole(both: Both, box: Any) -> None:
    condition = compiled(both[0])
    look = look_at(box)
    lines = explain_terms(condition, look)
    assert len(lines) == len(condition.terms)
    for line, term in zip(lines, condition.terms, strict=True):
        value = {True: "true", False: "false", None: "unknown"}[term.run(look)]
        assert line.startswith(f"{term.text} is {value}")
