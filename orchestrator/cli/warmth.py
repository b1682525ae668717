"""How warm the standby is, and how calls fare that are carried over, as a person reads it."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from orchestrator.cli.words import lasting

REASONS = 3  # the first of them; all: phones --missing
SMALL_CLOCK_S = 1.0


def warmth(standby: dict[str, Any]) -> Text:
    """Could it take over now? Then phones, queues, the mirror's age and the clocks."""
    text = Text()
    if standby["ready"]:
        text.append(f"{standby['node']} could take over now", "green")
    else:
        text.append(f"{standby['node']} could not take over now", "yellow")
    for line in standby["not_ready"]:
        text.append(f"\n  {line}", "yellow")
    for line in standby["lines"][: REASONS + 1]:
        text.append(f"\n{line}")
    facts = [_age(standby["mirror_age_s"])]
    clock_s = standby["clock_s"]
    if clock_s is not None and abs(clock_s) > SMALL_CLOCK_S:
        way = "ahead of" if clock_s > 0 else "behind"
        facts.append(f"its clock is {lasting(abs(clock_s))} {way} the active's (corrected)")
    return text.append("\n" + ", ".join(facts), "dim")


def _age(age_s: float | None) -> str:
    return "never compared" if age_s is None else f"compared {lasting(age_s)} ago"


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
