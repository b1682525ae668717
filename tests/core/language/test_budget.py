"""How much one expression may look through, and what is said when that is not enough."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from immutables import Map

from orchestrator.core.conditions import compile_value
from orchestrator.core.facts.schema import make_schema
from orchestrator.core.language.budget import MOST_STEPS
from orchestrator.core.language.parts import Condition
from orchestrator.core.language.trace import explain_terms
from orchestrator.core.language.types import Look, Problem
from orchestrator.core.rulebook.trying import try_expression
from orchestrator.core.rules import RuleSet
from orchestrator.core.state import Contact, Pair
from tests.core.rule_lab import POLICY, START, Play, phones, rules_of, well

LARGE = 20_000
CONTACTS = phones(LARGE)
PARTS = 4  # of ``c.aor == "x"``: the comparison, the fact, the contact, the text


def look(contacts: Map[str, Contact] = CONTACTS) -> Look:
    nodes = {n: replace(well(n, n == "pbx-a"), contacts=contacts) for n in ("pbx-a", "pbx-b")}
    return Look(Pair(nodes=Map(nodes), active="pbx-a"), POLICY, START)


def compiled(text: str) -> Condition:
    problems: list[Problem] = []
    condition = compile_value(text, make_schema(("pbx-a", "pbx-b")), problems)
    assert condition, problems
    return condition


def any_of(times: int, term: str = 'c.aor == "{}"') -> str:
    """Asks so many terms of every contact, all in vain."""
    return f"any({' or '.join(term.format(i) for i in range(times))} for c in active.contacts)"


def test_what_may_be_looked_through_depends_on_what_is_asked_of_each() -> None:
    most = MOST_STEPS // LARGE // PARTS
    assert compiled(any_of(most)).run(look()) is False
    assert compiled(any_of(most + 1)).run(look()) is None
    assert compiled(any_of(most + 1)).run(look(phones(LARGE // 2))) is False
    assert compiled(f"not {any_of(1)} and {any_of(most)}").run(look()) is None
    assert compiled("count(active.contacts) + count(standby.contacts)").run(look()) == 2 * LARGE


def test_trunks_are_few_and_count_for_nothing() -> None:
    most = MOST_STEPS // LARGE // PARTS
    trunks = "all(t.registered and t.name != 'x' for t in active.trunks)"
    both = compiled(f"{trunks} and {any_of(most)}")
    assert both.run(look()) is False
    assert not compiled(trunks).long and both.long


def test_a_small_site_never_meets_the_bound() -> None:
    small = phones(MOST_STEPS // 400)
    assert compiled(any_of(70)).run(look(small)) is False


def test_it_is_said_what_was_too_much(tmp_path: Path) -> None:
    text = any_of(10)
    (line,) = explain_terms(compiled(text), look())
    says = (
        "gave up: active.contacts has 20000 items, and an expression as long as this one looks at"
        f" no more than {MOST_STEPS // 41}; ask less of each, or split it into rules"
    )
    assert line == f"{text} is unknown ({says})"
    tried = try_expression(text, RuleSet(), look().state, POLICY, START)
    assert tried.lines == [f"{text} is unknown", f"  {line}"]
    number = f"count(c for c in active.contacts if {text[4 : text.index(' for')]})"
    tried = try_expression(number, RuleSet(), look().state, POLICY, START)
    assert tried.lines == [f"{number} is unknown", f"  {says}"]
    play = Play(rules_of(tmp_path, f"long:\n  when: {text}\n  do: [notify]\n"))
    play.node("pbx-a", contacts=CONTACTS)
    assert play.run(1) == []
    assert play.explain().splitlines()[-2:] == [
        f"    {line}",
        "    while it is unknown nothing changes and its timers stand still",
    ]


def test_another_expression_s_giving_up_is_not_told_of_this_one() -> None:
    at = look()
    assert "gave up" in explain_terms(compiled(any_of(20)), at)[0]
    assert explain_terms(compiled("active.uptime > 5m"), at) == [
        "active.uptime > 5m is unknown (active.uptime is unknown)"
    ]


@pytest.mark.parametrize(
    "text",
    [
        any_of(4, "c.status_for + c.status_for > 9{}h"),
        any_of(3, 'c.status == "unreachable" or c.status_for > 9{}h'),
        any_of(7, "time.minute == 6{}"),
        any_of(7, "standby.trunks_registered > 5{}"),
        any_of(7, "like(c.uri, '*a*b*c*{}')"),
        f"{any_of(3)} or {any_of(4).replace('active', 'standby')}",
        "any(" + " * ".join("1" * 14) + " < 0 for c in active.contacts)",
    ],
)
def test_the_costliest_of_a_large_pair_is_done_in_time(text: str) -> None:
    """About 100 ms on a quiet machine; this test stands on a busy one."""
    at = look()
    begun = time.perf_counter()
    assert compiled(text).run(at) is not True
    took = time.perf_counter() - begun
    assert at.steps > 0.8 * MOST_STEPS, "it was to be as long as is allowed"
    assert took < 1.0


def test_the_same_words_are_asked_once_however_many_rules_ask(tmp_path: Path) -> None:
    rules = "".join(
        f"r{i}:\n  when: any(not c.reachable for c in active.contacts) and active.calls >= {i}\n"
        f"  do: [notify]\n"
        for i in range(50)
    )
    ruleset = rules_of(tmp_path, rules)
    at = look()
    for rule in ruleset.rules:
        rule.when.run(at)
    assert at.steps == 3 * LARGE


def test_words_that_differ_in_a_space_within_a_text_are_not_the_same() -> None:
    at = look(Map({"x": Contact("front  desk", "x", next(iter(CONTACTS.values())).status, START)}))
    assert compiled("any(c.aor == 'front  desk' for c in active.contacts)").run(at) is True
    assert compiled("any(c.aor == 'front desk' for c in active.contacts)").run(at) is False
