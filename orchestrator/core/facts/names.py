"""The names that rules may mention, as the live pair has them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Final, TypeAlias, TypedDict

from orchestrator.core.language.parts import Mention
from orchestrator.core.language.suggest import did_you_mean
from orchestrator.core.picture.phones import phones
from orchestrator.core.state import Node, Pair, Policy


class Known(TypedDict):
    """What is there, and the nodes that may have more: nobody knows theirs now."""

    names: list[str]
    untold: list[str]


Names: TypeAlias = Mapping[str, Known]  # by record
_FACT: Final = {"trunk": "name", "contact": "aor", "queue": "name"}
_WHAT: Final = {"trunk": "trunk", "contact": "phone", "queue": "queue"}


def names_of(state: Pair, policy: Policy, now: float) -> Names:
    """Trunks by the configuration; phones and queues of every node whose picture is believed."""

    def of(part: str, names: Callable[[Node], Iterable[str]]) -> Known:
        found: set[str] = set()
        untold = []
        for name in (node.name for node in policy.nodes):
            node = state.nodes.get(name)
            if node and node.fresh(now, policy.stale_s) and part not in node.missing:
                found.update(names(node))
            else:
                untold.append(name)
        return {"names": sorted(found), "untold": untold}

    return {
        "trunk": {"names": sorted(trunk.endpoint for trunk in policy.trunks), "untold": []},
        "contact": of("contacts", lambda node: (c.aor for c in phones(node, policy))),
        "queue": of("queues", lambda node: node.queues),
    }


def strangers(mentions: Iterable[tuple[str, Mention]], names: Names) -> tuple[list[str], list[str]]:
    """Names in rules that the pair has not, and those of which that can't be told now.

    Each is a sentence with its place.
    """
    missed: list[str] = []
    untold: list[str] = []
    for where, mention in mentions:
        if _FACT.get(mention.record) != mention.fact:
            continue
        known, what = names[mention.record], _WHAT[mention.record]
        if _is_there(mention, known["names"]):
            continue
        if known["untold"]:
            nodes = " and ".join(known["untold"])
            untold.append(f"{where}: whether there is a {what} '{mention.text}' can't be told now: "
                          f"the {what}s of {nodes} are not known; "
                          "see: asterisk-orchestrator status")  # fmt: skip
        elif mention.pattern:
            missed.append(f"{where}: no {what} on the pair fits '{mention.text}' now")
        else:
            hint = did_you_mean(mention.text, known["names"])
            missed.append(f"{where}: the pair has no {what} '{mention.text}' now{hint}")
    return missed, untold


def _is_there(mention: Mention, names: Iterable[str]) -> bool:
    if mention.pattern:
        return any(fnmatchcase(name, mention.text) for name in names)
    return mention.text in names
