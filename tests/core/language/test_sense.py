"""Conditions that can never be true, or never false."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from immutables import Map

from orchestrator.core.conditions import compile_condition
from orchestrator.core.facts.schema import make_schema
from orchestrator.core.language.parts import Condition
from orchestrator.core.language.sense import Sense
from orchestrator.core.language.types import Look, Problem
from orchestrator.core.state import Pair
from orchestrator.core.words import Verdict
from tests.core.rule_lab import POLICY, START, phones, well

SCHEMA = make_schema(("pbx-a", "pbx-b"))


def condition(text: str) -> Condition:
    problems: list[Problem] = []
    compiled = compile_condition(text, SCHEMA, problems)
    assert compiled and compiled.formula, problems
    return compiled


def sense(text: str) -> Sense:
    formula = condition(text).formula
    assert formula
    return formula.sense()


@pytest.mark.parametrize(
    "text",
    [
        'active.verdict == "dead" and active.verdict == "hung"',
        'active.verdict in ["dead", "hung"] and active.verdict not in ["dead", "hung", "healthy"]',
        "active.calls > 5 and active.calls < 5",
        "active.calls > 5 and not active.calls >= 5",
        "5 < active.calls < 3",
        "active.verdict_for < 1m and active.verdict_for > 2m",
        'active.name == "pbx-a" and active.name == "pbx-b"',
        "pair.moving and not pair.moving",
        "any(t.registered for t in active.trunks) and not any(t.registered for t in active.trunks)",
        "active.calls > 3 and false",
    ],
)
def test_never_true(text: str) -> None:
    assert sense(text) is Sense.NEVER
    assert sense(f"not ({text})") is Sense.ALWAYS


@pytest.mark.parametrize(
    "text",
    [
        'active.verdict == "dead" or active.verdict == "hung"',
        'active.verdict == "dead" and standby.verdict == "hung"',
        "active.calls > 5 and active.calls < 5.5",
        "active.calls >= 5 and active.calls <= 5",
        "active.calls > standby.calls and active.calls < standby.calls",  # not looked into
        'active.name != "pbx-a" and active.name != "pbx-b"',
        "active.phones_known > 0",
    ],
)
def test_possible(text: str) -> None:
    assert sense(text) is Sense.EITHER


def test_too_many_subjects_are_left_alone() -> None:
    many = " and ".join(f"increase(active.calls_failed, {n}m) > {n}" for n in range(1, 12))
    assert sense(f"{many} and pair.moving and not pair.moving") is Sense.EITHER


NUMBERS = st.sampled_from([0, 1, 2, 3])
SIGNS = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
MEMBER = st.sampled_from(["in", "not in"])
VERDICTS = st.sampled_from(["dead", "hung", "healthy"])
ATOMS = st.one_of(
    st.builds("active.phones_known {} {}".format, SIGNS, NUMBERS),
    st.builds("{} < active.phones_known <= {}".format, NUMBERS, NUMBERS),
    st.builds("active.phones_known {} [{}, {}]".format, MEMBER, NUMBERS, NUMBERS),
    st.builds('active.verdict {} "{}"'.format, st.sampled_from(["==", "!="]), VERDICTS),
    st.sampled_from(["pair.held", "true", "any(t.registered for t in active.trunks)"]),
)
TEXTS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("not {}".format, inner),
    ),
    max_leaves=6,
)


@given(TEXTS, st.integers(0, 4), st.sampled_from([Verdict.DEAD, Verdict.HUNG, Verdict.HEALTHY]))
def test_what_is_called_impossible_never_happens(text: str, known: int, verdict: Verdict) -> None:
    a = replace(well("pbx-a", True), contacts=phones(known), verdict=verdict)
    nodes = Map({"pbx-a": a, "pbx-b": well("pbx-b", False)})
    compiled = condition(f"({text}) and (active.calls >= 0 or true)")
    value = compiled.run(Look(Pair(nodes=nodes, active="pbx-a"), POLICY, START))
    assert compiled.formula
    impossible = {Sense.NEVER: True, Sense.ALWAYS: False, Sense.EITHER: "nothing"}
    assert value is not impossible[compiled.formula.sense()]
