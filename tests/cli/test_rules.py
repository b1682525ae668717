"""``rules``: what an author reads, and what CI gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.codes import Exit
from tests.cli.test_cli import cli

NOWHERE = Path("/nowhere.yaml")
SOUND = "rules:\n  x: {when: active.calls > 10, for: 10s, do: [switchover]}\n"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(SOUND)
    return path


def test_sound_rules(rules: Path) -> None:
    done = cli(NOWHERE, "rules", "check", str(rules))
    assert (done.returncode, done.stderr) == (Exit.OK, "")
    assert done.stdout == "1 rule, no error, no warning.\n"


def test_without_files_and_configuration_the_shipped_ones_are_checked() -> None:
    done = cli(NOWHERE, "rules", "check")
    assert done.returncode == Exit.OK and "no error, no warning" in done.stdout


def test_errors_come_all_at_once_with_line_and_caret(rules: Path) -> None:
    rules.write_text(SOUND.replace("active.calls", "active.cals") + "  y: {when: 5m, do: [ring]}\n")
    done = cli(NOWHERE, "rules", "check", str(rules))
    assert done.returncode == Exit.FAILED and done.stdout == ""
    lines = done.stderr.splitlines()
    assert "did you mean 'calls'?" in lines[0]
    assert lines[1].strip() == "x: {when: active.cals > 10, for: 10s, do: [switchover]}"
    assert lines[2].index("^") == lines[1].index("cals")
    assert "unknown request 'ring'" in done.stderr


def test_warnings_have_their_own_exit_code(rules: Path) -> None:
    rules.write_text(SOUND.replace("for: 10s, ", ""))
    done = cli(NOWHERE, "rules", "check", str(rules))
    assert done.returncode == Exit.WARNED
    assert "without 'for'" in done.stderr and "(warning)" in done.stderr
    assert done.stdout == "1 rule, no error, 1 warning.\n"


def test_a_broken_configuration_is_said_first(tmp_path: Path, rules: Path) -> None:
    config = tmp_path / "orchestrator.yaml"
    config.write_text("pair: [\n")
    done = cli(config, "rules", "check", str(rules))
    assert done.returncode == Exit.FAILED and "orchestrator.yaml:" in done.stderr


def test_the_schemas_are_printed() -> None:
    done = cli(NOWHERE, "rules", "schema")
    assert done.returncode == Exit.OK and '"Rules of asterisk-orchestrator"' in done.stdout
    assert '"Tests of rules' in cli(NOWHERE, "rules", "schema", "--tests").stdout
