"""What pydantic refused, as ``file:line:column: what; did you mean …``, in the file's order."""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.config.yaml_source import Place, Source
from orchestrator.core.language.suggest import did_you_mean

_PLACE = re.compile(r"(.*?):(\d+):(\d+): ")
_KINDS = {
    "string_type": "text is expected; put it in quotes",
    "int_type": "a whole number is expected",
    "bool_type": "true or false is expected",
    "bool_parsing": "true or false is expected",
    "float_type": "a number is expected",
    "tuple_type": "a list is expected: [one, two]",
    "list_type": "a list is expected: [one, two]",
    "dict_type": "keys and values are expected: {key: value}",
    "model_type": "keys and values are expected: {key: value}",
    "model_attributes_type": "keys and values are expected: {key: value}",
    "path_type": "a path is expected",
    "too_short": "must not be empty",
}


def problems_of(model: type[BaseModel], error: ValidationError, source: Source) -> list[str]:
    """One line for each problem, sorted by place."""
    details = [
        detail
        for detail in error.errors(include_url=False)
        # a list whose only item is wrong counts as empty too: the item's own problem is enough
        if not (detail["type"] == "too_short" and detail["input"])
    ]
    return in_order(dict.fromkeys(_say(model, detail, source) for detail in details))


def with_excerpt(problem: str) -> str:
    """The problem, the line that it is about, and a caret below its column."""
    match = _PLACE.match(problem)
    if match is None:
        return problem
    try:
        line = Path(match[1]).read_text(encoding="utf-8").splitlines()[int(match[2]) - 1]
    except (OSError, UnicodeDecodeError, IndexError):
        return problem
    before = "".join("\t" if c == "\t" else " " for c in line[: int(match[3]) - 1])
    return f"{problem}\n    {line}\n    {before}^"


def in_order(problems: Mapping[str, object] | list[str]) -> list[str]:
    """Sorted by file, line and column, not by their digits."""

    def key(problem: str) -> tuple[str, int, int]:
        match = _PLACE.match(problem)
        return (match[1], int(match[2]), int(match[3])) if match else (problem, 0, 0)

    return sorted(problems, key=key)


def _say(model: type[BaseModel], detail: ErrorDetails, source: Source) -> str:
    place = tuple(detail["loc"])
    kind = detail["type"]
    name = str(place[-1]) if place else ""
    if kind == "extra_forbidden":
        known = _keys_at(model, place[:-1])
        return f"{source.at_key(place)}: unknown key '{name}'{did_you_mean(name, known)}"
    if kind == "missing":
        return f"{_holder(source, place)}: missing key '{name}'"
    if place and place[-1] == "[key]":  # pydantic's way to say: the name, not what it names
        place = place[:-1]
        return f"{source.at_key(place)}: {_what(detail)}"
    there = _known_place(source, place)
    # the text of a block begins lines below its key
    is_block = getattr(source.nodes[there], "flow_style", None) is False
    return f"{source.at_key(there) if is_block else source.at(there)}: {_what(detail)}"


def _holder(source: Source, place: Place) -> str:
    return source.at_key(_known_place(source, place[:-1]))


def _known_place(source: Source, place: Place) -> Place:
    """The place without what pydantic adds for its own types."""
    while place not in source.nodes:
        place = place[:-1]
    return place


def _what(detail: ErrorDetails) -> str:
    kind, value = detail["type"], detail.get("input")
    context: Mapping[str, Any] = detail.get("ctx") or {}
    if kind == "value_error":
        return str(context.get("error", detail["msg"]))
    if kind in ("enum", "literal_error"):
        words = re.findall(r"'([^']+)'", str(context.get("expected", "")))
        return f"unknown word '{str(value)[:40]}'{did_you_mean(str(value), words)}"
    if kind in ("greater_than_equal", "less_than_equal"):
        return "a number from 1 to 65535 is expected"
    return _KINDS.get(kind, detail["msg"])


def _keys_at(model: type[BaseModel], place: Place) -> list[str]:
    """The keys that the model knows at this place."""
    found: Any = model
    for step in place:
        found = _step(_bare(found), step)
    found = _bare(found)
    return list(found.model_fields) if _is_model(found) else []


def _step(annotation: Any, step: str | int) -> Any:
    if _is_model(annotation):
        field = annotation.model_fields.get(str(step))
        return field.annotation if field else None
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        return arguments[1]
    return arguments[0] if arguments else None


def _bare(annotation: Any) -> Any:
    """Without ``Annotated`` and ``| None``."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _bare(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return _bare(next(a for a in get_args(annotation) if a is not type(None)))
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
