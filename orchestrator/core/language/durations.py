"""Durations as people write them: ``200ms``, ``2 s``, ``15m``, ``1h30m``, ``1d``."""

from __future__ import annotations

import re
from typing import Final

UNIT_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
PART: Final = r"\d+(?:\.\d+)?\s?(?:ms|s|m|h|d)"
_PARTS: Final = re.compile(r"(\d+(?:\.\d+)?)\s?(ms|s|m|h|d)")
_WHOLE: Final = re.compile(rf"{PART}(?:\s?{PART})*")
LONGEST_TEXT: Final = 40


def parse_duration(text: str) -> float:
    """Seconds; ``ValueError`` with a sentence when it is no duration."""
    stripped = text.strip()
    if len(stripped) > LONGEST_TEXT or not _WHOLE.fullmatch(stripped):
        raise ValueError(f"'{text[:LONGEST_TEXT]}' is no duration; write 200ms, 2s, 15m or 1h30m")
    parts = _PARTS.findall(stripped)
    units = [UNIT_S[unit] for _, unit in parts]
    if units != sorted(set(units), reverse=True):
        raise ValueError(f"'{stripped}' is no duration; write each unit once, the longest first")
    return sum(float(number) * UNIT_S[unit] for number, unit in parts)


def say_duration(seconds: float) -> str:
    """For people: ``340 ms``, ``2.5 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds < 0:
        return f"-{say_duration(-seconds)}"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    for unit_s, unit, below_s, below in ((86400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if whole >= unit_s:
            rest = whole % unit_s // below_s
            return f"{whole // unit_s} {unit}" + (f" {rest} {below}" if rest else "")
    return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
