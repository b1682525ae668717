"""A node's picture while a batch of events is worked in.

The frozen ``Node`` is copied once a batch, not once an event: its tables are opened for writing
when they are first written (``immutables.Map.mutate``) and closed at the end. A table that nobody
wrote keeps its identity, by which the rules see that nothing changed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from immutables import Map, MapMutation

from orchestrator.core.picture.listed import after_members
from orchestrator.core.state import (
    Channel,
    Contact,
    Counters,
    Listing,
    Node,
    Policy,
    Queue,
    Registration,
)
from orchestrator.core.words import MirrorKind

_COUNTERS = tuple(name for name in Counters.__dataclass_fields__ if name != "failed_by_cause")


class NodeDraft:
    """Mutable for the length of one batch; ``finish`` makes the new node."""

    __slots__ = (
        "_channels",
        "_contacts",
        "_counts",
        "_devices",
        "_registrations",
        "causes",
        "changes",
        "in_snapshot",
        "listings",
        "members_listed",
        "mirrors",
        "node",
        "now",
        "queues",
        "trunks",
    )

    def __init__(self, node: Node, now: float, policy: Policy) -> None:
        self.node = node
        self.now = now
        self.trunks = frozenset(trunk.endpoint for trunk in policy.trunks)
        self.mirrors = policy.mirror is not None
        self.in_snapshot = False
        self.members_listed: bool | None = None  # a snapshot said whether queues are complete
        self.listings: Map[MirrorKind, Listing] = node.listings
        self.changes: dict[str, Any] = {}
        self.causes: list[int] = []
        self._counts: dict[str, int] = {}
        self._channels: MapMutation[str, Channel] | None = None
        self._contacts: MapMutation[str, Contact] | None = None
        self._devices: MapMutation[str, str] | None = None
        self.queues: Map[str, Queue] = node.queues  # few and rarely changed: no mutation
        self._registrations: MapMutation[tuple[str, str], Registration] | None = None

    @property
    def channels(self) -> MapMutation[str, Channel]:
        if self._channels is None:
            self._channels = self.node.channels.mutate()
        return self._channels

    @property
    def contacts(self) -> MapMutation[str, Contact]:
        if self._contacts is None:
            self._contacts = self.node.contacts.mutate()
        return self._contacts

    def contact(self, key: str) -> Contact | None:
        """One contact, without opening the table for writing."""
        return (self.node.contacts if self._contacts is None else self._contacts).get(key)

    @property
    def devices(self) -> MapMutation[str, str]:
        if self._devices is None:
            self._devices = self.node.devices.mutate()
        return self._devices

    @property
    def registrations(self) -> MapMutation[tuple[str, str], Registration]:
        if self._registrations is None:
            self._registrations = self.node.registrations.mutate()
        return self._registrations

    def listing(self, kind: MirrorKind) -> Listing:
        """What is known of that kind."""
        return self.listings.get(kind) or Listing()

    def set_listing(self, kind: MirrorKind, listing: Listing) -> None:
        self.listings = self.listings.set(kind, listing)

    def count(self, name: str, by: int = 1) -> None:
        """Raise a counter of ``Counters``."""
        self._counts[name] = self._counts.get(name, 0) + by

    def sweep(self, table: str, named: Collection[object]) -> list[object]:
        """Take out the records of a table whose keys are not named; returns them."""
        mutation = getattr(self, f"_{table}")
        records: Map[Any, object] = (
            mutation.finish() if mutation is not None else getattr(self.node, table)
        )
        gone = [key for key in records if key not in named]
        swept = [records[key] for key in gone]
        left = records.mutate()
        for key in gone:
            del left[key]
        setattr(self, f"_{table}", left)
        return swept

    def finish(self) -> Node:
        """The node after the batch; the same object when nothing changed."""
        changes = self.changes
        for name in ("channels", "contacts", "devices", "registrations"):
            table = getattr(self, f"_{name}")
            if table is not None:
                changes[name] = table.finish()
        if self.queues is not self.node.queues:
            changes["queues"] = self.queues
        if self.mirrors:
            self._list_members()
        if self.listings is not self.node.listings:
            changes["listings"] = self.listings
        if self._counts or self.causes:
            changes["counters"] = self._counters()
        return replace(self.node, **changes) if changes else self.node

    def _list_members(self) -> None:
        """Queue members are mirrored from the queues as they are after the batch."""
        old = listing = self.listing(MirrorKind.MEMBER)
        if self.queues is not self.node.queues:
            listing = after_members(listing, self.node.queues, self.queues)
        if self.members_listed is not None:
            problem = "" if self.members_listed else "its queues could not be asked for"
            at = self.now if self.members_listed else None
            listing = replace(listing, at=at, problem=problem, touched=Map())
        if listing is not old:
            self.set_listing(MirrorKind.MEMBER, listing)

    def _counters(self) -> Counters:
        old = self.node.counters
        causes: Map[int, int] = old.failed_by_cause
        for cause in self.causes:
            causes = causes.set(cause, causes.get(cause, 0) + 1)
        counts = {name: getattr(old, name) + self._counts.get(name, 0) for name in _COUNTERS}
        return Counters(failed_by_cause=causes, **counts)
