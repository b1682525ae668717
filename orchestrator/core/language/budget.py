"""How much of long lists one expression may look through. Pure: counted, never clocked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# A step is one part of an expression asked of one item: 0.05 to 0.15 µs on a core of 2024. So the
# costliest expression that the compiler lets through is done within about 100 ms, also with 20,000
# contacts on each node: there an expression may have 30 parts, some seven comparisons, under its
# any, all and count. With 1,500 contacts none is too long.
MOST_STEPS: Final = 600_000


@dataclass(slots=True)
class Budget:
    """Of one expression. ``parts``: how many stand under any, all and count, taken together.

    Lists of which there are few (``Record.few``) cost nothing worth counting.
    """

    parts: int = 0

    def exceeded(self, items: int, text: str) -> str:
        """Why a list of so many items is not looked through; empty: it may be.

        By the list's length, not by where in it the answer stands: else a condition would become
        unknown and known again with every phone that registers.
        """
        if items * self.parts <= MOST_STEPS:
            return ""
        return (
            f"gave up: {text} has {items} items, and an expression as long as this one looks at no"
            f" more than {MOST_STEPS // self.parts}; ask less of each, or split it into rules"
        )
