"""Every fact and function of the rule language, as a page for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.language.functions import FUNCTIONS
from orchestrator.core.language.types import Attribute, Kind, Record, Schema

_HEAD = """# Facts and functions of rules

Printed by `asterisk-orchestrator rules reference`; the language itself is in [rules.md](rules.md).
Every fact can be unknown."""


def reference(schema: Schema) -> str:
    """The page, in Markdown."""
    return "\n".join([_HEAD, *_roots(schema), *_functions()]) + "\n"


def _roots(schema: Schema) -> Iterator[str]:
    records: dict[str, Record] = {}
    yield from ("", "## Roots", "", "| an expression starts with | which is | a |", "|---|---|---|")
    for name, root in schema.roots.items():
        records[root.record.name] = root.record
        yield f"| `{name}` | {root.doc} | {root.record.name} |"
    for record in list(records.values()):
        for attribute in record.attributes.values():
            if attribute.type.kind is Kind.LIST and attribute.type.of is not None:
                records[attribute.type.of.name] = attribute.type.of
    for record in records.values():
        yield from ("", f"## {record.name}", "", record.doc, "", "| fact | is | meaning |")
        yield "|---|---|---|"
        for name, attribute in record.attributes.items():
            yield f"| `{name}` | {_kind(attribute)} | {attribute.doc} |"


def _kind(attribute: Attribute) -> str:
    type_ = attribute.type
    if type_.kind is Kind.WORD:
        return ", ".join(f"`{word}`" for word in type_.words)
    if type_.kind is Kind.LIST and type_.of is not None:
        return f"a list, each a {type_.of.name}"
    return "a counter" if attribute.counter else str(type_)


def _functions() -> Iterator[str]:
    yield from ("", "## Functions", "", "| write | gives |", "|---|---|")
    for function in FUNCTIONS.values():
        yield f"| `{function.usage}` | {function.doc} |"
