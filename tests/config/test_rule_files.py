"""Rule files: every refusal with its place, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.config import check_rules, load_rules
from orchestrator.config.problems import with_excerpt
from orchestrator.errors import ConfigError
from tests.core.rule_lab import rules_of, write_rules

GOOD = """
dead:
  description: The active node is dead
  when: active.verdict == "dead"
  for: 10s
  clear_when: active.verdict == "healthy"
  unknown: hold
  limit: 2 per 1h
  inhibited_by: []
  messages: {fired: "{active.name} is dead"}
  do:
    - failover
    - notify: {severity: critical, text: "dead for {active.verdict_for}"}
    - ami_action: {node: active, action: {Action: Ping}}
    - command: {name: collect, node: standby}
"""


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_rules([path], nodes=("pbx-a", "pbx-b"), commands=("collect",))
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]


def test_a_good_file(tmp_path: Path) -> None:
    path = write_rules(tmp_path, GOOD)
    (rule,) = load_rules([path], nodes=("pbx-a", "pbx-b"), commands=("collect",)).rules
    assert (rule.name, rule.for_s, len(rule.do)) == ("dead", 10.0, 4)
    assert rule.limit and (rule.limit.times, rule.limit.within_s) == (2, 3600.0)
    assert rule.where == f"{path}:2:3"


@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        ('== "dead"', '== "ded"', '"ded"', "did you mean 'dead'?"),
        ("when: active", "when: actve", "actve", "did you mean 'active'?"),
        ('"healthy"', '"helthy"', '"helthy"', "did you mean 'healthy'?"),
        ("  for: 10s", "  fr: 10s", "fr:", "unknown key 'fr'"),
        ("for: 10s", "for: 10 bananas", "10 bananas", "is no duration"),
        ("unknown: hold", "unknown: whatever", "whatever", "known are: clear, fire, hold"),
        ("limit: 2 per 1h", "limit: 2", "2", "write how often"),
        ("limit: 2 per 1h", "limit: 0 per 1h", "0 per", "write how often"),
        ("limit: 2 per 1h", "limit: 2 per x", "2 per x", "is no duration"),
        ("inhibited_by: []", "inhibited_by: [daed]", "daed", "did you mean 'dead'?"),
        ("inhibited_by: []", "repeat: 200ms", "200ms", "1s or longer"),
        ('"{active.name} is', '"{active.nam} is', "nam}", "did you mean 'name'?"),
        ('"{active.name} is', '"{active} is', "active}", "name one of its facts"),
        ('"{active.name} is', '"{active.name is', '"{active.name is', "without its other half"),
        ("{active.verdict_for}", "{active.verdict_fro}", "", "did you mean 'verdict_for'?"),
        ("- failover", "- failver", "failver", "did you mean 'failover'?"),
        ("- failover", "- failover: {at_most: 5m}", "at_most", "unknown key 'at_most'"),
        ("- failover", "- {failover: , hold: }", "{failover", "one request an item"),
        ("- failover", "- hold", "hold", "missing key 'reason'"),
        ("severity: critical", "severity: criticl", "criticl", "did you mean 'critical'?"),
        ("node: active", "node: pbx-c", "pbx-c", "the pair has no node 'pbx-c'"),
        ("{Action: Ping}", "{Foo: Ping}", "", "missing key 'Action'"),
        ("{Action: Ping}", '{Action: "Ping\\nx"}', "", "one line of printable text"),
        ("name: collect", "name: colect", "colect", "did you mean 'collect'?"),
        ("description:", "descripton:", "descripton", "did you mean 'description'?"),
        ("dead:\n", "dead beef:\n", "dead beef", "no Asterisk object name"),
    ],
)
def test_a_mistake_is_named_with_its_place(
    tmp_path: Path, old: str, new: str, place: str, says: str
) -> None:
    assert old in GOOD
    path = write_rules(tmp_path, GOOD.replace(old, new, 1))
    (problem,) = problems(path)
    assert says in problem
    line, column, _ = problem.split(":", 2)
    there = path.read_text().splitlines()[int(line) - 1][int(column) - 1 :]
    assert there.startswith(place), there


def test_the_place_is_true_in_folded_and_quoted_texts(tmp_path: Path) -> None:
    text = """
one:
  when: >-
    active.verdict == "dead"
    and   standby.foo
  do: [failover]
two:
  when: |
    active.verdict == "dead"
    and standby.foo
  do: [failover]
three:
  when: 'active.verdict == "dead" and standby.foo'
  do: [failover]
"""
    path = write_rules(tmp_path, text)
    lines = path.read_text().splitlines()
    found = problems(path)
    assert len(found) == 3
    for problem in found:
        line, column, _ = problem.split(":", 2)
        assert lines[int(line) - 1][int(column) - 1 :].startswith("foo")


def test_all_problems_of_all_files_come_at_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(
            f"rules:\n  {name}:\n    when: active.foo\n    clear_when: active.bar\n    do: [x]\n"
        )
    with pytest.raises(ConfigError) as caught:
        load_rules([tmp_path / "*.yaml"])
    assert len(caught.value.problems) == 6
    assert caught.value.problems == sorted(caught.value.problems)


def test_two_rules_of_one_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("rules:\n  x: {when: pair.held, do: [failover]}\n")
    with pytest.raises(ConfigError, match=r"b.yaml:2:3: a rule 'x' is already in .*a.yaml:2:3"):
        load_rules([tmp_path / "*.yaml"])


def test_a_circle_names_its_rules(tmp_path: Path) -> None:
    text = """
a: {when: pair.held, inhibited_by: [b], do: [failover]}
b: {when: pair.held, inhibited_by: [a], do: [failover]}
"""
    with pytest.raises(ConfigError, match="circle: a, b"):
        rules_of(tmp_path, text)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no rule file matches"):
        load_rules([tmp_path / "*.yaml"])


def test_a_rule_inhibited_by_itself(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="circle"):
        rules_of(tmp_path, "a: {when: pair.held, inhibited_by: [a], do: [failover]}")


def test_the_content_hash_changes_with_the_rule(tmp_path: Path) -> None:
    first = rules_of(tmp_path, GOOD).rules[0]
    assert first.key == rules_of(tmp_path, GOOD + "\n# a comment\n").rules[0].key
    assert first.key != rules_of(tmp_path, GOOD.replace("10s", "11s")).rules[0].key


def test_a_problem_is_shown_with_its_line_and_a_caret(tmp_path: Path) -> None:
    path = write_rules(tmp_path, GOOD.replace("when: active", "when: actve", 1))
    (problem,) = check_rules([path]).problems
    said, line, caret = with_excerpt(problem).splitlines()
    assert said == problem
    assert line.strip() == 'when: actve.verdict == "dead"'
    assert line[caret.index("^") :].startswith("actve")


@pytest.mark.parametrize("problem", ["no place", "/none.yaml:1:1: x", __file__ + ":99999:1: x"])
def test_a_problem_without_a_line_is_said_as_it_is(problem: str) -> None:
    assert with_excerpt(problem) == problem
