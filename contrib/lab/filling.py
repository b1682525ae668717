"""Fills the `{{name}}` places of the templates here and in contrib/asterisk (which users copy)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
OWN = HERE / "templates"
SHIPPED = PROJECT / "contrib" / "asterisk"


def fill(template: Path, values: Mapping[str, object]) -> str:
    """The template with every place filled; KeyError for one that `values` lacks."""
    text = template.read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda place: str(values[place[1]]), text)
