"""The examples of the documentation are rules that load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.config.rule_files import load_rules

TEXT = Path(__file__).parents[2].joinpath("docs", "rules.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_loads(number: int, tmp_path: Path) -> None:
    path = tmp_path / "example.yaml"
    path.write_text(EXAMPLES[number], encoding="utf-8")
    assert load_rules([str(path)], nodes=("pbx-a", "pbx-b"), commands=())


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 2
