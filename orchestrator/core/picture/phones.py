"""Views on a node's contacts: the phones of people. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orchestrator.core.state import Contact, Node, Policy
from orchestrator.core.words import ContactStatus

LOST = frozenset({ContactStatus.UNREACHABLE, ContactStatus.UNKNOWN})


def phones(node: Node, policy: Policy) -> Sequence[Contact]:
    """Contacts of people: neither trunks nor the other node."""
    trunks = {trunk.endpoint for trunk in policy.trunks}
    first, second = (each.address for each in policy.nodes)
    return [
        contact
        for contact in node.contacts.values()
        if contact.aor not in trunks
        and contact.status is not ContactStatus.REMOVED
        # the cheap look first: thousands of contacts are none of the nodes
        and not (
            (first in contact.uri or second in contact.uri)
            and _host_of(contact.uri) in (first, second)
        )
    ]


def _host_of(uri: str) -> str:
    rest = uri.rpartition("@")[2].removeprefix("sips:").removeprefix("sip:")
    return rest[1:].partition("]")[0] if rest[:1] == "[" else rest.partition(";")[0].split(":")[0]


def known(contacts: Iterable[Contact]) -> int:
    """How many phones they are: one with two contacts counts once."""
    return len({contact.aor for contact in contacts})


def reachable(contacts: Iterable[Contact]) -> int:
    """How many of the phones answer, or are not asked (no qualify)."""
    return known(contact for contact in contacts if contact.status not in LOST)
