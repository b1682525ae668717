"""How warm the standby is, and how calls fare that are carried over, as a person reads it."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from orchestrator.cli.words import lasting

REASONS = 3  # the first of them
_COUNTED = ("phones", "queues")  # said also when all is well


def warmth(standby: dict[str, Any]) -> Text:
    """Could it take over now? Then phones, queues, and what is amiss with the mirror."""
    ready = standby["ready"]
    text = Text(
        f"{standby['node']} could {'' if ready else 'not '}take over now",
        "green" if ready else "yellow",
    )
    if standby["mirror_age_s"] is not None:
        text.append(f", compared {lasting(standby['mirror_age_s'])} ago", "dim")
    for check in standby["checks"]:
        if check["ok"] is not True:
            do = f" ({check['do']})" if check["do"] else ""
            text.append(f"\n  {check['why']}{do}", "yellow")
        elif check["name"] in _COUNTED:
            text.append(f"\n  {check['why']}")
    return text


def carried(move: dict[str, Any], calls: dict[str, Any]) -> str:
    """One line: ``30 calls carried to pbx-b, 2 under way, 1 linked, 1 stayed (…)``."""
    parts = [f"{calls['carried']} calls carried to {move['to']}"]
    if calls["under_way"]:
        parts.append(f"{calls['under_way']} under way")
    for name in ("linked", "stayed", "lost"):
        lines = calls[name]
        if lines:
            more = "; …" if len(lines) > REASONS else ""
            parts.append(f"{len(lines)} {name} ({'; '.join(lines[:REASONS])}{more})")
    return ", ".join(parts)
