"""JSON Schema of test files: their shape, and every fact that can be set."""

from __future__ import annotations

from typing import Any, Final

from orchestrator.config.rule_schema import schema_of
from orchestrator.core.facts.schema import ROOTS
from orchestrator.core.language.types import Attribute, Kind, Record
from orchestrator.core.rulebook.types import Ask
from orchestrator.rehearsal.facts import FIXED, UNKNOWN
from orchestrator.rehearsal.files import CaseFile

_PLAIN: Final[dict[Kind, dict[str, Any]]] = {
    Kind.BOOL: {"type": "boolean"},
    Kind.NUMBER: {"type": "number"},
    Kind.DURATION: {"type": "string", "examples": ["15s", "5m"]},
    Kind.TEXT: {"type": ["string", "integer"]},
}


def schema_of_tests() -> dict[str, Any]:
    """The schema of a test file."""
    schema = schema_of(CaseFile, "Tests of rules of asterisk-orchestrator")
    definitions = schema["$defs"]
    expected = definitions["Expected"]
    del expected["properties"]["rule"], expected["properties"]["ask"], expected["required"]
    expected |= {"additionalProperties": {"enum": [*Ask, "drain"]}, "minProperties": 1}
    definitions["Facts"] = {"type": "object", "properties": dict(_facts())}
    definitions["Facts"] |= {"patternProperties": _by_node_names(), "additionalProperties": False}
    for place, keys in ((schema, ("given",)), (definitions["CaseModel"], ("given",)),
                        (definitions["Step"], ("set", "rise"))):  # fmt: skip
        for key in keys:
            described = place["properties"][key]["description"]
            place["properties"][key] = {"$ref": "#/$defs/Facts", "description": described}
    return schema


def _facts() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{root}.{name}", _of(attribute))
        for root, found in ROOTS.items()
        if root != "time"
        for name, attribute in found.record.attributes.items()
        if not (found.record.name == "node" and name in FIXED)
    ]


def _by_node_names() -> dict[str, Any]:
    names = "|".join(name for name in ROOTS["active"].record.attributes if name not in FIXED)
    return {rf"^[A-Za-z0-9_+@-]+\.({names})$": {}}


def _of(attribute: Attribute) -> dict[str, Any]:
    kind, described = attribute.type.kind, {"description": attribute.doc}
    if kind is Kind.LIST and attribute.type.of is not None:
        items = {"type": "array", "items": _item(attribute.type.of)}
        return {"anyOf": [items, {"const": UNKNOWN}], **described}
    if kind is Kind.WORD:
        return {"enum": [*attribute.type.words, UNKNOWN], **described}
    return {"anyOf": [_PLAIN[kind], {"const": UNKNOWN}], **described}


def _item(record: Record) -> dict[str, Any]:
    properties = {name: _of(attribute) for name, attribute in record.attributes.items()}
    times = {"type": "integer", "minimum": 1, "description": "So many of them, counted up."}
    return {
        "type": "object",
        "properties": {**properties, "times": times},
        "additionalProperties": False,
    }
