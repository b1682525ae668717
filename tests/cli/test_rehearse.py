"""``rules test``: what is printed, and what CI gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.codes import Exit
from tests.cli.test_cli import cli

NOWHERE = Path("/nowhere.yaml")
RULES = "rules:\n  x: {when: active.calls > 10, do: [notify]}\n"
PASSES = """\
tests:
  many calls are told:
    steps:
      - lose: active
      - regain: active
        set: {active.calls: 11}
        asks: [x: notify]
      - restart: 5s
        set: {active.calls: 10}
        expect: {x: idle}
  few are not:
    steps: [{set: {active.calls: 10}}]
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "pack.yaml"
    path.write_text(RULES)
    path.with_name("pack.test.yaml").write_text(PASSES)
    return path


def test_tests_that_pass_say_so_in_a_line(rules: Path) -> None:
    done = cli(NOWHERE, "rules", "test", str(rules))
    assert (done.returncode, done.stdout, done.stderr) == (Exit.OK, "2 tests passed.\n", "")


def test_the_test_file_itself_can_be_named(rules: Path) -> None:
    done = cli(NOWHERE, "rules", "test", str(rules.with_name("pack.test.yaml")))
    assert (done.returncode, done.stdout) == (Exit.OK, "2 tests passed.\n")


def test_the_shipped_packs_are_tested_without_any_file() -> None:
    done = cli(NOWHERE, "rules", "test")
    assert done.returncode == Exit.OK
    assert done.stdout.endswith(" tests passed.\n") and "No test shows" not in done.stdout


def test_a_broken_configuration_is_said_first(tmp_path: Path) -> None:
    config = tmp_path / "orchestrator.yaml"
    config.write_text("pair: [\n")
    done = cli(config, "rules", "test")
    assert (done.returncode, done.stdout) == (Exit.FAILED, "")
    assert done.stderr.startswith(f"{config}:2:1: is not YAML")


def test_what_no_test_shows_is_no_failure(rules: Path) -> None:
    rules.with_name("pack.test.yaml").write_text("tests: {a: {steps: [{after: 5s}]}}\n")
    done = cli(NOWHERE, "rules", "test", str(rules))
    assert done.returncode == Exit.OK
    assert done.stdout.splitlines() == [
        "No test shows that x fires, clears, meets the unknown, goes through a restart.",
        "1 test passed.",
    ]


def test_a_test_that_fails_fails_the_command_and_is_in_the_file_for_ci(
    tmp_path: Path, rules: Path
) -> None:
    rules.write_text(RULES.replace("10", "11"))
    done = cli(NOWHERE, "rules", "test", str(rules), "--junit", str(tmp_path / "out.xml"))
    assert done.returncode == Exit.FAILED
    assert "FAILED many calls are told" in done.stdout
    assert done.stdout.endswith("1 of 2 tests failed.\n") and "No test shows" not in done.stdout
    assert 'failures="1"' in (tmp_path / "out.xml").read_text()


def test_a_test_file_with_errors_is_shown_and_fails_the_command(rules: Path) -> None:
    path = rules.with_name("pack.test.yaml")
    path.write_text(PASSES.replace("regain", "regian"))
    done = cli(NOWHERE, "rules", "test", str(rules))
    assert (done.returncode, done.stdout) == (Exit.FAILED, "")
    says, line, caret = done.stderr.splitlines()
    assert says == f"{path}:5:9: unknown key 'regian'; did you mean 'regain'?"
    assert line[caret.index("^") :].startswith("regian")


def test_rules_without_tests_say_where_they_belong(rules: Path) -> None:
    rules.with_name("pack.test.yaml").unlink()
    done = cli(NOWHERE, "rules", "test", str(rules))
    assert done.returncode == Exit.FAILED
    assert "there is no NAME.test.yaml beside" in done.stderr and str(rules) in done.stderr
