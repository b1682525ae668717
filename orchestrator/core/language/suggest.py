"""The end of an error's sentence: what the author probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'fencing'?``, or the whole list when it is short, or nothing."""
    names = sorted(set(known))
    close = get_close_matches(word.lower()[:80], names, 1, 0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known are: {', '.join(names)}" if 0 < len(names) <= 20 else ""
