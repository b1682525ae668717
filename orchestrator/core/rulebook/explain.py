"""Why a rule fires, or does not: its state and its terms, one sentence each."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.language.budget import MOST_STEPS
from orchestrator.core.language.durations import say_duration
from orchestrator.core.language.suggest import did_you_mean
from orchestrator.core.language.trace import TRUTH, explain_terms
from orchestrator.core.language.types import Look
from orchestrator.core.rulebook.timers import due
from orchestrator.core.rulebook.types import IDLE, OnUnknown, Rule, RulePhase, RuleState
from orchestrator.core.rulebook.windows import sample
from orchestrator.core.rules import RuleSet, states_of, waiting_of, windows_of
from orchestrator.core.state import Pair, Policy

_OBSERVES = " It only says what it would ask for (mode: observe)."
_UNKNOWN = {
    OnUnknown.HOLD: "while it is unknown nothing changes and its timers stand still",
    OnUnknown.FIRE: "unknown counts as true in this rule",
    OnUnknown.CLEAR: "unknown counts as false in this rule",
}

_ENOUGH = (
    "  its terms are left out: looking through so many lists would hold everything up; ask for this"
    " rule alone: asterisk-orchestrator explain {name}"
)
_WAITS = (
    "  it waits for its turn: the rules together look through more than fits in one look, so each"
    " is looked at less often; ask fewer lists, or ask them in the same words"
)


def explain(
    ruleset: RuleSet, state: Pair, policy: Policy, now: float, name: str | None = None
) -> list[str]:
    """Sentences on one rule, or on all; a wrong name is answered with the nearest one."""
    look = Look(state, policy, now)
    look.increases = sample(ruleset.windows, windows_of(state.rules), look)[1]
    rules = [rule for rule in ruleset.rules if name in (None, rule.name)]
    if not rules:
        known = [rule.name for rule in ruleset.rules]
        return [f"There is no rule '{name}'{did_you_mean(name or '', known)}"]
    states, waiting = states_of(state.rules), waiting_of(state.rules)
    lines: list[str] = []
    for rule in rules:
        enough = rule.name in ruleset.slow and look.steps >= MOST_STEPS
        lines += _explain(rule, states.get(rule.key, IDLE), look, enough)
        lines += [_WAITS] if rule.name in waiting else []
    return lines


def _explain(rule: Rule, state: RuleState, look: Look, enough: bool) -> Iterator[str]:
    yield f"{rule.name}: {_phase(rule, state, look)}{_OBSERVES if rule.observe else ''}"
    if enough:
        yield _ENOUGH.format(name=rule.name)
        return
    value = rule.when.run(look)
    yield f"  when: {rule.when.text} is {TRUTH[value]}"
    yield from (f"    {line}" for line in explain_terms(rule.when, look))
    if value is None:
        yield f"    {_UNKNOWN[rule.unknown]}"
    if rule.clear_when and state.phase is RulePhase.FIRING:
        yield f"  clear_when: {rule.clear_when.text} is {TRUTH[rule.clear_when.run(look)]}"
        yield from (f"    {line}" for line in explain_terms(rule.clear_when, look))


def _phase(rule: Rule, state: RuleState, look: Look) -> str:
    age = say_duration(max(0.0, look.now - state.since))
    if state.phase is RulePhase.IDLE:
        return "does not fire."
    at = due(rule, state)
    left = f", {say_duration(max(0.0, at - look.now))} to go" if at is not None else ""
    held = "; its timer stands still, the condition is unknown" if state.paused_at else ""
    silent = f"; it asks for nothing: {state.silenced}" if state.silenced else ""
    if state.phase is RulePhase.PENDING:
        wanted = say_duration(rule.for_s)
        return f"its condition has held for {age} of {wanted}{left}{held}{silent}."
    if state.clearing_since is not None:
        return f"has fired for {age} and is about to clear{left}{held}."
    return f"has fired for {age}{silent}{f'; asks again, {left[2:]}' if left else ''}."
