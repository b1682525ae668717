"""What people are told of an evacuation. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.evacuating.book import calls_of
from orchestrator.core.evacuating.records import CallFate, CarriedCall
from orchestrator.core.state import Move

NAMED = 3


@dataclass(frozen=True, slots=True)
class Tally:
    """How the calls of a move fare; lists in words, with the reason."""

    under_way: int
    carried: int
    linked: tuple[str, ...]
    stayed: tuple[str, ...]
    lost: tuple[str, ...]

    @property
    def any(self) -> bool:
        return bool(self.under_way or self.carried or self.linked or self.stayed or self.lost)


def tally(move: Move) -> Tally:
    """The move's calls by their fate."""
    calls = calls_of(move)

    def count(fate: CallFate) -> int:
        return sum(call.fate is fate for call in calls)

    def listed(fate: CallFate) -> tuple[str, ...]:
        return tuple(_line(call) for call in calls if call.fate is fate)

    return Tally(
        count(CallFate.UNDER_WAY),
        count(CallFate.CARRIED),
        listed(CallFate.LINKED),
        listed(CallFate.STAYED),
        listed(CallFate.LOST),
    )


def summary(move: Move) -> str:
    """One part of a sentence: ``30 calls carried to pbx-b, 1 stayed (1001 with 600: ...)``.

    Of those who still talk only the first: each has had its own line in the history, and the report
    has them all. Who was lost is named in full: somebody has to call them back.
    """
    seen = tally(move)
    if not seen.any:
        return ""
    parts = [f"{_calls(seen.carried)} carried to {move.to_node}"]
    parts += [f"{seen.under_way} under way"] if seen.under_way else []
    parts += [
        f"{len(lines)} {word} ({said})"
        for lines, word, said in (
            (seen.linked, f"went on through {move.from_node}, linked", _first(seen.linked)),
            (seen.stayed, f"stayed on {move.from_node}", _first(seen.stayed)),
            (seen.lost, "ended on the way", "; ".join(seen.lost)),
        )
        if lines
    ]
    return ", ".join(parts)


def _first(lines: tuple[str, ...]) -> str:
    more = len(lines) - NAMED
    return "; ".join(lines[:NAMED]) + (f"; and {more} more" if more > 0 else "")


def _calls(count: int) -> str:
    return f"{count} call{'' if count == 1 else 's'}"


def _line(call: CarriedCall) -> str:
    return f"{call.words}: {call.why}" if call.why else call.words
