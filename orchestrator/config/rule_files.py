"""Rule files → a checked ``RuleSet``, or every problem and warning of every file at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import ValidationError

from orchestrator.config.paths import matching_files
from orchestrator.config.problems import in_order, problems_of
from orchestrator.config.rule_models import Do, RuleFile, RuleModel, as_written
from orchestrator.config.yaml_source import Place, Source, read
from orchestrator.core.conditions import compile_condition, compile_value
from orchestrator.core.facts.schema import make_schema
from orchestrator.core.language.parts import Condition, Mention
from orchestrator.core.language.suggest import did_you_mean
from orchestrator.core.language.types import Kind, Problem, Schema
from orchestrator.core.rulebook.lint import fights, hasty, senseless
from orchestrator.core.rulebook.types import (
    Action,
    Ask,
    AskAmiAction,
    AskCommand,
    AskHold,
    AskMove,
    AskNotify,
    Rule,
    Template,
)
from orchestrator.core.rules import RuleSet
from orchestrator.errors import ConfigError


def load_rules(
    patterns: Sequence[str | Path],
    nodes: Collection[str] = (),
    commands: Collection[str] | None = None,
) -> RuleSet:
    """The rules of all files that match the patterns; ``ConfigError`` with every problem."""
    checked = check_rules(patterns, nodes, commands)
    if checked.rules is None:
        raise ConfigError(checked.problems)
    return checked.rules


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in rule files; each problem and warning begins with its place."""

    rules: RuleSet | None  # None: there are problems
    problems: list[str]
    warnings: list[str]
    mentions: list[tuple[str, Mention]]  # names in conditions, with their places


def check_rules(
    patterns: Sequence[str | Path],
    nodes: Collection[str] = (),
    commands: Collection[str] | None = None,
    schema: Schema | None = None,
) -> Checked:
    """All that can be said of the files that match the patterns. Never raises.

    With ``nodes`` and ``commands`` the names that rules use are checked as well. ``schema``: what
    the rules shall read; default: the pair that the service watches.
    """
    loading = _Loading(schema or make_schema(tuple(nodes)), {"nodes": tuple(nodes)})
    if commands is not None:
        loading.context["commands"] = tuple(commands)
    for pattern in patterns:
        files = matching_files(str(pattern))
        if not files:
            loading.problems.append(f"{pattern}: no rule file matches")
        for path in files:
            loading.file(path)
    loading.check_names()
    loading.lint()
    rules = loading.ruleset()
    problems, warnings = in_order(loading.problems), in_order(loading.warnings)
    return Checked(rules, problems, warnings, loading.mentions)


@dataclass(slots=True)
class _Loading:
    schema: Schema
    context: dict[str, tuple[str, ...]]
    rules: dict[str, Rule] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    mentions: list[tuple[str, Mention]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)  # also of rules that were refused
    inhibitors: list[tuple[str, str]] = field(default_factory=list)  # (place, name)

    def file(self, path: Path) -> None:
        try:
            source = read(path)
            model = RuleFile.model_validate(source.value, context=self.context)
        except ConfigError as error:
            self.problems += error.problems
            return
        except ValidationError as error:
            self.problems += problems_of(RuleFile, error, source)
            self._expressions_anyway(source)
            return
        for name, rule in model.rules.items():
            self._rule(source, name, rule)

    def _expressions_anyway(self, source: Source) -> None:
        """The file's shape is wrong; its expressions are checked all the same."""
        rules = source.value.get("rules") if isinstance(source.value, dict) else None
        for name, rule in (rules if isinstance(rules, dict) else {}).items():
            self.names.setdefault(name, source.at_key(("rules", name)))
            for key in ("when", "clear_when"):
                if isinstance(rule, dict) and isinstance(text := rule.get(key), str):
                    _Texts(self, source, ("rules", name)).condition(key, text)

    def _rule(self, source: Source, name: str, model: RuleModel) -> None:
        place: Place = ("rules", name)
        where = source.at_key(place)
        if name in self.names:
            self.problems.append(f"{where}: a rule '{name}' is already in {self.names[name]}")
            return
        self.names[name] = where
        for index, other in enumerate(model.inhibited_by):
            self.inhibitors.append((source.at((*place, "inhibited_by", index)), other))
        rule = _compile(_Texts(self, source, place), name, model, where)
        if rule is not None:
            self.rules[name] = rule

    def check_names(self) -> None:
        """Inhibiting rules may be in any file, so this comes last."""
        for where, name in self.inhibitors:
            if name not in self.names:
                self.problems.append(f"{where}: no rule '{name}'{did_you_mean(name, self.names)}")

    def lint(self) -> None:
        """What only shows when all rules are known, or from a whole rule."""
        rules = tuple(self.rules.values())
        found = [*((rule, hasty(rule)) for rule in rules), *fights(rules)]
        self.warnings += [f"{rule.where}: {says}" for rule, says in found if says]

    def ruleset(self) -> RuleSet | None:
        """All rules; None after a problem."""
        try:
            return None if self.problems else RuleSet(tuple(self.rules.values()))
        except ValueError as error:
            self.problems.append(f"{next(iter(self.rules.values())).where}: {error}")
            return None


@dataclass(frozen=True, slots=True)
class _Texts:
    """Compiles the texts of one rule; problems get the place they stand at."""

    loading: _Loading
    source: Source
    place: Place

    def condition(self, key: str, text: str) -> Condition | None:
        problems: list[Problem] = []
        condition = compile_condition(text, self.loading.schema, problems)
        self._note((*self.place, key), problems)
        if condition and (says := senseless(key, condition)):
            self.loading.warnings.append(f"{self.source.at((*self.place, key))}: {says}")
        if condition:
            self._mention((key,), condition)
        return condition

    def template(self, place: Place, text: str) -> Template:
        """What stands between braces is compiled; ``{{`` and ``}}`` are braces."""
        problems: list[Problem] = []
        parts = tuple(self._parts(text.rstrip(), problems))
        self._note((*self.place, *place), problems)
        for part in parts:
            if not isinstance(part, str):
                self._mention(place, part)
        return Template(parts)

    def _parts(self, text: str, problems: list[Problem]) -> Iterator[str | Condition]:
        index = 0
        while index < len(text):
            if text[index : index + 2] in ("{{", "}}"):
                yield text[index]
                index += 2
            elif text[index] == "{" and (end := text.find("}", index)) > 0:
                yield from self._expression(text[index + 1 : end], index + 1, problems)
                index = end + 1
            elif text[index] in "{}":
                problems.append(Problem(index, "a brace without its other half; write {{ or }}"))
                index += 1
            else:
                stop = min((i for c in "{}" if (i := text.find(c, index)) >= 0), default=len(text))
                yield text[index:stop]
                index = stop

    def _expression(
        self, text: str, offset: int, problems: list[Problem]
    ) -> Iterator[str | Condition]:
        found: list[Problem] = []
        part = compile_value(text, self.loading.schema, found)
        problems += [Problem(offset + p.offset, p.text) for p in found]
        if part and part.type.kind in (Kind.LIST, Kind.RECORD):
            problems.append(Problem(offset, f"this is {part.type}; name one of its facts"))
        elif part:
            moved = (replace(m, offset=offset + m.offset) for m in part.mentions)
            yield replace(part, mentions=tuple(moved))

    def _mention(self, place: Place, condition: Condition) -> None:
        for mention in condition.mentions:
            where = self.source.at((*self.place, *place), mention.offset)
            if (where, mention) not in self.loading.mentions:  # one text may serve two notices
                self.loading.mentions.append((where, mention))

    def _note(self, place: Place, problems: list[Problem]) -> None:
        self.loading.problems += [
            f"{self.source.at(place, problem.offset)}: {problem.text}" for problem in problems
        ]


def _compile(texts: _Texts, name: str, model: RuleModel, where: str) -> Rule | None:
    before = len(texts.loading.problems)
    when = texts.condition("when", model.when)
    clear = None if model.clear_when is None else texts.condition("clear_when", model.clear_when)
    fired, cleared = (
        texts.template(("messages", key), text) if text else None
        for key, text in (("fired", model.messages.fired), ("cleared", model.messages.cleared))
    )
    do = tuple(_action(texts, name, model, index, item) for index, item in enumerate(model.do))
    if when is None or len(texts.loading.problems) > before:
        return None
    return Rule(
        name=name,
        content=_hash(model),
        when=when,
        do=do,
        for_s=model.for_,
        clear_when=clear,
        clear_for_s=model.clear_for,
        unknown=model.unknown,
        limit=model.limit,
        repeat_s=model.repeat,
        inhibited_by=model.inhibited_by,
        description=model.description,
        fired=fired,
        cleared=cleared,
        observe=model.mode == "observe",
        where=where,
    )


def _hash(model: RuleModel) -> str:
    written = json.dumps(as_written(model), sort_keys=True, default=str)
    return hashlib.sha256(written.encode()).hexdigest()[:8]


def _action(texts: _Texts, name: str, model: RuleModel, index: int, item: Do) -> Action:
    if item.ami_action:
        fields = item.ami_action.action.items()
        return AskAmiAction(item.ami_action.node, tuple(fields))
    if item.command:
        return AskCommand(item.command.node, item.command.name)
    if item.hold:
        reason = texts.template(("do", index, "hold", "reason"), item.hold.reason)
        return AskHold(reason, item.hold.for_)
    if item.notify:
        return _notify(texts, name, model, index, item)
    if item.failover:
        return AskMove(Ask.FAILOVER)
    if item.failback:
        return AskMove(Ask.FAILBACK, item.failback.at_most)
    move = item.switchover or item.drain
    return AskMove(Ask.SWITCHOVER, move.at_most if move else None)


def _notify(texts: _Texts, name: str, model: RuleModel, index: int, item: Do) -> AskNotify:
    body, place = item.notify, ("do", index, "notify")
    assert body is not None
    title = model.description or name
    shown = texts.template((*place, "title"), body.title) if body.title else Template((title,))
    if body.text:
        text = texts.template((*place, "text"), body.text)
    elif model.messages.fired:
        text = texts.template(("messages", "fired"), model.messages.fired)
    else:
        text = Template((title,))
    return AskNotify(body.severity or model.severity, shown, text)
