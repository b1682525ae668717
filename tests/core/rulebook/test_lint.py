"""Rules that are sound and yet hardly meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.config import check_rules
from orchestrator.config.paths import shipped_rules
from tests.core.rule_lab import write_rules

AWAY = """
away: {when: active.calls > 10, for: 10s, do: [switchover]}
"""


def warnings(tmp_path: Path, text: str) -> list[str]:
    path = write_rules(tmp_path, text)
    checked = check_rules([path], nodes=("pbx-a", "pbx-b"), commands=())
    assert checked.problems == []
    return [warning.removeprefix(f"{path}:") for warning in checked.warnings]


def test_the_shipped_packs_give_no_warning() -> None:
    assert check_rules([shipped_rules()], ("pbx-a", "pbx-b"), ()).warnings == []


@pytest.mark.parametrize("move", ["switchover", "failover", "failback", "drain"])
def test_a_move_without_for(tmp_path: Path, move: str) -> None:
    (warning,) = warnings(tmp_path, f"x: {{when: active.calls > 10, do: [{move}]}}")
    assert warning.startswith("2:3: asks for a ") and "'for: 15s'" in warning
    assert warnings(tmp_path, f"x: {{when: active.calls > 10, for: 1s, do: [{move}]}}") == []


def test_a_verdict_needs_no_wait_and_a_notice_neither(tmp_path: Path) -> None:
    dead = "not pair.moving and active.verdict == 'dead'"
    assert warnings(tmp_path, f'x: {{when: "{dead}", do: [failover]}}') == []
    assert warnings(tmp_path, "x: {when: active.calls > 10, do: [notify]}") == []


def test_a_senseless_condition_is_told_where_it_stands(tmp_path: Path) -> None:
    text = """
x:
  when: pair.held and not pair.held
  clear_when: pair.moving or not pair.moving
  do: [notify]
"""
    never, at_once = warnings(tmp_path, text)
    assert never.startswith("3:11: can never be true, so the rule never fires")
    assert at_once.startswith("4:17: is true whatever happens, so what has fired clears at once")


def test_rules_that_can_fight(tmp_path: Path) -> None:
    back = "back: {when: active.calls > 2, for: 10s, do: [failback]}"
    (warning,) = warnings(tmp_path, AWAY + back)
    assert warning.startswith("2:3: can fight with rule 'back'")
    assert "both read active.calls and can be true at once" in warning


@pytest.mark.parametrize(
    "back",
    [
        "back: {when: active.calls < 5, for: 10s, do: [failback]}",
        "back: {when: active.calls > 2, for: 10s, inhibited_by: [away], do: [failback]}",
        "back: {when: active.calls > 2, for: 10s, do: [switchover]}",
        "back: {when: standby.calls > 2, for: 10s, do: [failback]}",
    ],
    ids=["exclude each other", "inhibited", "same way", "another fact"],
)
def test_rules_that_do_not_fight(tmp_path: Path, back: str) -> None:
    assert warnings(tmp_path, AWAY + back) == []


def test_a_common_guard_is_no_fight(tmp_path: Path) -> None:
    text = """
away: {when: not pair.moving and active.calls > 10, for: 10s, do: [switchover]}
back: {when: not pair.moving and standby.calls > 10, for: 10s, do: [failback]}
"""
    assert warnings(tmp_path, text) == []
