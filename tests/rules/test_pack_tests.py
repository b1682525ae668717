"""The tests beside the shipped packs: they pass, and leave nothing unshown."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.config.paths import matching_files, path_of_tests, shipped_rules
from orchestrator.rehearsal.cases import read_cases
from orchestrator.rehearsal.judge import judge
from orchestrator.rehearsal.report import not_shown

PACKS = matching_files(shipped_rules())


@pytest.mark.parametrize("pack", PACKS, ids=lambda path: path.stem)
def test_a_pack_does_what_its_tests_say_and_they_say_everything(pack: Path) -> None:
    verdicts = [judge(case) for case in read_cases(path_of_tests(pack))]
    assert [verdict.differences for verdict in verdicts if verdict.differences] == []
    assert not_shown(verdicts) == []


@pytest.mark.parametrize("pack", PACKS, ids=lambda path: path.stem)
def test_its_tests_begin_with_how_to_run_them(pack: Path) -> None:
    second = path_of_tests(pack).read_text().splitlines()[1]
    command = f"asterisk-orchestrator rules test rules/{pack.name}"
    assert second == f"# The tests of {pack.name}: {command}"
