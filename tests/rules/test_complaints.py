"""What people complain of in the rule engines of others, and what is so here instead."""

from __future__ import annotations

from pathlib import Path

from orchestrator.cli.codes import Exit
from tests.cli.test_cli import cli

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
