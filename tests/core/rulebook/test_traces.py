"""Every change of a rule keeps the values of its terms as they were."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.rulebook.traces import Trace, What, traces_of
from orchestrator.core.words import Verdict
from tests.core.rule_lab import Play, rules_of, trunk

TRUNKS = """
trunks:
  when: count(active.trunks) > 0 and all(not t.registered for t in active.trunks)
  for: 15s
  clear_when: any(t.registered for t in active.trunks)
  clear_for: 1m
  repeat: 5m
  limit: 1 per 1h
  inhibited_by: [dead]
  do: [notify]
dead: {when: active.verdict == "dead", do: [notify]}
"""


def lived(play: Play, seconds: float, pace: float = 0.5) -> list[Trace]:
    """The traces of that time, step by step."""
    found: list[Trace] = []
    for _ in range(round(seconds / pace)):
        before = traces_of(play.state.rules)
        play.run(pace, pace)
        after = traces_of(play.state.rules)
        found += after if after is not before else ()
    return found


def words(traces: list[Trace]) -> list[What]:
    return [trace.what for trace in traces]


def test_the_life_of_a_rule(tmp_path: Path) -> None:
    play = Play(rules_of(tmp_path, TRUNKS))
    assert lived(play, 5) == []
    play.node("pbx-a", **trunk(reachable=True, registered=False))
    (began,) = lived(play, 7)
    assert began.what is What.BEGAN and "must hold for 15 s" in began.says
    assert began.terms == (
        "count(active.trunks) > 0 is true",
        "all(not t.registered for t in active.trunks) is true (trunk trunk: true)",
    )
    play.node("pbx-a", **trunk(reachable=True, registered=True))
    (ended,) = lived(play, 7)
    assert ended.says == "its condition ended after 7 s of 15 s, so it did not fire"
    assert "is false (trunk trunk: false)" in ended.terms[1]
    play.node("pbx-a", **trunk(reachable=True, registered=False))
    assert words(lived(play, 20)) == [What.BEGAN, What.FIRED]
    assert words(lived(play, 300)) == [What.REPEATED]
    play.node("pbx-a", **trunk(reachable=True, registered=True))
    assert words(lived(play, 10)) == [What.CLEARING]
    play.node("pbx-a", **trunk(reachable=True, registered=False))
    assert words(lived(play, 10)) == [What.FIRES_ON]
    play.node("pbx-a", **trunk(reachable=True, registered=True))
    clearing, cleared = lived(play, 62)
    assert clearing.what is What.CLEARING and cleared.what is What.CLEARED
    assert cleared.terms == (
        "any(t.registered for t in active.trunks) is true (trunk trunk: true)",
    )
    play.node("pbx-a", **trunk(reachable=True, registered=False))
    limited = lived(play, 20)[-1]
    assert limited.what is What.LIMITED and "it has fired 1 times already" in limited.says


def test_the_unknown_stops_the_timer_and_says_so(tmp_path: Path) -> None:
    play = Play(rules_of(tmp_path, TRUNKS))
    play.step()
    play.node("pbx-a", **trunk(reachable=True, registered=False))
    assert words(lived(play, 5)) == [What.BEGAN]
    play.node("pbx-a", confirmed_at=play.now - 60)
    play.now += 1
    play.step()
    (stopped,) = traces_of(play.state.rules)
    assert stopped.what is What.STOPPED and "trunks are unknown" in stopped.terms[1]
    assert words(lived(play, 5)) == [What.WENT_ON]


def test_an_inhibited_rule_says_by_whom(tmp_path: Path) -> None:
    play = Play(rules_of(tmp_path, TRUNKS))
    play.step()
    play.verdict("pbx-a", Verdict.DEAD)
    play.node("pbx-a", **trunk(reachable=True, registered=False))
    silenced = lived(play, 20)[-1]
    assert silenced.what is What.SILENCED and "rule dead fires" in silenced.says


def test_traces_are_told_once(tmp_path: Path) -> None:
    play = Play(rules_of(tmp_path, TRUNKS))
    play.step()
    play.node("pbx-a", **trunk(reachable=True, registered=False))
    play.run(1)
    told = traces_of(play.state.rules)
    play.run(5)
    assert told and traces_of(play.state.rules) is told


def test_an_endless_list_of_terms_is_cut(tmp_path: Path) -> None:
    terms = " or ".join(f"active.calls > {number}" for number in range(-1, 60))
    play = Play(rules_of(tmp_path, f"x: {{when: {terms}, do: [notify]}}"))
    play.step()
    (fired,) = traces_of(play.state.rules)
    assert fired.what is What.FIRED and len(fired.terms) == 12


def test_an_inhibited_rule_without_for_does_not_speak_of_waiting(tmp_path: Path) -> None:
    rules = """
dead: {when: active.verdict == "dead", do: [notify]}
calls: {when: active.calls >= 0, inhibited_by: [dead], do: [notify]}
"""
    play = Play(rules_of(tmp_path, rules))
    play.verdict("pbx-a", Verdict.DEAD)
    play.step()
    silenced = traces_of(play.state.rules)[-1]
    assert silenced.what is What.SILENCED
    assert silenced.says == "its condition held, but it asks for nothing: rule dead fires"


def test_an_inhibited_rule_whose_condition_ends_says_that_it_was_inhibited(tmp_path: Path) -> None:
    play = Play(rules_of(tmp_path, TRUNKS))
    play.step()
    play.verdict("pbx-a", Verdict.DEAD)
    play.node("pbx-a", **trunk(reachable=True, registered=False))
    lived(play, 40)
    play.node("pbx-a", **trunk(reachable=True, registered=True))
    (ended,) = lived(play, 1)
    assert ended.says == (
        "its condition ended after 40 s; until then it asked for nothing: rule dead fires"
    )


def test_the_time_that_was_unknown_does_not_count(tmp_path: Path) -> None:
    play = Play(rules_of(tmp_path, TRUNKS))
    play.step()
    play.node("pbx-a", **trunk(reachable=True, registered=False))
    lived(play, 5.5)
    play.node("pbx-a", confirmed_at=play.now - 60)
    play.run(60, stale=frozenset({"pbx-a"}))
    play.node("pbx-a", **trunk(reachable=True, registered=True))
    (ended,) = lived(play, 0.5)
    assert ended.says == "its condition ended after 5.5 s of 15 s, so it did not fire"
