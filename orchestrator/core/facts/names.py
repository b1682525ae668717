"""The names that rules may mention, as the live pair has them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final, TypeAlias

from orchestrator.core.language.parts import Mention
from orchestrator.core.language.suggest import did_you_mean
from orchestrator.core.picture.phones import phones
from orchestrator.core.state import Node, Pair, Policy

Names: TypeAlias = Mapping[str, Sequence[str] | None]  # by record; None: can't be known now
_Names: TypeAlias = Callable[[Node], Iterable[str]]
_FACT: Final = {"trunk": "name", "contact": "aor", "queue": "name"}
_WHAT: Final = {"trunk": "trunk", "contact": "phone", "queue": "queue"}


def names_of(state: Pair, policy: Policy, now: float) -> Names:
    """Trunks by the configuration; phones and queues of every node whose picture is believed."""
    nodes = [node for node in state.nodes.values() if node.fresh(now, policy.stale_s)]
    return {
        "trunk": sorted(trunk.endpoint for trunk in policy.trunks),
        "contact": _of(nodes, "contacts", lambda node: (c.aor for c in phones(node, policy))),
        "queue": _of(nodes, "queues", lambda node: node.queues),
    }


def _of(nodes: Sequence[Node], part: str, names: _Names) -> list[str] | None:
    asked = [node for node in nodes if part not in node.missing]
    return sorted({name for node in asked for name in names(node)}) if asked else None


def strangers(mentions: Iterable[tuple[str, Mention]], names: Names) -> list[str]:
    """Names in rules that the pair has not, each a sentence with its place."""
    said = []
    for where, mention in mentions:
        if _FACT.get(mention.record) != mention.fact:
            continue
        known, what = names.get(mention.record), _WHAT[mention.record]
        if known is None:
            said.append(f"{where}: whether there is a {what} '{mention.text}' can't be told now: "
                        "no node's picture is up to date")  # fmt: skip
        elif mention.pattern and not any(fnmatchcase(name, mention.text) for name in known):
            said.append(f"{where}: no {what} on the pair fits '{mention.text}' now")
        elif not mention.pattern and mention.text not in known:
            hint = did_you_mean(mention.text, known)
            said.append(f"{where}: the pair has no {what} '{mention.text}' now{hint}")
    return said
