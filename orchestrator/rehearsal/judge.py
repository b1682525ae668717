"""Plays a case and says where the rules did otherwise than was expected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from orchestrator.core.language.durations import say_duration
from orchestrator.core.rulebook.types import Request, Rule, RulePhase
from orchestrator.rehearsal.cases import Case, Moment
from orchestrator.rehearsal.facts import Fact
from orchestrator.rehearsal.files import Expected
from orchestrator.rehearsal.play import Play
from orchestrator.rehearsal.saying import say
from orchestrator.rehearsal.world import World, policy_of

ROLES: Final = ("active", "standby")
FOLLOWING: Final = ("verdict_for", "verdict_why", "phase_for", "hold_reason")


class Shown(StrEnum):
    """What a rule should be shown to do by its tests."""

    FIRES = "fires"
    STAYS = "does not fire"
    CLEARS = "clears"
    UNKNOWN = "meets the unknown"
    RESTART = "goes through a restart"


@dataclass(slots=True)
class Verdict:
    """What came of a case: differences (none: passed), each with its place, and what it showed."""

    case: Case
    differences: list[str] = field(default_factory=list)
    shown: dict[str, set[Shown]] = field(default_factory=dict)  # by rule


def judge(case: Case) -> Verdict:
    """Play the case to its end, or through the first step that differs: the rest would follow."""
    return _Run(case).run()


class _Run:
    def __init__(self, case: Case) -> None:
        self.verdict = Verdict(case, shown={rule.name: set() for rule in case.rules.rules})
        self.world = World(policy_of(case.nodes), case.begins)
        self.play = Play(case.rules, self.world)
        self._fired: set[str] = set()
        self._told: set[str] = set()  # rules of which it was said why they are as they are

    def run(self) -> Verdict:
        case = self.verdict.case
        self._state(case.given)
        self.play.look()
        for step in case.steps:
            impossible = self._live(step)
            self._watch()
            differences = impossible or [*self._states(step), *self._requests(step)]
            self.verdict.differences += differences
            self.play.asked.clear()
            if differences:
                break
        for name, shown in self.verdict.shown.items():
            if name not in self._fired:
                shown.add(Shown.STAYS)
        return self.verdict

    def _state(self, facts: tuple[Fact, ...]) -> None:
        """What a fact is comes before since when and why, in whichever order they are written."""
        for fact in sorted(facts, key=lambda fact: fact.attribute in FOLLOWING):
            self.world.set(self.world.node_of(fact.root), fact.attribute, fact.value)

    def _live(self, step: Moment) -> list[str]:
        """Time first, then what changes, then one more look. Says what could not be done."""
        written, world = step.written, self.world
        self.play.pass_time(written.after)
        if written.restart is not None:
            self._restart(written.restart)
        if written.active is not None:
            world.make_active("" if written.active == "nobody" else world.node_of(written.active))
        if written.move is not None:
            world.set("pair", "move", None if written.move == "none" else written.move)
        if nobody := list(self._nobody(step)):
            return nobody
        for name in written.lose:
            world.lose(world.node_of(name))
        for name in written.regain:
            world.regain(world.node_of(name))
        self._state(step.set)
        for fact in step.rise:
            world.rise(world.node_of(fact.root), fact.attribute, fact.value)
        self.play.look()
        return []

    def _nobody(self, step: Moment) -> Iterator[str]:
        """What is said of a role that no node has now."""
        written = step.written
        said = [("lose", name) for name in written.lose]
        said += [("regain", name) for name in written.regain]
        said += [(key, name) for key in ("set", "rise") for name in getattr(written, key)]
        for key, name in said:
            root, dot, _ = name.partition(".")
            if root in ROLES and not self.world.node_of(root):
                where = step.at_key(key, name) if dot else step.at(key)
                yield f"{where}: nobody is active now, so no node is {root}; write the node's name"

    def _restart(self, away_s: float) -> None:
        for rule in self.play.rules.rules:
            if self.play.state_of(rule).phase is not RulePhase.IDLE:
                self.verdict.shown[rule.name].add(Shown.RESTART)
        self.world.now += away_s
        self.world.restart()
        self.world.confirm()

    def _watch(self) -> None:
        """Note what this step showed of each rule."""
        look = self.play.look_now()
        for rule in self.play.rules.rules:
            shown = self.verdict.shown[rule.name]
            if any(condition.run(look) is None for condition in rule.conditions()):
                shown.add(Shown.UNKNOWN)
            if self.play.state_of(rule).phase is RulePhase.FIRING:
                self._fired.add(rule.name)
                shown.add(Shown.FIRES)
            elif rule.name in self._fired:
                shown.add(Shown.CLEARS)

    # --- comparing -------------------------------------------------------------------------------

    def _states(self, step: Moment) -> Iterator[str]:
        rules = {rule.name: rule for rule in self.play.rules.rules}
        for name, expected in step.written.expect.items():
            found = self.play.word_of(rules[name])
            if found != expected:
                where = step.at("expect", name)
                yield _with_why(
                    f"{where}: {name} is {found}, expected {expected}", self._why(rules[name])
                )

    def _why(self, rule: Rule) -> list[str]:
        """Once is enough."""
        known = rule.name in self._told
        self._told.add(rule.name)
        return [] if known else self.play.explain(rule)

    def _requests(self, step: Moment) -> Iterator[str]:
        """Every request must be expected, and every expected one made, in this order."""
        found = list(self.play.asked)
        for number, expected in enumerate(step.written.asks):
            where = step.at_key("asks", number, expected.rule)
            index = next((i for i, (_, one) in enumerate(found) if _is(expected, one)), None)
            if index is None:
                rule = next(r for r in self.play.rules.rules if r.name == expected.rule)
                says = f"{where}: {expected.rule} did not ask for {expected.ask}"
                yield _with_why(says, self._why(rule))
                continue
            later = step.written.asks[number + 1 :]
            for _, one in found[:index]:
                if any(_is(other, one) for other in later):
                    yield (
                        f"{where}: expected {expected.rule}: {expected.ask} before"
                        f" {one.rule}: {one.ask}, it was the other way round"
                    )
            yield from _differences(expected, found.pop(index)[1], step, number)
        for at, request in found:
            since = (
                say_duration(at - self.world.now + step.written.after)
                if step.written.after
                else "0 s"
            )
            rule = next(r for r in self.play.rules.rules if r.name == request.rule)
            says = f"{step.at()}: not expected, {since} into this step: {say(request)}"
            yield _with_why(says, self._why(rule))


def _is(expected: Expected, request: Request) -> bool:
    return (expected.rule, expected.ask) == (request.rule, request.ask)


def _with_why(says: str, why: list[str]) -> str:
    return "\n".join((says, *(f"      {line}" for line in why)))


def _differences(expected: Expected, found: Request, step: Moment, number: int) -> Iterator[str]:
    """Every part of the request that is written and is otherwise."""
    written = _written(expected)
    said = {**found.args, "reason": found.reason, "observed": found.observed}
    for key, (name, wanted) in written.items():
        got = said.get(name)
        if name == "action":
            got = dict(got) if isinstance(got, tuple) else got
        if got != wanted:
            where = step.at("asks", number, key)
            says = f"{where}: {found.rule} asked for {found.ask} with another {key}"
            yield f"{says}\n{_diff(wanted, got)}"


def _written(expected: Expected) -> dict[str, tuple[str, object]]:
    """Key as written → (name in the request, value)."""
    names = {"at_most": "at_most_s", "for": "for_s"}
    written = {
        field.alias or name: getattr(expected, name)
        for name, field in Expected.model_fields.items()
        if name in expected.model_fields_set and name not in ("rule", "ask")
    }
    written["observed"] = expected.observed
    return {key: (names.get(key, key), value) for key, value in written.items()}


def _diff(wanted: object, got: object) -> str:
    return f"      expected: {_value(wanted)}\n      it was:   {_value(got)}"


def _value(value: object) -> str:
    if isinstance(value, float):
        return say_duration(value)
    return "nothing" if value is None else str(value)
