"""The rule language: what it refuses, and what its values are."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from immutables import Map

from orchestrator.core.conditions import compile_condition, compile_value
from orchestrator.core.facts.schema import make_schema
from orchestrator.core.language.trace import explain_terms
from orchestrator.core.language.types import Look, Problem
from orchestrator.core.state import Node, Pair
from orchestrator.core.words import Verdict
from tests.core.rule_lab import POLICY, START, trunk, well

SCHEMA = make_schema(("pbx-a", "pbx-b"))


def look(**changes: object) -> Look:
    a = replace(well("pbx-a", True), **changes)  # type: ignore[arg-type]
    nodes = Map({"pbx-a": a, "pbx-b": well("pbx-b", False)})
    return Look(Pair(nodes=nodes, active="pbx-a"), POLICY, START)


def value(text: str, at: Look | None = None) -> object:
    problems: list[Problem] = []
    compiled = compile_value(text, SCHEMA, problems)
    assert compiled, problems
    return compiled.run(at or look())


def problems_of(text: str) -> list[tuple[int, str]]:
    problems: list[Problem] = []
    assert compile_condition(text, SCHEMA, problems) is None
    assert problems
    return [(problem.offset, problem.text) for problem in problems]


@pytest.mark.parametrize(
    ("text", "offset", "says"),
    [
        ("", 0, "empty"),
        ("active.verdit == 'dead'", 7, "did you mean 'verdict'?"),
        ("actve.verdict == 'dead'", 0, "did you mean 'active'?"),
        ("active.verdict == 'ded'", 18, "did you mean 'dead'?"),
        ("active.verdict == dead", 18, "write it in quotes"),
        ("active.verdict == 'unknown'", 18, 'never "unknown"'),
        ("active.verdict < 'dead'", 0, "has no order"),
        ("active.verdict == active.role", 0, "can't be compared"),
        ("active.verdict in ['dead', 'hng']", 27, "did you mean 'hung'?"),
        ("active.verdict in []", 0, "write"),
        ("active.verdict in active.trunks", 0, "write"),
        ("active.name in [active.name]", 16, "only plain values"),
        ("active.calls > 30s", 0, "a number can't be compared with a duration"),
        ("active.calls == 'x'", 0, "a number can't be compared with a text"),
        ("active.calls", 0, "this is a number; a condition is expected"),
        ("active", 0, "this is an object"),
        ("active.trunks == active.trunks", 0, "a list can't be compared with a list"),
        ("active.trunks.name == 'x'", 0, "a list has no facts of its own"),
        ("not active.calls", 4, "true or false is expected"),
        ("active.calls and pair.moving", 0, "true or false is expected"),
        ("-active.name == 'x'", 0, "only numbers and durations"),
        ("active.calls + 5m > 3", 0, "do not go together"),
        ("active.calls ** 2 > 3", 0, "only + - * /"),
        ("active.calls > 1 && pair.moving", 17, "write 'and'"),
        ("pair.moving || pair.held", 12, "write 'or'"),
        ("active.calls = 3", 13, "write '=='"),
        ("active.calls => 3", 13, "write '>='"),
        ("active.calls <> 3", 13, "write '!='"),
        ("!pair.moving", 0, "write 'not'"),
        ("pair.moving # really", 12, "no comments"),
        ("active.calls > True", 15, "write true"),
        ("active.calls is 3", 0, "write '=='"),
        ("active.calls > 5m30m", 15, "each unit once"),
        ("active.calls > __", 15, "unknown name '__'"),
        ("active.calls > 1e999", 15, "too large a number"),
        ("active.calls > 1j", 15, "not allowed"),
        ("active.calls > ...", 15, "not allowed"),
        ("1 < 2", 0, "reads no fact"),
        ("(active.calls > 3", 0, "was never closed"),
        ("active.calls > 3)", 16, "unmatched ')'"),
        ("active.calls >", 14, "invalid syntax"),
        ("active.calls > 3 4", 17, "invalid syntax"),
        ("lambda: 1", 0, "not allowed"),
        ("[x for x in active.trunks]", 0, "not allowed"),
        ("f'{active.calls}' == 'x'", 0, "not allowed"),
        ("(x := active.calls) > 3", 4, "'=' is not known here"),
        ("active.calls if pair.moving else 3", 0, "not allowed"),
        ("active.__class__ == 'x'", 7, "no '__class__'"),
        ("active['name'] == 'x'", 0, "not allowed"),
        ("active.name.upper() == 'X'", 0, "only functions are called"),
        ("__import__('os')", 0, "unknown function"),
        ("cuont(active.trunks) > 1", 0, "did you mean 'count'?"),
        ("count > 1", 0, "'count' is a function: count(LIST)"),
        ("count(active.calls) > 1", 6, "a list is expected"),
        ("count(t.name for t in active.trunks) > 1", 6, "write count(x for x in LIST"),
        ("count(active.trunks, 3) > 1", 0, "write count"),
        ("any(active.trunks)", 4, "write any("),
        ("any(t for t in active.trunks)", 4, "true or false is expected"),
        ("any(t.nme == 'x' for t in active.trunks)", 6, "did you mean 'name'?"),
        ("any(t.registered for active in active.trunks)", 21, "has a meaning already"),
        ("any(t.registered for t in active.calls)", 26, "a list is expected"),
        ("any(any(u.registered for u in active.trunks) for t in active.trunks)", 8, "one list"),
        ("any(t.registered for t in active.trunks for u in active.trunks)", 4, "one list"),
        ("t.registered", 0, "unknown name 't'"),
        ("ratio(active.calls_failed, active.calls, 5m) > 1", 27, "this is no counter"),
        ("ratio(active.calls_failed, active.calls_attempted, 300) > 1", 51, "a window is expected"),
        ("increase(active.calls_failed, 3d) > 1", 30, "between 1s and 1d"),
        ("increase(active.calls_failed) > 1", 0, "write increase(COUNTER, 5m)"),
        ("between('22:00', '25:00')", 17, "no time of day"),
        ("between('22:00', '22:00')", 0, "begins where it ends"),
        ("between('22:00', active.name)", 17, "write between"),
        ("like(active.calls, '*')", 5, "a text is expected"),
        ("like(active.name, '*a*b*c*d*')", 18, "at most 4 stars"),
        ("node('pbx-c').calls > 1", 5, "did you mean 'pbx-"),
        ("node(active.name).calls > 1", 5, "write node"),
        ("pair.phase == 'stedy'", 14, "did you mean 'steady'?"),
        ("time.weekday == 'monday'", 16, "did you mean 'mon'?"),
        ("é.calls > 1", 0, "unknown name 'é'"),
        ("active.name == 'é' and active.foo", 30, "no 'foo'"),
        ("active.calls > 3\n  and active.foo", 30, "no 'foo'"),
        (" or ".join(["pair.held"] * 500), 0, "longer than 2000"),
        ("not " * 60 + "pair.held", 160, "too deep"),
        ("(" * 300 + "pair.held" + ")" * 300, 200, "too many nested parentheses"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(text: str, offset: int, says: str) -> None:
    problems = problems_of(text)
    assert any(says in what and at == offset for at, what in problems), problems


def test_all_problems_of_an_expression_come_at_once() -> None:
    problems = problems_of("active.verdit == 'x' and standby.foo and count(active.bar) > 1")
    assert [offset for offset, _ in problems] == [7, 33, 54]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("active.verdict == 'healthy'", True),
        ("active.verdict in ['dead', 'hung']", False),
        ("active.verdict not in ['dead', 'hung']", True),
        ("active.name == 'pbx-a' and standby.name == 'pbx-b'", True),
        ("node('pbx-b').role == 'standby'", True),
        ("preferred.name == active.name", True),
        ("count(active.trunks) == 1", True),
        ("all(t.registered for t in active.trunks)", True),
        ("any(t.registered for t in standby.trunks)", False),
        ("all(t.registered for t in standby.trunks if t.name == 'other')", True),
        ("count(t for t in active.trunks if t.status == 'registered')", 1.0),
        ("1h30m / 1m", 90.0),
        ("1.5m", 90.0),
        ("2 * 30s == 1m", True),
        ("1 < 2 < 3", True),
        ("1 < 3 < 2", False),
        ("2 < 1 < active.uptime / 1s", False),
        ("active.uptime / 1s < 2 < 1", False),
        ("1 < active.uptime / 1s < 2", None),
        ("like(active.name, 'pbx-?')", True),
        ("like(active.name, 'x*')", False),
        ("between('08:00', '09:00') and time.weekday == 'fri' and time.hour == 8", True),
        ("between('22:00', '06:00')", False),
        ("pair.phase == 'learning' and not pair.moving and not pair.held", True),
        ("failback.allowed", False),
        ("active.uptime", None),
        ("active.uptime > 5m", None),
        ("known(active.uptime)", False),
        ("pair.moving or active.uptime > 5m", None),
        ("not pair.moving or active.uptime > 5m", True),
        ("pair.moving and active.uptime > 5m", False),
        ("active.uptime > 5m and pair.moving", False),
        ("not (active.uptime > 5m)", None),
        ("active.uptime in [5m, 6m]", None),
        ("1 / 0", None),
        ("1 / 0 > 3", None),
    ],
)
def test_values(text: str, expected: object) -> None:
    assert value(text) == expected
    assert isinstance(value(text), type(expected))


def test_an_unknown_item_makes_a_quantifier_unknown_unless_another_decides() -> None:
    unqualified = look(**trunk(reachable=None, registered=True))
    assert value("all(t.reachable for t in active.trunks)", unqualified) is None
    assert value("any(t.reachable for t in active.trunks)", unqualified) is None
    assert value("any(t.registered or t.reachable for t in active.trunks)", unqualified) is True
    assert value("count(t for t in active.trunks if t.reachable)", unqualified) is None
    assert value("all(t.registered for t in active.trunks if t.reachable)", unqualified) is True
    assert value("any(t.registered for t in active.trunks if t.reachable)", unqualified) is None


def test_a_stale_picture_is_unknown_and_the_verdict_is_not() -> None:
    stale = look(confirmed_at=START - 60)
    assert value("active.phones_known > 0", stale) is None
    assert value("count(active.trunks) == 0", stale) is None
    assert value("active.calls_failed > 0", stale) is None
    assert value("active.verdict == 'healthy'", stale) is True


def test_an_unknown_verdict_is_unknown_not_a_word() -> None:
    assert value("active.verdict == 'dead'", look(verdict=Verdict.UNKNOWN)) is None
    assert value("known(active.verdict)", look(verdict=Verdict.UNKNOWN)) is False


def test_the_trace_tells_each_term_with_its_facts() -> None:
    problems: list[Problem] = []
    text = (
        "active.verdict == 'dead' and not (active.uptime > 5m)"
        " or all(t.reachable for t in active.trunks)"
    )
    condition = compile_condition(text, SCHEMA, problems)
    assert condition
    assert explain_terms(condition, look()) == [
        "active.verdict == 'dead' is false (active.verdict is healthy)",
        "active.uptime > 5m is unknown (active.uptime is unknown)",
        "all(t.reachable for t in active.trunks) is true (trunk trunk: true)",
    ]


def test_a_condition_knows_what_it_reads() -> None:
    problems: list[Problem] = []
    condition = compile_condition("active.verdict == 'dead' and pair.moving", SCHEMA, problems)
    assert condition and condition.sources == {"active/verdict", "pair/move"}


def test_thousands_of_evaluations_a_second() -> None:
    problems: list[Problem] = []
    text = "active.verdict == 'dead' and standby.verdict == 'healthy' and not pair.moving"
    compiled = compile_condition(text, SCHEMA, problems)
    assert compiled
    at, begun = look(), time.perf_counter()
    for _ in range(10_000):
        compiled.run(at)
    assert time.perf_counter() - begun < 1.0


def test_every_fact_of_a_node_can_be_read_of_a_node_that_nothing_is_known_of() -> None:
    empty = Look(Pair(nodes=Map({"pbx-a": Node("pbx-a")}), active="pbx-a"), POLICY, START)
    for at in (empty, look(), Look(Pair(nodes=Map()), POLICY, START)):
        for root, found in SCHEMA.roots.items():
            for name in found.record.attributes:
                value(f"{root}.{name}", at)
