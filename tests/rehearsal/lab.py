"""A rule file and a test file beside it, read and played."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import ConfigError
from orchestrator.rehearsal.cases import Case, read_cases
from orchestrator.rehearsal.judge import Verdict, judge

RULES = """\
rules:
  busy:
    description: Many calls
    when: active.calls > 10
    for: 10s
    clear_for: 5s
    messages: {fired: "{active.name} has {active.calls} calls.", cleared: Quiet again.}
    do: [switchover, notify]
"""


class Lab:
    """Writes the files into a folder; ``told`` has their places without the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rules = RULES

    def cases(self, tests: str) -> list[Case]:
        self.folder.joinpath("pack.yaml").write_text(self.rules)
        path = self.folder / "pack.test.yaml"
        path.write_text(tests)
        return read_cases(path)

    def judge(self, steps: str, before: str = "") -> Verdict:
        """One test: its steps (each line an item), and what stands before them."""
        lines = [
            f"    - {line}" if line[0] != " " else f"    {line}" for line in steps.splitlines()
        ]
        text = "\n".join([before, "tests:", "  it goes well:", "    steps:", *lines, ""])
        (case,) = self.cases(text.lstrip("\n"))
        return judge(case)

    def told(self, steps: str, before: str = "") -> str:
        """The differences; empty: the test passed."""
        return self._bare("\n".join(self.judge(steps, before).differences))

    def refused(self, tests: str) -> str:
        """Why the test file cannot be read."""
        with pytest.raises(ConfigError) as error:
            self.cases(tests)
        return self._bare("\n".join(error.value.problems))

    def _bare(self, text: str) -> str:
        return text.replace(f"{self.folder}/", "")
