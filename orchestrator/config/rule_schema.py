"""JSON Schema of rule files, so that editors complete and check them while they are written.

It knows the shape; expressions are checked by ``rules check``.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from orchestrator.config.rule_models import Do, RuleFile

_BODILESS: Final = ("switchover", "drain", "failover", "failback", "notify")


def rule_file_schema() -> dict[str, Any]:
    """The schema of a rule file."""
    schema = schema_of(RuleFile, "Rules of asterisk-orchestrator")
    definitions = schema["$defs"]
    definitions["Do"] |= {"minProperties": 1, "maxProperties": 1}
    for name, found in definitions["Do"]["properties"].items():
        if name not in _BODILESS:
            found["anyOf"].remove({"type": "null"})
            del found["default"]
    definitions["Request"] = {
        "description": Do.__doc__,
        "anyOf": [{"enum": list(_BODILESS)}, {"$ref": "#/$defs/Do"}],
    }
    definitions["RuleModel"]["properties"]["do"]["items"] = {"$ref": "#/$defs/Request"}
    return schema


def schema_of(model: type[BaseModel], title: str) -> dict[str, Any]:
    """The model's schema, without pydantic's titles; names that fit no pattern are refused."""
    schema = _tidy(model.model_json_schema(by_alias=True))
    return {"$schema": GenerateJsonSchema.schema_dialect, "title": title, **schema}


def _tidy(part: Any) -> Any:
    if isinstance(part, list):
        return [_tidy(one) for one in part]
    if not isinstance(part, dict):
        return part
    tidied = {
        key: _tidy(value)
        for key, value in part.items()
        if not (key == "title" and isinstance(value, str))
    }
    return tidied | ({"additionalProperties": False} if "patternProperties" in tidied else {})
