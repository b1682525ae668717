"""A YAML file whose every key and value knows its line and column.

Plain data only: no tags, no anchors or aliases (a few lines of them can unfold to gigabytes), no
duplicate keys, bounded size and depth. Words are read as in YAML 1.2: ``on``, ``no`` and ``22:00``
are text, and a number with a leading 0 or + is text too, because it is a telephone number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

import yaml

from orchestrator.errors import ConfigError

Value: TypeAlias = "dict[str, Value] | list[Value] | str | int | float | bool | None"
Place: TypeAlias = tuple[str | int, ...]  # path from the root: ("nodes", "pbx-a", "ami")

LARGEST_FILE: Final = 1_000_000
DEEPEST: Final = 30


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(?:null|~|)$"), ["n", "~", ""]
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]+)?$"),
    list("-0123456789"),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^-?(?:0|[1-9][0-9]{0,17})$"), list("-0123456789")
)


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its data and where each part of it stands."""

    path: Path
    text: str
    value: Value
    nodes: dict[Place, yaml.Node] = field(repr=False)
    keys: dict[Place, yaml.Node] = field(repr=False)

    def at(self, place: Place, offset: int = 0) -> str:
        """``file:line:column`` of the value at the place, ``offset`` characters into its text."""
        while place not in self.nodes:
            place = place[:-1]
        node = self.nodes[place]
        index = node.start_mark.index
        if isinstance(node, yaml.ScalarNode) and offset:
            index = _inside(self.text, node, offset)
        return self._say(index)

    def at_key(self, place: Place) -> str:
        """``file:line:column`` of the key of this place, or of what holds it when it has none."""
        node = self.keys.get(place)
        return self._say(node.start_mark.index) if node else self.at(place)

    def _say(self, index: int) -> str:
        before = self.text[:index]
        line = before.count("\n") + 1
        return f"{self.path}:{line}:{index - before.rfind(chr(10))}"


def _inside(text: str, node: yaml.ScalarNode, offset: int) -> int:
    """The file's index of a character of a scalar, whatever its quoting and folding.

    Walks both texts at once: every character of the value that is not a blank stands in the file
    too, in the same order (escapes in double quotes may make it a few columns off, never a crash).
    """
    index = node.start_mark.index
    if node.style in ("|", ">"):
        index = text.index("\n", index) + 1
    elif node.style:
        index += 1
    end = node.end_mark.index
    for character in node.value[:offset]:
        if not character.isspace():
            found = text.find(character, index, end)
            index = found + 1 if found >= 0 else index
    while index < end - 1 and text[index].isspace():
        index += 1
    return index


def read(path: Path) -> Source:
    """The file as data; ``ConfigError`` with every problem that can be told at this stage."""
    try:
        raw = path.read_bytes()
        text = raw.decode()
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError([f"{path}:{line}:1: is not UTF-8 text"]) from error
    return parse(path, text)


def parse(path: Path, text: str) -> Source:
    """As ``read``, of a text that is at hand."""
    if len(text) > LARGEST_FILE:
        raise ConfigError([f"{path}: is larger than {LARGEST_FILE} characters; nothing was read"])
    try:
        problems = list(_refused(path, text))
        root = None if problems else yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError([_say_yaml_error(path, error)]) from error
    if problems:
        raise ConfigError(problems)
    if root is None:
        raise ConfigError([f"{path}:1:1: the file is empty"])
    builder = _Builder(path)
    value = builder.build(root, ())
    if builder.problems:
        raise ConfigError(builder.problems)
    return Source(path, text, value, builder.nodes, builder.keys)


def _refused(path: Path, text: str) -> Iterator[str]:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        mark = event.start_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                yield f"{where}: nested deeper than {DEEPEST} levels"
                return
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            yield f"{where}: anchors and aliases (&name, *name) are not allowed; write it out"
        if getattr(event, "tag", None):
            yield f"{where}: tags (!name) are not allowed; write plain values"


def _say_yaml_error(path: Path, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else f"{path}"
    return f"{where}: is not YAML: {problem}"


class _Builder:
    """Turns composed nodes into data, keeping their places."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []
        self.nodes: dict[Place, yaml.Node] = {}
        self.keys: dict[Place, yaml.Node] = {}
        self._constructor = yaml.constructor.SafeConstructor()

    def build(self, node: yaml.Node, place: Place) -> Value:
        self.nodes[place] = node
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*place, i)) for i, item in enumerate(node.value)]
        value: Value = self._constructor.construct_object(node)
        return value

    def _mapping(self, node: yaml.MappingNode, place: Place) -> Value:
        result: dict[str, Value] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(key_node, "a key must be a plain word")
                continue
            key = str(key_node.value)
            if key in result:
                first = self.keys[(*place, key)].start_mark.line + 1
                self._problem(key_node, f"'{key}' is here twice, first in line {first}")
                continue
            self.keys[(*place, key)] = key_node
            result[key] = self.build(value_node, (*place, key))
        return result

    def _problem(self, node: yaml.Node, what: str) -> None:
        mark = node.start_mark
        self.problems.append(f"{self.path}:{mark.line + 1}:{mark.column + 1}: {what}")
