"""What a reload changes, in words."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.rulebook.changes import changes
from tests.core.rule_lab import rules_of

ONE = "one: {when: pair.held, do: [notify]}\n"
TWO = "two: {when: pair.moving, do: [notify]}\n"


def test_the_same_rules(tmp_path: Path) -> None:
    assert (
        changes(rules_of(tmp_path, ONE), rules_of(tmp_path, ONE + "# a comment")) == "1 as before"
    )


def test_changed_new_and_gone(tmp_path: Path) -> None:
    old = rules_of(tmp_path, ONE + TWO + "four: {when: pair.held, do: [notify]}")
    new = rules_of(tmp_path, ONE + TWO.replace("moving", "held") + TWO.replace("two", "three"))
    assert changes(old, new) == (
        "changed: two (their timers begin anew); new: three; gone: four; 1 as before"
    )
