"""Facts as somebody states them: a schema whose facts read a statement first, then the picture.

So a test may say ``standby.ready: false`` without saying which of a dozen checks failed, and the
rules are compiled and evaluated as in the service.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from immutables import Map

from orchestrator.core.facts.schema import make_schema
from orchestrator.core.language.types import Attribute, Look, Record, Schema
from orchestrator.core.state import Node, Pair

Place = tuple[str, str]  # (node, or record such as "pair"; attribute)
_NOTHING: Final = object()


@dataclass(frozen=True, slots=True)
class Since:
    """A stated duration that goes on with the clock, such as ``verdict_for``."""

    at: float  # epoch seconds


@dataclass(frozen=True, slots=True)
class StatedPair(Pair):
    """A pair with statements about its facts; they win over the picture."""

    stated: Map[Place, Any] = field(default_factory=Map)


def stated_schema(nodes: tuple[str, ...]) -> Schema:
    """The rules' schema, reading the statements of a ``StatedPair`` first."""
    schema = make_schema(nodes)
    records = {id(root.record): _stated_record(root.record) for root in schema.roots.values()}
    roots = {
        name: replace(root, record=records[id(root.record)]) for name, root in schema.roots.items()
    }
    return Schema(roots, nodes)


def _stated_record(record: Record) -> Record:
    attributes = {
        name: replace(attribute, read=_stated_read(record.name, name, attribute))
        for name, attribute in record.attributes.items()
    }
    return replace(record, attributes=attributes)


def _stated_read(record: str, name: str, attribute: Attribute) -> Callable[[Any, Look], Any]:
    pictured = "fresh" in attribute.sources

    def read(owner: Any, look: Look) -> Any:
        state = look.state
        assert isinstance(state, StatedPair)
        found = state.stated.get(
            (owner.name if isinstance(owner, Node) else record, name), _NOTHING
        )
        if found is _NOTHING:
            return attribute.read(owner, look)
        if pictured and not owner.fresh(look.now, look.policy.stale_s):
            return None
        return max(0.0, look.now - found.at) if isinstance(found, Since) else found

    return read
