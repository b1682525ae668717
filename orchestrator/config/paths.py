"""Where rule files are."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parent.parent


def shipped_rules() -> str:
    """The pattern of the ready packs: inside an installed package, or beside a source checkout."""
    installed = _PACKAGE / "rules"
    return str((installed if installed.is_dir() else _PACKAGE.parent / "rules") / "*.yaml")


def matching_files(pattern: str) -> list[Path]:
    """The files a pattern names, in order of their names."""
    names = sorted(glob.glob(pattern))  # noqa: PTH207  Path.glob takes no absolute pattern
    return [Path(name) for name in names if Path(name).is_file()]
