"""Rules decide whether: ``evaluate`` turns the picture into requests, each with its reason.

Only rules whose facts may have changed, or whose timers are due, are looked at. Facts that change
with every call or with time itself are looked at a few times a second (``PACE_S``); a verdict at
once. What rules remember is a persistent map, kept through restarts by ``to_json``.

Rules that look through long lists take turns when all of them would take too long for one look
(``STEPS_A_LOOK``): the others never wait for them, and neither does the rest of the core.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from immutables import Map

from orchestrator.core.facts.schema import source_of
from orchestrator.core.language.parts import Window
from orchestrator.core.language.types import Look, Run, WindowKey
from orchestrator.core.rulebook.requests import requests_of
from orchestrator.core.rulebook.timers import Change, Seen, due, step
from orchestrator.core.rulebook.traces import Trace, trace
from orchestrator.core.rulebook.types import IDLE, Ask, Request, Rule, RulePhase, RuleState
from orchestrator.core.rulebook.windows import Samples, sample
from orchestrator.core.state import Pair, Policy, RuleMemory

__all__ = ["Ask", "Request", "Rule", "RuleSet", "evaluate", "states_of"]

PACE_S: Final = 0.5
# About 40 ms (language/budget.py): lists fill a tenth of a core and hold up no failover. The rule
# that goes beyond it is still finished.
STEPS_A_LOOK: Final = 300_000
NEVER: Final = float("inf")
_States = Map[str, RuleState]
_Windows = Map[WindowKey, Samples]


@dataclass(frozen=True, eq=False)
class RuleSet:
    """Checked rules. ``ValueError`` when rules inhibit each other in a circle."""

    rules: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", in_order(self.rules))

    @cached_property
    def windows(self) -> frozenset[Window]:
        """Every counter window that a condition or a text reads."""
        found: set[Window] = set()
        for rule in self.rules:
            texts = [part for template in rule.templates() for part in template.parts]
            for part in (*rule.conditions(), *texts):
                found |= part.windows if not isinstance(part, str) else set()
        return frozenset(found)

    @cached_property
    def sources(self) -> tuple[tuple[Run, bool, frozenset[str]], ...]:
        """How to look at each source, whether it is paced, and the rules that read it."""
        readers: dict[str, set[str]] = {}
        for rule in self.rules:
            for condition in rule.conditions():
                for source in condition.sources - {"clock"}:
                    readers.setdefault(source, set()).add(rule.name)
                    root = source.partition("/")[0]
                    if root != "pair":  # another node in this part is another fact
                        readers.setdefault(f"{root}/name", set()).add(rule.name)
        return tuple((*source_of(name), frozenset(who)) for name, who in sorted(readers.items()))

    @cached_property
    def clocked(self) -> frozenset[str]:
        """Rules that read the time, or a rise over time."""
        return frozenset(
            rule.name for rule in self.rules if any("clock" in c.sources for c in rule.conditions())
        )

    @cached_property
    def by_name(self) -> dict[str, Rule]:
        return {rule.name: rule for rule in self.rules}

    @cached_property
    def by_key(self) -> dict[str, Rule]:
        return {rule.key: rule for rule in self.rules}

    @cached_property
    def slow(self) -> frozenset[str]:
        """Rules that look through long lists, and those that one of them inhibits."""
        found: set[str] = set()
        for rule in self.rules:
            if any(c.long for c in rule.conditions()) or found.intersection(rule.inhibited_by):
                found.add(rule.name)
        return frozenset(found)


def in_order(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Every rule after those that inhibit it, else in the given order."""
    left = {rule.name: rule for rule in rules}
    names = frozenset(left)
    ordered: list[Rule] = []
    while left:
        waiting = frozenset(left)
        ready = [r for r in left.values() if not waiting & set(r.inhibited_by) & names]
        if not ready:
            raise ValueError(f"rules inhibit each other in a circle: {', '.join(sorted(left))}")
        ordered += ready
        for rule in ready:
            del left[rule.name]
    return tuple(ordered)


@dataclass(frozen=True, slots=True)
class _Glance:
    """What was seen at the last evaluation; not kept through restarts."""

    ruleset: RuleSet
    values: tuple[object, ...]
    paced_at: float
    due: float
    waiting: frozenset[str]  # slow rules whose turn did not come yet
    turn: int  # the place in the rules where the next paced look goes on with slow ones


@dataclass(slots=True)
class _Evaluation:
    ruleset: RuleSet
    look: Look
    states: _States
    windows: _Windows
    requests: list[Request] = field(default_factory=list)
    traces: list[Trace] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)

    def run(self, woken: frozenset[str], turn: int) -> int:
        """Step the woken rules, and those that a rule which began or ceased to fire inhibits.

        Slow ones before ``turn``, and those after there was enough of them, are left waiting;
        returns whose turn it is next.
        """
        next_turn: int | None = None
        for place, rule in enumerate(self.ruleset.rules):
            inhibitors = self.changed.intersection(rule.inhibited_by)
            if rule.name not in woken and not inhibitors:
                continue
            if rule.name not in self.ruleset.slow:
                self._step(rule)
            elif place < turn:
                self.waiting.add(rule.name)
            elif self.look.steps >= STEPS_A_LOOK:
                self.waiting.add(rule.name)
                next_turn = place if next_turn is None else next_turn
            else:
                self._step(rule)
        return next_turn or 0

    def _step(self, rule: Rule) -> None:
        look, before = self.look, self.states.get(rule.key, IDLE)
        when = rule.when.run(look)
        clear = rule.clear_when.run(look) if rule.clear_when else None
        after, change = step(rule, before, Seen(when, clear, self._inhibitor(rule)), look.now)
        if (before.phase is RulePhase.FIRING) != (after.phase is RulePhase.FIRING):
            self.changed.add(rule.name)
        if after != before:
            kept = self.states.set(rule.key, after)
            self.states = kept.delete(rule.key) if after == IDLE else kept
        if (after is not before or change is not Change.NONE) and (
            traced := trace(rule, before, after, change, look)
        ):
            self.traces.append(traced)
        if change is not Change.NONE:
            self.requests += requests_of(rule, change, look)

    def _inhibitor(self, rule: Rule) -> str:
        for name in rule.inhibited_by:
            other = self.ruleset.by_name.get(name)
            if other and self.states.get(other.key, IDLE).phase is RulePhase.FIRING:
                return name
        return ""


def evaluate(
    ruleset: RuleSet, state: Pair, policy: Policy, now: float
) -> tuple[RuleMemory, tuple[Request, ...]]:
    """The rules' next memory (for ``Pair.rules``) and what they ask for. Never raises."""
    memory, look = state.rules, Look(state, policy, now)
    glance = memory.get("glance")
    if not isinstance(glance, _Glance) or glance.ruleset is not ruleset:
        glance = None
        memory = memory.set("states", _of_these_rules(ruleset, states_of(memory)))
    paced = glance is None or not 0 <= now - glance.paced_at < PACE_S
    values = _glance_values(ruleset, glance, look, paced)
    woken = _woken(ruleset, glance, values, memory, paced, now)
    if not woken and not paced:
        return memory, ()
    windows: _Windows = memory.get("windows", Map())  # type: ignore[assignment]
    kept, look.increases = sample(ruleset.windows, windows, look)
    evaluation = _Evaluation(ruleset, look, states_of(memory), kept)
    waiting, turn = (glance.waiting, glance.turn) if glance else (frozenset[str](), 0)
    if paced:
        turn = evaluation.run(woken | waiting, turn)
        waiting = frozenset(evaluation.waiting)
    else:
        evaluation.run(woken, 0)
        waiting |= evaluation.waiting
    next_due = _next_due(ruleset, evaluation.states)
    paced_at = now if paced or glance is None else glance.paced_at
    memory = _set(memory, "states", evaluation.states)
    memory = _set(memory, "windows", kept)
    if evaluation.traces:
        memory = memory.set("traces", tuple(evaluation.traces))
    memory = memory.set("glance", _Glance(ruleset, values, paced_at, next_due, waiting, turn))
    return memory, tuple(evaluation.requests)


def states_of(memory: RuleMemory) -> _States:
    """The rules' timers by ``Rule.key``; rules at rest are left out."""
    return memory.get("states", Map())  # type: ignore[return-value]


def waiting_of(memory: RuleMemory) -> frozenset[str]:
    """Rules that look through long lists and whose turn has not come yet."""
    glance = memory.get("glance")
    return glance.waiting if isinstance(glance, _Glance) else frozenset()


def windows_of(memory: RuleMemory) -> _Windows:
    """The counters' samples."""
    return memory.get("windows", Map())  # type: ignore[return-value]


def _set(memory: RuleMemory, key: str, value: object) -> RuleMemory:
    return memory if memory.get(key) is value else memory.set(key, value)


def _of_these_rules(ruleset: RuleSet, states: _States) -> _States:
    """Without the timers of rules that were changed or taken out."""
    keys = {rule.key for rule in ruleset.rules}
    for key in set(states) - keys:
        states = states.delete(key)
    return states


def _glance_values(
    ruleset: RuleSet, glance: _Glance | None, look: Look, paced: bool
) -> tuple[Any, ...]:
    old = glance.values if glance else (None,) * len(ruleset.sources)
    return tuple(
        run(look) if paced or not is_paced else before
        for (run, is_paced, _), before in zip(ruleset.sources, old, strict=True)
    )


def _woken(
    ruleset: RuleSet,
    glance: _Glance | None,
    values: tuple[object, ...],
    memory: RuleMemory,
    paced: bool,
    now: float,
) -> frozenset[str]:
    if glance is None:
        return frozenset(ruleset.by_name)
    woken = set(ruleset.clocked) if paced else set()
    for (_, _, readers), old, new in zip(ruleset.sources, glance.values, values, strict=True):
        if old is not new:
            woken |= readers
    if now >= glance.due:
        times = _due_times(ruleset, states_of(memory))
        woken |= {name for name, at in times if now >= at}
    return frozenset(woken)


def _next_due(ruleset: RuleSet, states: _States) -> float:
    return min((at for _, at in _due_times(ruleset, states)), default=NEVER)


def _due_times(ruleset: RuleSet, states: _States) -> Iterator[tuple[str, float]]:
    """Rules that must be looked at again, and when; one at rest never must."""
    for key, state in states.items():
        rule = ruleset.by_key[key]
        if (at := due(rule, state)) is not None:
            yield rule.name, at
