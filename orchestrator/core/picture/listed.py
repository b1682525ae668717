"""Listings of a node: what the mirror compares, kept from comparisons and from events. Pure.

A comparison is older than what happened while it was made: keys touched meanwhile keep what we
know of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from immutables import Map

from orchestrator.core.events import Fields
from orchestrator.core.state import Listing, Queue, QueueMember

CUSTOM = "Custom:"  # devices whose state is set by the dialplan, not by a channel driver
EXPIRY = "expiration_time"
SAME_EXPIRY_S = 2.0  # whole seconds, and clocks compared by a round trip


def contact_key(aor: str, uri: str) -> str:
    """The sorcery id of a dynamic contact (res_pjsip_registrar.c): AOR and the URI's MD5."""
    return f"{aor};@{hashlib.md5(uri.encode(), usedforsecurity=False).hexdigest()}"


def field_of(fields: Fields, name: str) -> str:
    """The value of that name, empty when there is none."""
    for key, value in fields:
        if key == name:
            return value
    return ""


def expiry_of(fields: Fields) -> float | None:
    """When the contact ends, by its node's clock; None when it does not say."""
    try:
        return float(field_of(fields, EXPIRY)) or None
    except ValueError:
        return None


def owner_of(key: str, fields: Fields) -> str:
    """The endpoint that the contact belongs to; without one its AOR's name."""
    return field_of(fields, "endpoint") or key.partition(";@")[0]


def with_item(listing: Listing, key: str, fields: Fields | None, owned: bool = False) -> Listing:
    """The listing after one thing was seen as it is now; None: it is not there."""
    old = listing.items.get(key)
    touched = listing.touched.set(key, True)
    if old == fields:
        return replace(listing, touched=touched)
    items, owners = listing.items, listing.owners
    if old is not None and owned:
        owners = _disowned(owners, owner_of(key, old), key)
    if fields is None:
        items = items.delete(key)
    else:
        items = items.set(key, fields)
        if owned:
            owner = owner_of(key, fields)
            owners = owners.set(owner, owners.get(owner, frozenset()) | {key})
    return replace(
        listing, items=items, owners=owners, touched=touched, changed=listing.changed.set(key, True)
    )


def _disowned(owners: Map[str, frozenset[str]], owner: str, key: str) -> Map[str, frozenset[str]]:
    left = owners.get(owner, frozenset()) - {key}
    if left:
        return owners.set(owner, left)
    return owners.delete(owner) if owner in owners else owners


def after_comparison(
    listing: Listing, listed: Iterable[tuple[str, Fields]], now: float, owned: bool
) -> Listing:
    """The listing after everything was listed."""
    old, touched = listing.items, listing.touched
    fresh = dict(listed)
    for key in touched:
        known = old.get(key)
        if known is None:
            fresh.pop(key, None)
        else:
            fresh[key] = known
    owners: dict[str, frozenset[str]] = {}
    unnoticed = 0
    for key, fields in fresh.items():
        if owned:
            owner = owner_of(key, fields)
            owners[owner] = owners.get(owner, frozenset()) | {key}
            unnoticed += key not in listing.wanted and _later(old.get(key), fields)
    return replace(
        listing, items=Map(fresh), at=now, problem="", touched=Map(), changed=Map(),
        owners=Map(owners), unnoticed=unnoticed,
    )  # fmt: skip


def _later(old: Fields | None, new: Fields) -> bool:
    before, after = old and expiry_of(old), expiry_of(new)
    return bool(before and after and after - before > SAME_EXPIRY_S)


def after_loss(listing: Listing) -> Listing:
    """Nothing is certain until the next comparison; what was known says who was there."""
    return Listing(items=listing.items, problem=listing.problem, owners=listing.owners)


def after_members(listing: Listing, before: Map[str, Queue], after: Map[str, Queue]) -> Listing:
    """The members of all queues; only queues whose members changed are looked at."""
    for name in {*before, *after} if len(before) != len(after) else after:
        old, new = before.get(name), after.get(name)
        there: Map[str, QueueMember] = new.members if new is not None else Map()
        was: Map[str, QueueMember] = old.members if old is not None else Map()
        if there is was:
            continue
        for interface, member in there.items():
            known = was.get(interface)
            if known is not member:
                listing = with_item(listing, member_key(name, interface), member_fields(member))
        for interface in was:
            if interface not in there:
                listing = with_item(listing, member_key(name, interface), None)
    return listing


def member_key(queue: str, interface: str) -> str:
    return f"{queue}|{interface}"


def member_fields(member: QueueMember) -> Fields:
    """What of a member is mirrored; its call and its device's state are the node's own."""
    return (
        ("membership", member.membership),
        ("name", member.name),
        ("paused", "1" if member.paused else "0"),
        ("pause_reason", member.pause_reason),
        ("penalty", str(member.penalty)),
        ("state_interface", member.state_interface),
    )
