"""A pair whose standby knows some of the active's phones."""

from __future__ import annotations

from dataclasses import replace

from immutables import Map

from orchestrator.core.evacuating.records import Habit
from orchestrator.core.state import Contact, Listing, Node, Pair
from orchestrator.core.words import ContactStatus, MirrorKind, ReferHabit
from tests.runtime.world import pair

AGENTS = {"1001": "Phone 1", "1002": "Phone 1", "1003": "Phone [2]", "1004": "Phone 3"}


def _contacts(*names: str) -> Map[str, Contact]:
    """As a node shows them after each phone registered."""
    uris = {name: f"sip:{name}@10.77.0.21:5060" for name in names}
    return Map({
        f"{name}/{uri}": Contact(name, uri, ContactStatus.REACHABLE, 0.0, None, AGENTS[name])
        for name, uri in uris.items()
    })  # fmt: skip


def warm_pair(now: float) -> Pair:
    """Four phones on pbx-a; pbx-b knows three of them and does not reach one of these."""
    state = pair()
    listing = Listing(
        Map({"1001;@x": (("endpoint", "1001"), ("expiration_time", str(int(now) + 600)))}), now
    )
    there = _contacts("1001", "1002", "1003")
    lost = next(key for key in there if key.startswith("1003/"))
    there = there.set(lost, replace(there[lost], status=ContactStatus.UNREACHABLE))
    a = _node("pbx-a", now, _contacts(*AGENTS), listing)
    b = _node("pbx-b", now, there, listing)
    return replace(
        state,
        active="pbx-a",
        nodes=Map({"pbx-a": a, "pbx-b": b}),
        habits=Map({"Phone 1": Habit(ReferHabit.HONOURS, now, "1002")}),
    )


def _node(name: str, now: float, contacts: Map[str, Contact], listing: Listing) -> Node:
    return Node(
        name,
        confirmed_at=now,
        in_sync=True,
        contacts=contacts,
        listings=Map({MirrorKind.CONTACT: listing}),
        clock_ahead_s=0.0,
    )
