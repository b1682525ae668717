"""The examples of the documentation are rules that load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.config.rule_files import load_rules
from orchestrator.rehearsal.cases import read_cases
from orchestrator.rehearsal.judge import judge

TEXT = Path(__file__).parents[2].joinpath("docs", "rules.md").read_text(encoding="utf-8")
WRITTEN = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
EXAMPLES = [text for text in WRITTEN if text.startswith("rules:")]
TESTS = [text for text in WRITTEN if text.startswith("tests:")]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_loads(number: int, tmp_path: Path) -> None:
    path = tmp_path / "example.yaml"
    path.write_text(EXAMPLES[number], encoding="utf-8")
    assert load_rules([str(path)], nodes=("pbx-a", "pbx-b"), commands=())


@pytest.mark.parametrize("number", range(len(TESTS)))
def test_an_example_of_a_test_passes(number: int, tmp_path: Path) -> None:
    """It is of the first rule that the documentation shows."""
    tmp_path.joinpath("trunks.yaml").write_text(EXAMPLES[0], encoding="utf-8")
    path = tmp_path / "trunks.test.yaml"
    path.write_text(TESTS[number], encoding="utf-8")
    (case,) = read_cases(path)
    assert judge(case).differences == []


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 2 and TESTS and len(WRITTEN) == len(EXAMPLES) + len(TESTS)
