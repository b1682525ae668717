"""What the mirror is told: clocks, logins, copies and comparisons."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from orchestrator.core.events import AuthSeen, ClockSeen, Compared, ContactSeen, CopySeen, Fields
from orchestrator.core.picture.draft import NodeDraft
from orchestrator.core.picture.listed import (
    CUSTOM,
    after_comparison,
    after_loss,
    contact_key,
    expiry_of,
    with_item,
)
from orchestrator.core.words import ContactStatus, MirrorKind

AFTER_AUTH_S = 0.1  # the registrar writes the contact after the login; a burst is read at once
ONCE_MORE_S = 0.5  # a slow registrar


def _clock(draft: NodeDraft, event: ClockSeen) -> None:
    draft.changes.update(clock_ahead_s=event.ahead_s, clock_error_s=event.error_s)


def _auth(draft: NodeDraft, event: AuthSeen) -> None:
    listing = draft.listing(MirrorKind.CONTACT)
    keys = listing.owners.get(event.endpoint, frozenset())
    if not keys and listing.hears_auth:
        return
    wanted, doubted = listing.wanted, listing.doubted
    for key in keys:
        if key not in wanted:
            wanted = wanted.set(key, draft.now + AFTER_AUTH_S)
        doubted = doubted.set(key, True)
    changed = replace(listing, wanted=wanted, doubted=doubted, hears_auth=True)
    draft.set_listing(MirrorKind.CONTACT, changed)


def _copy(draft: NodeDraft, event: CopySeen) -> None:
    owned = event.kind is MirrorKind.CONTACT
    old = draft.listing(event.kind)
    new = with_item(old, event.key, event.fields, owned)
    if event.key in old.doubted and event.key not in old.wanted:
        new = replace(new, doubted=new.doubted.delete(event.key))
        before, after = old.items.get(event.key), event.fields
        if before and after and expiry_of(before) == expiry_of(after):
            new = replace(new, wanted=new.wanted.set(event.key, draft.now + ONCE_MORE_S))
    draft.set_listing(event.kind, new)
    if owned and event.fields:
        _name_phone(draft, event.key, event.fields)


def _compared(draft: NodeDraft, event: Compared) -> None:
    old = draft.listing(event.kind)
    if event.problem:
        draft.set_listing(event.kind, replace(old, problem=event.problem))
        return
    owned = event.kind is MirrorKind.CONTACT
    draft.set_listing(event.kind, after_comparison(old, event.items, draft.now, owned))
    if owned:
        for key, fields in event.items:
            if old.items.get(key) != fields:
                _name_phone(draft, key, fields)


def _name_phone(draft: NodeDraft, key: str, fields: Fields) -> None:
    """AMI's ``ContactStatus`` does not say what the phone calls itself; the contact itself does."""
    values = dict(fields)
    place = f"{key.partition(';')[0]}/{values.get('uri', '')}"
    contact, name = draft.contact(place), values.get("user_agent", "")
    if contact is not None and name and contact.user_agent != name:
        draft.contacts[place] = replace(contact, user_agent=name)


def contact_told(draft: NodeDraft, event: ContactSeen) -> None:
    """A contact's event tells that it is gone, or that there is a new one to be read."""
    if event.aor in draft.trunks or event.uri.startswith("SIP/"):  # chan_sip's peers
        return
    listing = draft.listing(MirrorKind.CONTACT)
    key = contact_key(event.aor, event.uri)
    if event.status is ContactStatus.REMOVED:
        listing = with_item(listing, key, None, owned=True)
        if key in listing.wanted:
            listing = replace(listing, wanted=listing.wanted.delete(key))
    elif key not in listing.items and key not in listing.wanted:
        listing = replace(listing, wanted=listing.wanted.set(key, draft.now))
    else:
        return
    draft.set_listing(MirrorKind.CONTACT, listing)


def device_told(draft: NodeDraft, device: str, state: str) -> None:
    """A custom device's state."""
    if device.startswith(CUSTOM):
        listing = with_item(draft.listing(MirrorKind.DEVICE), device, (("state", state),))
        draft.set_listing(MirrorKind.DEVICE, listing)


def picture_lost(draft: NodeDraft) -> None:
    for kind, listing in draft.listings.items():
        draft.set_listing(kind, after_loss(listing))


def snapshot_taken(draft: NodeDraft, missing: frozenset[str], named: Collection[object]) -> None:
    """Members and custom devices are complete with the snapshot; the others are listed next."""
    draft.members_listed = "queues" not in missing
    listing = draft.listing(MirrorKind.DEVICE)
    if "devices" in missing:
        problem = "its device states could not be asked for"
        draft.set_listing(MirrorKind.DEVICE, replace(listing, at=None, problem=problem))
        return
    for device in listing.items:
        if device not in named:
            listing = with_item(listing, device, None)
    draft.set_listing(MirrorKind.DEVICE, replace(listing, at=draft.now, problem=""))


MIRROR_HANDLERS: Mapping[type, Callable[[NodeDraft, Any], None]] = {
    ClockSeen: _clock,
    AuthSeen: _auth,
    CopySeen: _copy,
    Compared: _compared,
}
