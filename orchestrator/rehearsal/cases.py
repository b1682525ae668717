"""Test files → checked cases, or every problem with its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from orchestrator.config import check_rules
from orchestrator.config.paths import TESTS_END, matching_files
from orchestrator.config.problems import in_order, problems_of
from orchestrator.config.yaml_source import Place, Source, read
from orchestrator.core.language.suggest import did_you_mean
from orchestrator.core.rules import RuleSet
from orchestrator.errors import ConfigError
from orchestrator.rehearsal.facts import Fact, Reader
from orchestrator.rehearsal.files import CaseFile, CaseModel, Step
from orchestrator.rehearsal.stated import stated_schema

BEGINS: Final = "2027-01-13 10:00"  # a Wednesday
_FORMAT: Final = "%Y-%m-%d %H:%M"


@dataclass(frozen=True, slots=True)
class Moment:
    """A step: what was written, its facts, and where each of its parts stands."""

    written: Step
    set: tuple[Fact, ...]
    rise: tuple[Fact, ...]
    source: Source
    place: Place

    def at(self, *within: str | int) -> str:
        """``file:line:column`` of a part of the step."""
        return self.source.at((*self.place, *within))

    def at_key(self, *within: str | int) -> str:
        """``file:line:column`` of a key of the step."""
        return self.source.at_key((*self.place, *within))


@dataclass(frozen=True, slots=True)
class Case:
    """One test, ready to be played."""

    name: str
    where: str
    rules: RuleSet
    nodes: tuple[str, str]
    begins: float  # epoch seconds
    given: tuple[Fact, ...]
    steps: tuple[Moment, ...]


def read_cases(path: Path) -> list[Case]:
    """The cases of a test file; ``ConfigError`` with every problem of it and of its rules."""
    source = read(path)
    try:
        file = CaseFile.model_validate(source.value)
    except ValidationError as error:
        raise ConfigError(problems_of(CaseFile, error, source)) from error
    first, second = file.nodes
    rules = _rules(source, file)
    reader = Reader(source, file.nodes, [])
    shared = reader.facts(file.given, ("given",))
    cases = []
    for name, test in file.tests.items():
        place: Place = ("tests", name)
        given = (*shared, *reader.facts(test.given, (*place, "given")))
        steps = tuple(_moments(test, rules, reader, place))
        begins = _begins(test, reader, place)
        where = source.at_key(place)
        cases.append(Case(name, where, rules, (first, second), begins, given, steps))
    if reader.problems:
        raise ConfigError(in_order(reader.problems))
    return cases


def _rules(source: Source, file: CaseFile) -> RuleSet:
    """The rules under test: those named, else those of the file beside."""
    path = source.path
    names = file.rules or (path.name.removesuffix(TESTS_END) + ".yaml",)
    patterns = [path.parent / name for name in names]
    missing = [
        f"{source.at(('rules', index))}: there is no rule file {pattern}; write 'rules: [FILE]',"
        " seen from the folder of this file"
        for index, pattern in enumerate(patterns)
        if not matching_files(str(pattern))
    ]
    if missing:
        raise ConfigError(missing)
    checked = check_rules(patterns, file.nodes, schema=stated_schema(file.nodes))
    if checked.rules is None:
        raise ConfigError(checked.problems)
    return checked.rules


def _begins(test: CaseModel, reader: Reader, place: Place) -> float:
    try:
        moment = datetime.strptime(test.begins or BEGINS, _FORMAT)
    except ValueError:
        at = reader.source.at((*place, "begins"))
        reader.problems.append(f'{at}: write a day and a time of day: "{BEGINS}"')
        return 0.0
    return moment.replace(tzinfo=UTC).timestamp()


def _moments(test: CaseModel, rules: RuleSet, reader: Reader, place: Place) -> Iterator[Moment]:
    names = {rule.name for rule in rules.rules}
    for index, step in enumerate(test.steps):
        here: Place = (*place, "steps", index)
        for key in ("lose", "regain"):
            for name in getattr(step, key):
                reader.node(name, (*here, key))
        if step.active not in (None, "nobody"):
            reader.node(str(step.active), (*here, "active"))
        for name in step.expect:
            _known(reader, names, name, (*here, "expect", name))
        for number, expected in enumerate(step.asks):
            _known(reader, names, expected.rule, (*here, "asks", number, expected.rule))
        set_ = reader.facts(step.set, (*here, "set"))
        yield Moment(step, set_, reader.rises(step.rise, (*here, "rise")), reader.source, here)


def _known(reader: Reader, names: set[str], name: str, place: Place) -> None:
    if name not in names:
        where = reader.source.at_key(place)
        reader.problems.append(f"{where}: no rule '{name}'{did_you_mean(name, names)}")
