"""Rules that live in a world while virtual time passes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from orchestrator.core.language.types import Look
from orchestrator.core.rulebook.explain import explain
from orchestrator.core.rulebook.timers import due
from orchestrator.core.rulebook.types import IDLE, Rule, RulePhase, RuleState
from orchestrator.core.rulebook.windows import SAMPLES, sample
from orchestrator.core.rules import PACE_S, Request, RuleSet, evaluate, states_of, windows_of
from orchestrator.rehearsal.world import World

LOOKS: Final = 1000  # at most about so many in one stretch of time, unless a window is shorter
LONGEST_PACE_S: Final = 30.0


@dataclass(slots=True)
class Play:
    """Lets time pass; ``asked`` gathers what the rules asked for, with its time."""

    rules: RuleSet
    world: World
    asked: list[tuple[float, Request]] = field(default_factory=list)

    def pass_time(self, seconds: float) -> None:
        """Look at the rules at a steady pace, whenever a timer is due, and at the end.

        Time alone changes a rule when a timer is due or a condition that reads the time comes out
        otherwise; where neither is so, the rules are left alone.
        """
        world, end = self.world, self.world.now + seconds
        pace_s, due, truth = self._pace_s(seconds), self._due(), self._truth()
        while world.now < end:
            world.now = max(min(world.now + pace_s, due, end), world.now + 1e-6)
            world.confirm()
            if world.now >= min(due, end) or self._truth() != truth:
                self.look()
                due, truth = self._due(), self._truth()

    def look(self) -> None:
        """Evaluate every rule now."""
        world = self.world
        memory = world.state.rules
        if "glance" in memory:  # statements are no source that would wake a rule
            memory = memory.delete("glance")
        state = replace(world.state, now=world.now, rules=memory)
        memory, requests = evaluate(self.rules, state, world.policy, world.now)
        world.state = replace(state, rules=memory)
        self.asked += [(world.now, request) for request in requests]

    def state_of(self, rule: Rule) -> RuleState:
        """Its timers."""
        return states_of(self.world.state.rules).get(rule.key, IDLE)

    def word_of(self, rule: Rule) -> str:
        """``idle``, ``pending``, ``firing``, ``clearing``; ``paused`` while its timer stands."""
        state = self.state_of(rule)
        if state.paused_at is not None:
            return "paused"
        clearing = state.phase is RulePhase.FIRING and state.clearing_since is not None
        return "clearing" if clearing else state.phase.value

    def look_now(self) -> Look:
        """For evaluating a single condition at this moment."""
        world = self.world
        look = Look(world.state, world.policy, world.now)
        look.increases = sample(self.rules.windows, windows_of(world.state.rules), look)[1]
        return look

    def _truth(self) -> list[bool | None]:
        """What each condition says now. Counters are sampled, as at every look."""
        state = self.world.state
        look = Look(state, self.world.policy, self.world.now)
        if self.rules.windows:
            kept, look.increases = sample(self.rules.windows, windows_of(state.rules), look)
            self.world.state = replace(state, rules=state.rules.set("windows", kept))
        return [one.run(look) for rule in self.rules.rules for one in rule.conditions()]

    def explain(self, rule: Rule) -> list[str]:
        """Why the rule is as it is."""
        world = self.world
        return explain(self.rules, world.state, world.policy, world.now, rule.name)

    def _pace_s(self, seconds: float) -> float:
        if not self.rules.clocked and not self.rules.windows:
            return float("inf")
        finest = min((w.seconds / SAMPLES for w in self.rules.windows), default=LONGEST_PACE_S)
        return max(PACE_S, min(seconds / LOOKS, finest, LONGEST_PACE_S))

    def _due(self) -> float:
        times = (due(rule, self.state_of(rule)) for rule in self.rules.rules)
        ahead = [at for at in times if at is not None and at > self.world.now]
        return min(ahead, default=float("inf"))
