"""The service's own record as a course of events for a replay."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from orchestrator.core.facts.lists import CONTACT, QUEUE, TRUNK
from orchestrator.core.facts.node import NODE
from orchestrator.core.facts.record import FRESH, GONE, UNLISTED, Changes, begins
from orchestrator.core.facts.schema import PAIR
from orchestrator.core.language.types import Record
from orchestrator.core.rulebook.traces import What
from orchestrator.core.state import Policy
from orchestrator.rehearsal.replay import Course, Happening, Line
from orchestrator.rehearsal.world import World
from orchestrator.runtime.record_file import WHOLE
from orchestrator.runtime.recorded import RecordReader

_LISTS: Final[dict[str, Record]] = {"trunks": TRUNK, "contacts": CONTACT, "queues": QUEUE}
# What a rule did that asked for something, or would have.
_ACTS: Final = (What.FIRED, What.LIMITED, What.REPEATED, What.CLEARED)
_SQLITE: Final = b"SQLite format 3\0"


def is_record(path: Path) -> bool:
    """Whether it is a database, not a capture."""
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def of_record(reader: RecordReader, begin: float, until: float | None) -> Iterator[Happening]:
    """What changed, time by time."""
    seen = _Seen()
    for at, changes in reader.moments(begin, until):
        yield Happening(at, _happening(changes, seen))


def by_record(path: Path, policy: Policy, last_s: float | None) -> Course:
    """The record, or its last seconds; ``JournalError`` when it can't be read."""
    reader = RecordReader(path)
    since = 0.0 if last_s is None else time.time() - last_s
    begin = reader.begin(since)
    since = max(since, begin)
    world = World(policy, begin, well=False)
    happenings = of_record(reader, begin, None)
    return Course(world, happenings, done(reader, since, None), since, reader.end())


def done(reader: RecordReader, since: float, until: float | None) -> list[Line]:
    """What was told, carried out and fired while it really happened."""
    said = [(at, text) for at, text in reader.told(since, until)]
    said += [(one.at, f"{one.what}: {one.says or 'how it ended is not recorded'}")
             for one in reader.commands(since, until)]  # fmt: skip
    said += [(trace.at, f"rule {trace.rule}: {trace.says}")
             for trace in reader.traces(since, until) if trace.what in _ACTS]  # fmt: skip
    return [Line(at, text, done=True) for at, text in said]


@dataclass(slots=True)
class _Seen:
    """Of each node: the items of its lists by key, and the parts it could not be asked for."""

    lists: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    unlisted: dict[str, list[str]] = field(default_factory=dict)


def _happening(changes: Changes, seen: _Seen) -> Callable[[World], None]:
    def happen(world: World) -> None:
        touched: set[tuple[str, str]] = set()
        for path, value in changes:
            if path == WHOLE:
                touched |= seen.lists.keys()
                seen.lists.clear()
            elif path == "pair.active":
                world.make_active(value or "")
            elif path.startswith(f"{PAIR.name}."):
                _pair_fact(world, path.partition(".")[2], value)
            elif found := _node_of(world, path):
                touched |= _node_fact(world, *found, value, seen)
        for node, name in touched:
            listed = [_lasting(item, _LISTS[name], world.now)
                      for item in seen.lists.get((node, name), {}).values()]  # fmt: skip
            world.set(node, name, listed)
        for node, parts in seen.unlisted.items():
            world.unlist(node, parts)

    return happen


def _node_of(world: World, path: str) -> tuple[str, str] | None:
    """The node, whose name may have dots in it, and the rest of the path."""
    for name in world.state.nodes:
        if path.startswith(f"{name}."):
            return name, path[len(name) + 1 :]
    return None


def _pair_fact(world: World, name: str, value: Any) -> None:
    attribute = PAIR.attributes.get(name)
    if attribute is None:
        return
    if begins(attribute):
        value = 0.0 if value is None else max(0.0, world.now - value)
    world.set(PAIR.name, name, value)


def _node_fact(world: World, node: str, rest: str, value: Any, seen: _Seen) -> set[tuple[str, str]]:
    """Take one change of a node over; returns the list that it belongs to."""
    name, slash, key = rest.partition("/")
    if slash and name in _LISTS:
        items = seen.lists.setdefault((node, name), {})
        if value == GONE:
            items.pop(key, None)
        else:
            items[key] = value
        return {(node, name)}
    if name == FRESH:
        (world.regain if value else world.lose)(node)
    elif name == UNLISTED:
        seen.unlisted[node] = value
    elif name in NODE.attributes:
        _scalar(world, node, name, value)
    return set()


def _scalar(world: World, node: str, name: str, value: Any) -> None:
    if not begins(NODE.attributes[name]):
        world.set(node, name, value)
    elif name == "verdict_for":
        world.set(node, name, max(0.0, world.now - (value or world.now)))
    else:
        world.begin(node, name, value)


def _lasting(item: Mapping[str, Any], record: Record, now: float) -> dict[str, Any]:
    """Beginnings as the durations that they are now."""
    return {
        name: max(0.0, now - value)
        if value is not None and name in record.attributes and begins(record.attributes[name])
        else value
        for name, value in item.items()
    }
