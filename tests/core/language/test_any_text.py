"""Whatever is written is refused with its place, or evaluated; nothing crashes, nothing stalls."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from immutables import Map

from orchestrator.core.conditions import compile_condition, compile_value
from orchestrator.core.facts.schema import make_schema
from orchestrator.core.language.trace import explain_terms, say_facts, say_value
from orchestrator.core.language.types import BOOL, Look, Problem
from orchestrator.core.state import Pair
from tests.core.rule_lab import POLICY, START, well

SCHEMA = make_schema(("pbx-a", "pbx-b"))
LONG_S = 2.0  # what a slow and busy machine may take for one text
NODES = Map({"pbx-a": well("pbx-a", True), "pbx-b": well("pbx-b", False)})
SOUND = [
    "active.verdict == 'dead' and standby.verdict in ['healthy', \"impaired\"]",
    "count(active.trunks) > 0 and all(not t.registered for t in active.trunks)",
    "any(c.status == 'unreachable' and c.status_for > 5m for c in active.contacts if c.rtt < 1s)",
    "ratio(active.calls_failed, active.calls_attempted, 5m) > 0.25 or active.reloads >= 2",
    "not between('22:00', '06:00') and time.weekday not in ['sat', 'sun']",
    "like(node('pbx-a').name, 'pbx-?') and -1 < active.calls * (2 + 3) / 4 <= 1e3",
    "known(active.uptime) and active.uptime > 1h30m and 2 * 30s == 1m",
    "count(x for x in standby.contacts if like(x.aor, '62*')) < active.phones_known - 5",
    "pair.phase != 'steady' or failback.allowed or pair.hold_reason == 'é😀'",
]  # fmt: skip
PIECES = [
    "active", "standby", ".verdict", ".calls", ".trunks", "node('pbx-a')", "pair", "==", "<", ">=",
    "and", "or", "not", "(", ")", "in", "[", "]", ",", "'dead'", '"', "'", "5m", "1h", "3", "any(",
    "all(", "count(", "t.registered for t in active.trunks", "for", "if", "else", "x", "=", "&&",
    "\\", "\n", "\r", "\f", "\0", "é", "😀", "ﬃ", "ａ", "\u2028", "\u200b", "\ufeff", "__", "*",
    "-", "#", "{", "lambda:", ":", "%", "@", "**", "~", "<<", "is", "not in",
    "increase(active.calls_failed, 5m)", "ratio(", "\ud800", "0x1f", "1_000", "1e5", "1e309",
    "9" * 400, "1j", "...", ".__class__", ".__class__.__mro__", "__import__('os')", "await x",
    "yield", "(yield x)", "(x := active.calls)", "lambda x: x", "f'{active.calls}'", "b'dead'",
    "r'\\d'", "'\\ud800'", "'\\N{DIGIT ONE}'", "*active.trunks", "**x", "async for",
    "[x for x in active.trunks]", "{x for x in active.trunks}", "for u in x", "print(", "x=1",
    "True", "None", "not not not", "((((", "))))", "active[0]", "active.name[0:1]", "'a' 'b'",
    "any(any(", "known(", "like(", "between('1:00',", "'" + "*" * 5 + "'", "-" * 50, "(" * 50,
]  # fmt: skip


@st.composite
def mutants(draw: st.DrawFn) -> str:
    """A sound expression with a few accidents."""
    text = draw(st.sampled_from(SOUND))
    for _ in range(draw(st.integers(1, 4))):
        first, last = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        middle = draw(st.sampled_from([*PIECES, "", text[first:last], text[last:], text[:first]]))
        text = text[:first] + middle + text[first if draw(st.booleans()) else last :]
    return text


texts = (
    st.lists(st.sampled_from(PIECES), max_size=30).map(" ".join)
    | st.lists(st.sampled_from(PIECES), max_size=60).map("".join)
    | st.text(max_size=80)
    | st.text("().,=<>'\"[]5m x\\", max_size=2000)
    | mutants()
)


def check(text: str) -> None:
    """It is refused with places inside of it, or all that is done with an expression can be."""
    begun = time.perf_counter()
    for compile_text in (compile_condition, compile_value):
        problems: list[Problem] = []
        compiled = compile_text(text, SCHEMA, problems)
        assert (compiled is None) == bool(problems)
        for problem in problems:
            assert 0 <= problem.offset <= len(text), problem
    if compiled:
        for look in (Look(Pair(nodes=NODES, active="pbx-a"), POLICY, START),
                     Look(Pair(nodes=Map()), POLICY, START)):  # fmt: skip
            say_value(compiled.run(look), compiled.type)
            say_facts(compiled, look)
            if compiled.type == BOOL:
                explain_terms(compiled, look)
        if compiled.formula:
            compiled.formula.together_with(compiled.formula).sense()
    assert time.perf_counter() - begun < LONG_S


@settings(max_examples=1000, deadline=None)
@given(texts)
@example("-" * 2000)
@example("(" * 2000)
@example("((((" + "pair.held")
@example("[" * 90 + "]" * 90)
@example("~" * 1999 + "1")
@example("not " * 499 + "pair.held")
@example("active" + ".a" * 900)
@example("1" * 2000)
@example("0x" + "f" * 1900 + " > active.calls")
@example("1e" + "9" * 1900)
@example("'" + "\\" * 1000)
@example("5m" * 900)
@example("pair.ﬃﬃﬃﬃﬃﬃ")
@example("pair . ﬃﬃﬃﬃﬃﬃ == 1")
@example("a" * 2000)
@example("1 + " * 499 + "1 > active.calls")
@example(" or ".join(["pair.held"] * 150))
def test_any_text_is_refused_or_evaluated(text: str) -> None:
    check(text)


@pytest.mark.parametrize("text", SOUND)
def test_what_is_mutated_is_sound(text: str) -> None:
    assert compile_condition(text, SCHEMA, []) is not None


def nested(pattern: str, depth: int, inner: str = "pair.held") -> str:
    """The pattern within itself: ``{}`` is where the next one goes."""
    for _ in range(depth):
        inner = pattern.format(inner)
    return inner


@pytest.mark.parametrize(
    "text",
    [
        nested("true==({})==true", 36, "not pair.held"),
        nested("not(true==({})==true)", 18, "not pair.held"),
        nested("known({})==(pair.held)", 18),
        nested("-({})", 36, "active.calls") + " > 1",
        " and ".join(f"active.calls > {i}" for i in range(90)),
        " or ".join(f"active.calls > {i} and pair.held" for i in range(45)),
        "like(active.name, '" + "*a" * 4 + "b')",
    ],
)
def test_nothing_grows_with_depth_as_if_there_were_no_bound(text: str) -> None:
    assert compile_value(text, SCHEMA, []) is not None
    check(text)


@pytest.mark.parametrize("pattern", ["*a*a*a*b", "*" * 4 + "b", "?" * 900 + "*b", "*[a-z]*[ab]*b"])
def test_a_pattern_is_tried_on_the_longest_text_in_no_time(pattern: str) -> None:
    compiled = compile_value(f"like(active.name, '{pattern}')", SCHEMA, [])
    assert compiled
    a = well("a" * 20_000, True)
    begun = time.perf_counter()
    assert compiled.run(Look(Pair(nodes=Map({"pbx-a": a}), active="pbx-a"), POLICY, START)) is False
    assert time.perf_counter() - begun < 0.5
