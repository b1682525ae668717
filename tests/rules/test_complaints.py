"""What people complain of in the rule engines of others, and what is so here instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.codes import Exit
from orchestrator.core.rulebook.traces import traces_of
from orchestrator.errors import ConfigError
from tests.cli.test_cli import cli
from tests.core.machine.test_flapping import flap, moves
from tests.core.rule_lab import Play, asks, rules_of, trunk
from tests.core.test_stories import make

RULES = """\
rules:
  trunks-down:
    when: count(active.trunks) > 0 and all(not t.reachable for t in active.trunks)
    for: 15s
    do: [switchover]
"""
TESTS = """\
tests:
  the standby takes over after 10 seconds:
    steps:
      - set: {active.trunks: [{name: telco, reachable: false}]}
      - after: 10s
        expect: {trunks-down: firing}
        asks: [trunks-down: switchover]
"""


def test_test_output_that_says_only_failed(tmp_path: Path) -> None:
    """File, line, rule, what was expected, what it was and why; nothing more."""
    rules, tests = tmp_path / "trunks.yaml", tmp_path / "trunks.test.yaml"
    rules.write_text(RULES)
    tests.write_text(TESTS)
    done = cli(tmp_path / "none.yaml", "rules", "test", str(rules))
    assert (done.returncode, done.stderr) == (Exit.FAILED, "")
    condition = "all(not t.reachable for t in active.trunks)"
    assert done.stdout.splitlines() == [
        f"{tests}:2:3: FAILED the standby takes over after 10 seconds",
        f"    {tests}:6:31: trunks-down is pending, expected firing",
        "      trunks-down: its condition has held for 10 s of 15 s, 5 s to go.",
        f"        when: count(active.trunks) > 0 and {condition} is true",
        "          count(active.trunks) > 0 is true",
        f"          {condition} is true (trunk telco: true)",
        f"    {tests}:7:16: trunks-down did not ask for switchover",
        "1 of 1 test failed.",
    ]


TRUNKS = """
trunks: {when: all(not t.registered for t in active.trunks), for: 15s, do: [failover]}
"""


def lost(play: Play) -> None:
    play.node("pbx-a", **trunk(reachable=True, registered=False))


def test_timers_lost_on_restart(tmp_path: Path) -> None:
    """A rule that has waited 10 of 15 seconds waits 5 more after a restart, not 15."""
    play = Play(rules_of(tmp_path, TRUNKS))
    play.run(1)
    lost(play)
    assert play.run(10) == []
    play.restart()
    assert play.run(4) == []
    assert asks(play.run(2)) == ["trunks:failover"]


def test_typos_accepted_in_silence(tmp_path: Path) -> None:
    """A key, fact, word or rule that does not exist is refused, with what was probably meant."""
    text = """
    a: {when: active.verdikt == "dead", do: [failover]}
    b: {when: active.verdict == "daed", do: [failover], inhibited_by: [aa]}
    c: {when: any(t.registred for t in active.trunks), do: [notify]}
    """
    with pytest.raises(ConfigError) as refused:
        rules_of(tmp_path, text)
    for hint in ("'verdict'", "'dead'", "'registered'", "no rule 'aa'"):
        assert any(hint in problem for problem in refused.value.problems)
    with pytest.raises(ConfigError, match="did you mean 'repeat'"):
        rules_of(tmp_path, "a: {when: active.calls > 1, do: [notify], repaet: 1h}")


def test_stale_data_read_as_recovery(tmp_path: Path) -> None:
    """A node that is not heard any more does not clear the rule that fires on it."""
    play = Play(rules_of(tmp_path, TRUNKS))
    play.run(1)
    lost(play)
    assert asks(play.run(16)) == ["trunks:failover"]
    play.run(600, pace=5, stale=frozenset({"pbx-a"}))
    assert "has fired" in play.explain("trunks")


def test_flapping() -> None:
    """After two moves an hour that nobody ordered everything is held and a human is called."""
    player = make(automatic_moves=2)
    for _ in range(3):
        flap(player)
    assert len(moves(player)) == 2 and player.state.hold is not None


def test_why_did_it_not_fire(tmp_path: Path) -> None:
    """What was true and for how long, and the term that turned, is kept and told."""
    play = Play(rules_of(tmp_path, TRUNKS))
    play.run(1)
    lost(play)
    play.run(7)
    play.node("pbx-a", **trunk(reachable=True, registered=True))
    play.run(1)
    (ended,) = traces_of(play.state.rules)
    assert ended.says == "its condition ended after 7 s of 15 s, so it did not fire"
    assert "is false (trunk trunk: false)" in ended.terms[0]


def test_errors_without_a_place(tmp_path: Path) -> None:
    """Every problem begins with file, line and column; all of them come at once."""
    text = "a: {when: active.calls > 5m, do: [notify]}\nb: {when: active.calls && true, do: [ring]}"
    with pytest.raises(ConfigError) as refused:
        rules_of(tmp_path, text)
    places = [problem.split(": ")[0].rsplit(":", 2) for problem in refused.value.problems]
    assert {line for _, line, _ in places} == {"2", "3"}
    assert all(file.endswith("rules.yaml") and column.isdigit() for file, _, column in places)
