"""One rule's timers: condition, ``for``, clearing, repeating, limit. Pure arithmetic on times."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from orchestrator.core.rulebook.types import IDLE, OnUnknown, Rule, RulePhase, RuleState

FIRING, PENDING = RulePhase.FIRING, RulePhase.PENDING


class Change(StrEnum):
    """What a step made of a rule."""

    NONE = "none"
    FIRED = "fired"
    REPEATED = "repeated"
    LIMITED = "limited"  # it would have fired, but has fired too often
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the rule's conditions say now. ``clear`` is None also where there is no clear_when."""

    when: bool | None
    clear: bool | None
    inhibited_by: str = ""


def step(rule: Rule, state: RuleState, seen: Seen, now: float) -> tuple[RuleState, Change]:
    """The rule's next state at ``now``."""
    when, over = _decided(rule, seen)
    if (over if state.phase is FIRING else when) is None:
        return _paused(state, now), Change.NONE
    state = _resumed(state, now)
    if state.phase is FIRING:
        return _firing(rule, state, bool(over), now)
    if not when:
        return replace(IDLE, fired_at=_recent(rule, state, now)), Change.NONE
    if state.phase is not PENDING:
        state = replace(state, phase=PENDING, since=now, silenced="")
    if now < state.since + rule.for_s:
        return state, Change.NONE
    if seen.inhibited_by:
        return replace(state, silenced=f"rule {seen.inhibited_by} fires"), Change.NONE
    return _fire(rule, state, now)


def due(rule: Rule, state: RuleState) -> float | None:
    """When this rule must be looked at again although nothing it reads has changed."""
    if state.paused_at is not None:
        return None
    if state.phase is PENDING:
        return None if state.silenced else state.since + rule.for_s
    times = []
    if state.clearing_since is not None:
        times.append(state.clearing_since + rule.clear_for_s)
    elif state.phase is FIRING and rule.repeat_s and not state.silenced:
        times.append((state.acted_at or state.since) + rule.repeat_s)
    return min(times, default=None)


def _decided(rule: Rule, seen: Seen) -> tuple[bool | None, bool | None]:
    """Condition and end condition after the rule's word on the unknown."""
    assumed = {OnUnknown.HOLD: None, OnUnknown.FIRE: True, OnUnknown.CLEAR: False}[rule.unknown]
    when = assumed if seen.when is None else seen.when
    if rule.clear_when is None:
        return when, None if when is None else not when
    assumed_over = None if assumed is None else not assumed
    return when, assumed_over if seen.clear is None else seen.clear


def _paused(state: RuleState, now: float) -> RuleState:
    running = state.phase is PENDING or state.clearing_since is not None
    return replace(state, paused_at=now) if running and state.paused_at is None else state


def _resumed(state: RuleState, now: float) -> RuleState:
    if state.paused_at is None:
        return state
    lost = now - state.paused_at
    clearing = None if state.clearing_since is None else state.clearing_since + lost
    since = state.since + lost if state.phase is PENDING else state.since
    return replace(state, since=since, clearing_since=clearing, paused_at=None)


def _recent(rule: Rule, state: RuleState, now: float) -> tuple[float, ...]:
    if rule.limit is None:
        return ()
    return tuple(time for time in state.fired_at if now - time < rule.limit.within_s)


def _fire(rule: Rule, state: RuleState, now: float) -> tuple[RuleState, Change]:
    recent = _recent(rule, state, now)
    if rule.limit is not None and len(recent) >= rule.limit.times:
        why = f"limit: it has fired {len(recent)} times already"
        limited = RuleState(FIRING, now, acted_at=now, silenced=why, fired_at=recent)
        return limited, Change.LIMITED
    fired_at = (*recent, now) if rule.limit else ()
    return RuleState(FIRING, now, acted_at=now, fired_at=fired_at), Change.FIRED


def _firing(rule: Rule, state: RuleState, over: bool, now: float) -> tuple[RuleState, Change]:
    if over:
        since = now if state.clearing_since is None else state.clearing_since
        if now >= since + rule.clear_for_s:
            return replace(IDLE, fired_at=_recent(rule, state, now)), Change.CLEARED
        return replace(state, clearing_since=since), Change.NONE
    state = replace(state, clearing_since=None)
    if rule.repeat_s and not state.silenced and now >= (state.acted_at or 0) + rule.repeat_s:
        return replace(state, acted_at=now), Change.REPEATED
    return state, Change.NONE
