"""Facts in test files: ``active.trunks: [{name: t, registered: false}]``, checked by the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.config.yaml_source import Place, Source
from orchestrator.core.facts.schema import ROOTS
from orchestrator.core.language.durations import parse_duration
from orchestrator.core.language.suggest import did_you_mean
from orchestrator.core.language.types import Attribute, Kind, Record, Type

UNKNOWN: Final = "unknown"
FIXED: Final = {"role": "say who is active: 'active: pbx-b' in a step", "name": "it is fixed"}


@dataclass(frozen=True, slots=True)
class Fact:
    """``root`` is a role, a node's name, ``pair`` or ``failback``."""

    root: str
    attribute: str
    value: Any  # None: unknown


class Refused(ValueError):
    """A value that the fact can't have; ``within`` leads to it, or to its ``key``."""

    def __init__(self, says: str, *within: str | int, key: bool = False) -> None:
        super().__init__(says)
        self.within = within
        self.key = key


@dataclass(slots=True)
class Reader:
    """Reads the facts of one file; problems get their places."""

    source: Source
    nodes: tuple[str, ...]
    problems: list[str]

    def facts(self, written: Mapping[str, Any], place: Place) -> tuple[Fact, ...]:
        """Those that could be read."""
        return tuple(self._read(written, place))

    def rises(self, written: Mapping[str, Any], place: Place) -> tuple[Fact, ...]:
        """Counters and by how much they rise."""
        found = []
        for fact in self._read(written, place):
            path = (*place, f"{fact.root}.{fact.attribute}")
            record = self._record(fact.root)
            if record is None or not record.attributes[fact.attribute].counter:
                self._problem(path, "only counters rise; other facts are 'set'", key=True)
            elif fact.value is None or fact.value < 0:
                self._problem(path, "a number above 0 is expected")
            else:
                found.append(fact)
        return tuple(found)

    def node(self, name: str, place: Place) -> None:
        """Note a node that the pair has not."""
        known = ("active", "standby", "preferred", *self.nodes)
        if name not in known:
            self._problem(place, f"the pair has no node '{name}'{did_you_mean(name, known)}")

    def _read(self, written: Mapping[str, Any], place: Place) -> Iterator[Fact]:
        for name, value in written.items():
            try:
                attribute = self._attribute(name)
            except Refused as error:
                self._problem((*place, name), str(error), key=True)
                continue
            try:
                read = value_of(value, attribute.type)
            except Refused as error:
                self._problem((*place, name, *error.within), str(error), error.key)
            else:
                root, _, fact = name.partition(".")
                yield Fact(root, fact, read)

    def _attribute(self, name: str) -> Attribute:
        root, _, attribute = name.partition(".")
        record = self._record(root)
        if record is None or not attribute:
            known = [name for name in (*ROOTS, *self.nodes) if name != "time"]
            raise Refused(f"write ROOT.FACT; unknown root '{root}'{did_you_mean(root, known)}")
        found = record.attributes.get(attribute)
        if found is None:
            hint = did_you_mean(attribute, record.attributes)
            raise Refused(f"{record.name} has no '{attribute}'{hint}")
        if attribute in FIXED and record.name == "node":
            raise Refused(f"'{attribute}' is not set; {FIXED[attribute]}")
        return found

    def _record(self, root: str) -> Record | None:
        if root in self.nodes:
            return ROOTS["active"].record
        return ROOTS[root].record if root in ROOTS and root != "time" else None

    def _problem(self, place: Place, says: str, key: bool = False) -> None:
        at = self.source.at_key(place) if key else self.source.at(place)
        self.problems.append(f"{at}: {says}")


def value_of(value: Any, type_: Type) -> Any:
    """The value as rules know it; None for ``unknown``. ``Refused`` when it can't be one."""
    if value == UNKNOWN and isinstance(value, str):
        return None
    if type_.kind is Kind.LIST:
        return _list(value, type_)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if type_.kind is Kind.DURATION and isinstance(value, str):
        return _duration(value)
    if type_.kind is Kind.NUMBER and number:
        return float(value)
    if type_.kind is Kind.BOOL and isinstance(value, bool):
        return value
    if type_.kind is Kind.TEXT and isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # an extension
    if type_.kind in (Kind.TEXT, Kind.WORD) and isinstance(value, str):
        if type_.words and value not in type_.words:
            raise Refused(f"it is never '{value}'{did_you_mean(value, type_.words)}")
        return value
    raise Refused(f"{type_} is expected, or {UNKNOWN}{_like(type_)}")


def _like(type_: Type) -> str:
    like = {Kind.DURATION: "; write 30s or 5m", Kind.WORD: f"; known are: {', '.join(type_.words)}"}
    return like.get(type_.kind, "")


def _duration(value: str) -> float:
    try:
        return parse_duration(value)
    except ValueError as error:
        raise Refused(str(error)) from error


def _list(value: Any, type_: Type) -> list[dict[str, Any]]:
    record = type_.of
    assert record is not None
    if not isinstance(value, list):
        raise Refused(f"a list of {record.name}s is expected: [{{...}}, {{...}}], or {UNKNOWN}")
    return [_item(item, record, index) for index, item in enumerate(value)]


def _item(item: Any, record: Record, index: int) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        raise Refused(f"the facts of a {record.name} are expected: {{name: value}}", index)
    return {key: _item_fact(key, value, record, index) for key, value in item.items()}


def _item_fact(key: str, value: Any, record: Record, index: int) -> Any:
    if key == "times":
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not 1 <= value <= 10_000:
            raise Refused("a whole number from 1 to 10000 is expected", index, key)
        return value
    attribute = record.attributes.get(key)
    if attribute is None:
        hint = did_you_mean(key, [*record.attributes, "times"])
        raise Refused(f"{record.name} has no '{key}'{hint}", index, key, key=True)
    try:
        return value_of(value, attribute.type)
    except Refused as error:
        raise Refused(str(error), index, key) from error
