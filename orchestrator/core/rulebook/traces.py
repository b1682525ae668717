"""What changed in a rule, in a sentence, with the values of its terms at that moment. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from orchestrator.core.language.durations import say_duration
from orchestrator.core.language.trace import explain_terms
from orchestrator.core.language.types import Look
from orchestrator.core.rulebook.timers import Change
from orchestrator.core.rulebook.types import Rule, RulePhase, RuleState
from orchestrator.core.state import RuleMemory

MOST_TERMS: Final = 12
LONGEST_TERM: Final = 300


class What(StrEnum):
    """What a rule did."""

    BEGAN = "began"  # its condition holds, ``for`` is not over
    ENDED = "ended"  # ... and ended before
    FIRED = "fired"
    LIMITED = "limited"
    SILENCED = "silenced"
    STOPPED = "stopped"  # unknown: timers stand still
    WENT_ON = "went on"
    CLEARING = "clearing"
    FIRES_ON = "fires on"  # its clearing was interrupted
    CLEARED = "cleared"
    REPEATED = "repeated"


_OF: Final = {
    Change.FIRED: What.FIRED,
    Change.LIMITED: What.LIMITED,
    Change.CLEARED: What.CLEARED,
    Change.REPEATED: What.REPEATED,
}


@dataclass(frozen=True, slots=True)
class Trace:
    """One change of one rule. ``terms`` are sentences with the values as they were."""

    at: float  # epoch seconds
    rule: str
    what: What
    says: str
    terms: tuple[str, ...] = ()


def traces_of(memory: RuleMemory) -> tuple[Trace, ...]:
    """The newest changes; the same tuple as before while nothing changed."""
    return memory.get("traces", ())  # type: ignore[return-value]


def trace(
    rule: Rule, before: RuleState, after: RuleState, change: Change, look: Look
) -> Trace | None:
    """What this step changed; None: nothing that people would ask about."""
    what = _OF.get(change) or _what(before, after)
    if what is None:
        return None
    ends = what in (What.CLEARING, What.FIRES_ON, What.CLEARED)
    conditions = [rule.clear_when] if ends and rule.clear_when else [rule.when]
    terms = [term for condition in conditions for term in explain_terms(condition, look)]
    kept = tuple(term[:LONGEST_TERM] for term in terms[:MOST_TERMS])
    return Trace(look.now, rule.name, what, _say(what, rule, before, after, look.now), kept)


def _what(before: RuleState, after: RuleState) -> What | None:
    if after.silenced and not before.silenced:
        return What.SILENCED
    if before.phase is not after.phase:
        return What.BEGAN if after.phase is RulePhase.PENDING else What.ENDED
    if (before.paused_at is None) != (after.paused_at is None):
        return What.WENT_ON if after.paused_at is None else What.STOPPED
    if (before.clearing_since is None) != (after.clearing_since is None):
        return What.FIRES_ON if after.clearing_since is None else What.CLEARING
    return None


def _say(what: What, rule: Rule, before: RuleState, after: RuleState, now: float) -> str:
    wanted = say_duration(rule.for_s)
    # while its condition was unknown the timer stood still
    counted_until = now if before.paused_at is None else before.paused_at
    lasted = say_duration(max(0.0, counted_until - before.since))
    held_for = f" for {wanted}" if rule.for_s else ""
    return {
        What.BEGAN: f"its condition began to hold; it must hold for {wanted}",
        What.ENDED: _ended(before.silenced, lasted, wanted),
        What.FIRED: f"it fired: its condition held{held_for}",
        What.LIMITED: f"it would have fired, but nothing was done ({after.silenced})",
        What.SILENCED: f"its condition held{held_for}, but it asks for nothing: {after.silenced}",
        What.STOPPED: "its condition became unknown: its timer stands still",
        What.WENT_ON: "its condition is known again: its timer goes on",
        What.CLEARING: f"it began to clear; that must hold for {say_duration(rule.clear_for_s)}",
        What.FIRES_ON: "its clearing was interrupted: it fires on",
        What.CLEARED: f"it cleared: it had fired for {lasted}",
        What.REPEATED: f"it asked again: it has fired for {lasted}",
    }[what]


def _ended(silenced: str, lasted: str, wanted: str) -> str:
    if silenced:
        return f"its condition ended after {lasted}; until then it asked for nothing: {silenced}"
    return f"its condition ended after {lasted} of {wanted}, so it did not fire"
