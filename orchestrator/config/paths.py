"""Where rule files are."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Final

TESTS_END: Final = ".test.yaml"
_PACKAGE: Final = Path(__file__).resolve().parent.parent


def shipped_rules() -> str:
    """The pattern of the ready packs: inside an installed package, or beside a source checkout."""
    installed = _PACKAGE / "rules"
    return str((installed if installed.is_dir() else _PACKAGE.parent / "rules") / "*.yaml")


def matching_files(pattern: str) -> list[Path]:
    """The rule files a pattern names, in order of their names; tests beside them are none."""
    names = sorted(glob.glob(pattern))  # noqa: PTH207  Path.glob takes no absolute pattern
    return [Path(name) for name in names if Path(name).is_file() and not name.endswith(TESTS_END)]


def path_of_tests(rules: Path) -> Path:
    """Where the tests of a rule file are, if it has any: ``trunks.yaml``, ``trunks.test.yaml``."""
    return rules.with_name(rules.stem + TESTS_END)
