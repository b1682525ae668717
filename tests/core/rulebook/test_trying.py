"""``rules try``: a value, its terms, and why it is unknown."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.rulebook.trying import Tried, try_expression
from orchestrator.core.rules import RuleSet
from tests.core.rule_lab import Play, rules_of


def tried(play: Play, expression: str) -> Tried:
    return try_expression(expression, play.rules, play.state, play.policy, play.now)


def test_a_condition_and_its_terms() -> None:
    play = Play(RuleSet())
    lines = tried(play, 'active.verdict == "healthy" and active.calls > 3').lines
    assert lines == [
        'active.verdict == "healthy" and active.calls > 3 is false',
        '  active.verdict == "healthy" is true (active.verdict is healthy)',
        "  active.calls > 3 is false (active.calls is 0)",
    ]


def test_a_stale_picture_is_named_as_the_reason() -> None:
    play = Play(RuleSet())
    play.now += 60
    lines = tried(play, "active.calls").lines
    assert lines[0] == "active.calls is unknown"
    assert "active (pbx-a): its picture is 1 min old, which is too old to be believed" in lines[-1]


def test_a_node_that_was_never_heard_is_named() -> None:
    play = Play(RuleSet())
    play.node("pbx-b", confirmed_at=None)
    assert "was not heard" in tried(play, 'node("pbx-b").calls > 0').lines[-1]


def test_nobody_knows_who_is_active() -> None:
    play = Play(RuleSet())
    play.pair(active="")
    assert "nobody knows which node that is" in tried(play, "active.calls > 0").lines[-1]


def test_a_window_that_no_rule_counts_is_said(tmp_path: Path) -> None:
    rule = "x: {when: 'increase(active.calls_failed, 5m) > 3', do: [notify]}"
    play = Play(rules_of(tmp_path, rule))
    play.run(10)
    assert tried(play, "increase(active.calls_failed, 5m)").lines[0].endswith("is 0")
    lines = tried(play, "increase(active.calls_failed, 1m)").lines
    assert lines[0].endswith("is unknown") and "no rule counts active.calls_failed over" in lines[1]


def test_a_window_of_a_named_node_is_said_as_it_is_written() -> None:
    lines = tried(Play(RuleSet()), 'increase(node("pbx-a").calls_failed, 5m) > 3').lines
    assert lines[-1].startswith('  no rule counts node("pbx-a").calls_failed over 5 min')


def test_a_list_is_no_value() -> None:
    (problem,) = tried(Play(RuleSet()), "active.trunks").problems
    assert "count(...)" in problem.text
