"""Rules over time: for, clearing, unknown, limit, repeat, inhibition, restart, reload."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from immutables import Map

from orchestrator.core.rulebook.memory import from_json, to_json
from orchestrator.core.rules import RuleSet, states_of
from orchestrator.core.state import Hold, Move
from orchestrator.core.words import MoveKind, Severity, Verdict
from tests.core.rule_lab import START, Play, asks, phones, rules_of

DEAD = """
dead:
  when: active.verdict == "dead"
  do: [failover]
"""


def with_keys(**keys: str) -> str:
    return DEAD + "".join(f"  {key.rstrip('_')}: {value}\n" for key, value in keys.items())


def test_without_for_the_very_step_asks(tmp_path: Path) -> None:
    play = Play(rules_of(tmp_path, DEAD))
    assert play.step() == ()
    play.now += 0.001
    play.verdict("pbx-a", Verdict.DEAD, "refused and gone")
    (request,) = play.step()
    assert (request.rule, request.ask) == ("dead", "failover")
    assert "active.verdict is dead" in request.reason
    assert play.run(60) == []


def test_for_must_hold_without_a_gap(tmp_path: Path) -> None:
    play = Play(rules_of(tmp_path, with_keys(for_="10s")))
    play.verdict("pbx-a", Verdict.DEAD)
    assert play.run(9) == []
    play.verdict("pbx-a", Verdict.HEALTHY)
    assert play.run(1) == []
    play.verdict("pbx-a", Verdict.DEAD)
    assert play.run(9.5) == []
    assert asks(play.run(1)) == ["dead:failover"]


def test_for_ends_on_time_although_nothing_changes(tmp_path: Path) -> None:
    play = Play(rules_of(tmp_path, with_keys(for_="10s")))
    play.verdict("pbx-a", Verdict.DEAD)
    play.step()
    play.now = START + 10.001
    assert asks(play.step()) == ["dead:failover"]


def test_unknown_hold_stops_the_timer_and_is_no_recovery(tmp_path: Path) -> None:
    play = Play(rules_of(tmp_path, with_keys(for_="10s")))
    play.verdict("pbx-a", Verdict.DEAD)
    play.run(6)
    play.verdict("pbx-a", Verdict.UNKNOWN)
    assert play.run(60) == []
    play.verdict("pbx-a", Verdict.DEAD)
    assert play.run(3) == []
    assert asks(play.run(2)) == ["dead:failover"]
    play.verdict("pbx-a", Verdict.UNKNOWN)
    play.run(60)
    play.verdict("pbx-a", Verdict.DEAD)
    assert play.run(60) == [], "unknown must not have cleared it"


def test_unknown_fire_and_unknown_clear(tmp_path: Path) -> None:
    for word, expected in (("fire", ["dead:failover"]), ("clear", [])):
        play = Play(rules_of(tmp_path, with_keys(unknown=word, for_="5s")))
        play.verdict("pbx-a", Verdict.UNKNOWN)
        assert asks(play.run(10)) == expected
    play.verdict("pbx-a", Verdict.DEAD)
    assert asks(play.run(6)) == ["dead:failover"]
    play.verdict("pbx-a", Verdict.UNKNOWN)
    play.run(1)
    play.verdict("pbx-a", Verdict.DEAD)
    assert asks(play.run(6)) == ["dead:failover"], "unknown counted as clear"


HYSTERESIS = """
few-phones:
  when: active.phones_reachable < 10
  clear_when: active.phones_reachable >= 20
  clear_for: 10s
  messages:
    fired: "only {active.phones_reachable} phones on {active.name}"
    cleared: "{active.phones_reachable} phones again"
  do:
    - notify: {severity: critical, title: "Phones {{low}}"}
"""


def test_clear_when_clear_for_and_texts(tmp_path: Path) -> None:
    play = Play(rules_of(tmp_path, HYSTERESIS))
    play.node("pbx-a", contacts=phones(5))
    (request,) = play.run(1)
    assert dict(request.args) == {
        "severity": Severity.CRITICAL,
        "title": "Phones {low}",
        "text": "only 5 phones on pbx-a",
    }
    play.node("pbx-a", contacts=phones(15))
    assert play.run(60) == []
    play.node("pbx-a", contacts=phones(25))
    assert play.run(9) == []
    play.node("pbx-a", contacts=phones(15))
    play.run(1)
    play.node("pbx-a", contacts=phones(25))
    assert play.run(9) == []
    (request,) = play.run(2)
    assert request.args["text"] == "25 phones again"
    assert request.args["title"] == "Over: Phones {low}"
    assert request.args["severity"] is Severity.INFO


def test_stale_data_is_no_recovery(tmp_path: Path) -> None:
    play = Play(rules_of(tmp_path, HYSTERESIS))
    play.node("pbx-a", contacts=phones(5))
    play.run(1)
    play.node("pbx-a", contacts=phones(25))
    play.node("pbx-a", confirmed_at=play.now - 60)
    assert play.run(60, stale=frozenset({"pbx-a"})) == []


def test_limit_stops_and_calls_a_human_once(tmp_path: Path) -> None:
    play = Play(rules_of(tmp_path, with_keys(limit="2 per 1h", repeat="10s")))
    asked = []
    for _ in range(3):
        play.verdict("pbx-a", Verdict.DEAD)
        asked.append(asks(play.run(5)))
        play.verdict("pbx-a", Verdict.HEALTHY)
        play.run(5)
    assert asked == [["dead:failover"], ["dead:failover"], ["dead:notify"]]
    play.verdict("pbx-a", Verdict.DEAD)
    (request,) = play.run(60)
    assert "nothing was done" in str(request.args["text"])
    assert "limit" in play.explain("dead")
    play.verdict("pbx-a", Verdict.HEALTHY)
    play.run(3600, pace=10)
    play.verdict("pbx-a", Verdict.DEAD)
    assert asks(play.run(5)) == ["dead:failover"], "the limit is over"


def move(play: Play) -> Move:
    return Move(
        1, MoveKind.SWITCHOVER, "pbx-a", "pbx-b", "operator", "", play.now, play.now
    )  # fmt: skip


def test_a_move_is_repeated_until_it_can_be_granted_its_notice_is_not(tmp_path: Path) -> None:
    text = DEAD.replace("[failover]", "[failover, {notify: {text: dead}}]") + "  repeat: 10s\n"
    play = Play(rules_of(tmp_path, text))
    play.verdict("pbx-a", Verdict.DEAD)
    assert asks(play.run(1)) == ["dead:failover", "dead:notify"]
    assert asks(play.run(20)) == ["dead:failover"] * 2
    play.pair(move=move(play))
    assert play.run(30) == []
    play.pair(move=None, hold=Hold("operator", "work on the rack", play.now))
    assert play.run(30) == []
    play.pair(hold=None)
    assert asks(play.run(10)) == ["dead:failover"]


def test_a_notice_alone_is_repeated(tmp_path: Path) -> None:
    play = Play(rules_of(tmp_path, HYSTERESIS + "  repeat: 1m\n"))
    play.node("pbx-a", contacts=phones(5))
    assert len(play.run(125)) == 3


INHIBITED = """
few-phones:
  when: active.phones_known < 10
  inhibited_by: [dead]
  for: 2s
  do: [{notify: {text: phones}}]
dead:
  when: active.verdict == "dead"
  do: [failover]
"""


def test_an_inhibited_rule_waits_until_the_other_is_over(tmp_path: Path) -> None:
    play = Play(rules_of(tmp_path, INHIBITED))
    play.verdict("pbx-a", Verdict.DEAD)
    assert asks(play.run(30)) == ["dead:failover"]
    assert "rule dead fires" in play.explain("few-phones")
    play.verdict("pbx-a", Verdict.HEALTHY)
    assert asks(play.run(1)) == ["few-phones:notify"]


def test_timers_survive_a_restart(tmp_path: Path) -> None:
    play = Play(rules_of(tmp_path, with_keys(for_="1h", limit="1 per 2h")))
    play.verdict("pbx-a", Verdict.DEAD)
    play.run(1800, pace=10)
    play.restart()
    assert play.run(1790, pace=10) == []
    assert asks(play.run(20)) == ["dead:failover"]
    play.restart()
    assert play.run(100) == [], "it fires already"
    play.verdict("pbx-a", Verdict.HEALTHY)
    play.run(1)
    play.restart()
    play.verdict("pbx-a", Verdict.DEAD)
    assert asks(play.run(3620, pace=10)) == ["dead:notify"], "the limit was remembered"


def test_a_changed_rule_starts_with_fresh_timers_others_keep_theirs(tmp_path: Path) -> None:
    other = DEAD.replace("dead:", "other:")
    play = Play(rules_of(tmp_path, with_keys(for_="10s") + other + "  for: 10s\n"))
    play.verdict("pbx-a", Verdict.DEAD)
    play.run(8)
    play.rules = rules_of(tmp_path, with_keys(for_="9s") + other + "  for: 10s\n")
    assert asks(play.run(4)) == ["other:failover"]
    assert asks(play.run(6)) == ["dead:failover"]
    play.rules = RuleSet()
    play.step()
    assert not states_of(play.state.rules)


RATE = """
failing:
  when: >-
    increase(active.calls_attempted, 1m) >= 10
    and ratio(active.calls_failed, active.calls_attempted, 1m) > 0.5
  do: [{notify: {text: "{increase(active.calls_failed, 1m)} failed"}}]
"""


def test_windows_forget_and_follow_the_active_node(tmp_path: Path) -> None:
    play = Play(rules_of(tmp_path, RATE))
    play.count("pbx-a", calls_attempted=1000, calls_failed=1000)
    assert play.run(1) == [], "what was before the start does not count"
    for _ in range(20):
        play.count("pbx-a", calls_attempted=1, calls_failed=1)
        asked = play.run(1)
        if asked:
            break
    assert asked[0].args["text"] == "10 failed"
    play.run(90)
    assert not states_of(play.state.rules), "the window is over"
    play.count("pbx-b", calls_attempted=500, calls_failed=500)
    play.pair(active="pbx-b")
    assert play.run(30) == [], "the other node's count is another count"


def test_a_counter_that_began_anew_did_not_fall(tmp_path: Path) -> None:
    play = Play(rules_of(tmp_path, RATE))
    play.count("pbx-a", calls_attempted=100, calls_failed=100)
    play.run(1)
    play.count("pbx-a", calls_attempted=8, calls_failed=8)
    play.run(1)
    play.restart()
    counters = type(play.state.nodes["pbx-a"].counters)()
    play.node("pbx-a", counters=counters)
    play.run(1)
    play.count("pbx-a", calls_attempted=3, calls_failed=3)
    (request,) = play.run(2)
    assert request.args["text"] == "11 failed"


def test_memory_is_json_and_comes_back(tmp_path: Path) -> None:
    play = Play(rules_of(tmp_path, with_keys(for_="1h") + RATE))
    play.verdict("pbx-a", Verdict.DEAD)
    play.run(30)
    kept = json.loads(json.dumps(to_json(play.state.rules)))
    assert kept["states"] and kept["windows"]
    assert to_json(from_json(kept)) == kept


def test_what_nobody_reads_wakes_no_rule(tmp_path: Path) -> None:
    play = Play(rules_of(tmp_path, DEAD))
    play.step()
    before = play.state.rules
    play.now += 0.01
    play.node("pbx-a", contacts=phones(100), observations=Map())
    play.step()
    assert play.state.rules is before


def test_a_step_costs_microseconds_with_hundreds_of_rules(tmp_path: Path) -> None:
    many = "".join(
        f'r{i}:\n  when: active.verdict == "dead" and active.calls > {i}\n  do: [failover]\n'
        for i in range(300)
    )
    play = Play(rules_of(tmp_path, many))
    play.step()
    begun = time.perf_counter()
    for _ in range(1000):
        play.now += 0.0001
        play.step()
    assert time.perf_counter() - begun < 0.5


def test_other_requests_carry_what_is_needed(tmp_path: Path) -> None:
    text = """
dead:
  when: active.verdict == "dead"
  do:
    - drain: {at_most: 10m}
    - failback
    - hold: {reason: "{active.name} is dead", for: 1h}
    - ami_action: {node: active, action: {Action: QueuePause, Queue: 700, Paused: "true"}}
    - command: {name: collect-logs, node: standby}
"""
    play = Play(rules_of(tmp_path, text))
    play.verdict("pbx-a", Verdict.DEAD)
    assert [(r.ask.value, dict(r.args)) for r in play.step()] == [
        ("switchover", {"at_most_s": 600.0}),
        ("failback", {}),
        ("hold", {"reason": "pbx-a is dead", "for_s": 3600.0}),
        (
            "ami_action",
            {
                "node": "pbx-a",
                "action": (("Action", "QueuePause"), ("Queue", "700"), ("Paused", "true")),
            },
        ),
        ("command", {"node": "pbx-b", "name": "collect-logs"}),
    ]


def test_a_circle_of_inhibition_is_refused(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, INHIBITED).rules
    dead = next(rule for rule in rules if rule.name == "dead")
    circle = (*(r for r in rules if r is not dead), replace(dead, inhibited_by=("few-phones",)))
    with pytest.raises(ValueError, match="circle"):
        RuleSet(circle)


def test_explain_says_why_not_in_words(tmp_path: Path) -> None:
    play = Play(rules_of(tmp_path, with_keys(for_="10s")))
    play.run(1)
    assert play.explain().splitlines() == [
        "dead: does not fire.",
        '  when: active.verdict == "dead" is false',
        '    active.verdict == "dead" is false (active.verdict is healthy)',
    ]
    play.verdict("pbx-a", Verdict.DEAD)
    play.run(4)
    assert "has held for 3.5 s of 10 s, 6.5 s to go" in play.explain("dead")
    play.verdict("pbx-a", Verdict.UNKNOWN)
    play.run(4)
    assert "its timer stands still" in play.explain("dead")
    assert play.explain("daed") == "There is no rule 'daed'; did you mean 'dead'?"


def test_a_rule_that_observes_marks_all_that_it_would_ask(tmp_path: Path) -> None:
    text = with_keys(mode="observe", limit="1 per 1h", messages='{cleared: "it is over"}')
    play = Play(rules_of(tmp_path, text.replace("[failover]", "[failover, notify]")))
    play.verdict("pbx-a", Verdict.DEAD)
    fired = play.step()
    play.verdict("pbx-a", Verdict.HEALTHY)
    cleared = play.run(1)
    play.verdict("pbx-a", Verdict.DEAD)
    limited = play.run(1)
    assert asks(fired) == ["dead:failover", "dead:notify"]
    assert asks(cleared) == asks(limited) == ["dead:notify"]
    assert all(request.observed for request in (*fired, *cleared, *limited))
    assert "mode: observe" in play.explain("dead")
