"""What telephony events make of the picture: (state, events) -> state.

Verdicts are not made here (``core/verdict.py``): ``Observed`` and ``Tick`` pass unseen, and so do
results and orders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from immutables import Map

from orchestrator.core.events import (
    AddressSeen,
    ChannelSeen,
    ContactSeen,
    EndpointSeen,
    Event,
    EventsDropped,
    NodeEvent,
    NodeFacts,
    PictureLost,
    RegistrationSeen,
    Reloaded,
    ShuttingDown,
    Snapshot,
)
from orchestrator.core.picture.draft import NodeDraft
from orchestrator.core.picture.observe_calls import CALL_HANDLERS
from orchestrator.core.picture.observe_mirror import (
    MIRROR_HANDLERS,
    contact_told,
    device_told,
    picture_lost,
    snapshot_taken,
)
from orchestrator.core.picture.observe_queues import QUEUE_HANDLERS
from orchestrator.core.state import Contact, Pair, Policy, Registration
from orchestrator.core.words import ContactStatus, RegistrationStatus

Handler: TypeAlias = Callable[[NodeDraft, Any], None]


def observe(state: Pair, event: Event, now: float, policy: Policy) -> Pair:
    """The picture after one event."""
    return observe_all(state, (event,), now, policy)


def observe_all(state: Pair, events: Iterable[Event], now: float, policy: Policy) -> Pair:
    """The picture after a batch of events, in their order: the same as one by one, but faster."""
    drafts: dict[str, NodeDraft] = {}
    for event in events:
        handler = HANDLERS.get(type(event))
        if handler is None:
            continue
        name = event.node  # type: ignore[union-attr]  # every event with a handler has one
        draft = drafts.get(name)
        if draft is None:
            node = state.nodes.get(name)
            if node is None:
                continue
            draft = drafts[name] = NodeDraft(node, now, policy)
        handler(draft, event)
    nodes = state.nodes
    for name, draft in drafts.items():
        node = draft.finish()
        if node is not nodes[name]:
            nodes = nodes.set(name, node)
    return state if nodes is state.nodes else replace(state, nodes=nodes)


# --- phones and trunks ---------------------------------------------------------------------------


def _contact(draft: NodeDraft, event: ContactSeen) -> None:
    if draft.mirrors and not draft.in_snapshot:  # after a snapshot all contacts are listed anyway
        contact_told(draft, event)
    key = f"{event.aor}/{event.uri}"
    old = draft.contacts.get(key)
    status = event.status
    if old is not None and old.status is ContactStatus.REACHABLE and _is_loss(status):
        draft.count("contacts_lost")
    if status is ContactStatus.REMOVED:
        if old is not None:
            del draft.contacts[key]
        return
    if status is ContactStatus.UNKNOWN:
        status = old.status if old is not None else ContactStatus.UNQUALIFIED
    same = old is not None and old.status is status
    draft.contacts[key] = Contact(
        event.aor,
        event.uri,
        status,
        old.since if old is not None and same else draft.now,
        event.rtt_ms if event.rtt_ms is not None or not same or old is None else old.rtt_ms,
        event.user_agent or (old.user_agent if old is not None else ""),
    )


def _is_loss(status: ContactStatus) -> bool:
    return status is ContactStatus.REMOVED or status is ContactStatus.UNREACHABLE


def _registration(draft: NodeDraft, event: RegistrationSeen) -> None:
    key = (event.client_uri, event.server_uri)
    old = draft.registrations.get(key)
    was_registered = old is not None and old.status is RegistrationStatus.REGISTERED
    if was_registered and event.status is RegistrationStatus.REJECTED:  # Unregistered: on purpose
        draft.count("registrations_lost")
    draft.registrations[key] = Registration(
        event.name or (old.name if old is not None else ""),
        event.client_uri,
        event.server_uri,
        event.status,
        old.since if old is not None and old.status is event.status else draft.now,
        event.cause,
    )


def _device(draft: NodeDraft, event: EndpointSeen) -> None:
    draft.devices[event.device] = event.state
    if draft.mirrors:
        device_told(draft, event.device, event.state)


# --- the node as a whole -------------------------------------------------------------------------


def _facts(draft: NodeDraft, event: NodeFacts) -> None:
    draft.changes["can_set_maintenance"] = event.can_set_maintenance
    if event.asterisk_version:
        draft.changes["asterisk_version"] = event.asterisk_version
    if event.booted_at is not None:
        draft.changes["booted_at"] = event.booted_at


def _picture_lost(draft: NodeDraft, event: PictureLost) -> None:
    """The tables stay: they say who was cut off. ``confirmed_at`` says how old they are."""
    draft.changes["in_sync"] = False
    picture_lost(draft)


def _snapshot(draft: NodeDraft, event: Snapshot) -> None:
    """Work the lists in over the old tables, then sweep out what no list named.

    So whatever a list cannot say (since when, by which queue) is kept, and a phone or trunk that
    is gone counts as lost, as if an event had said so. Missing parts are not swept.
    """
    if "queues" not in event.missing:
        draft.queues = Map()
    draft.in_snapshot = True
    for item in event.content:
        handler = HANDLERS.get(type(item))
        if handler is not None:
            handler(draft, item)
    draft.in_snapshot = False
    named = _named(event.content)
    for part in {"contacts", "registrations", "devices", "channels"} - event.missing:
        for gone in draft.sweep(part, named):
            if isinstance(gone, Contact) and gone.status is ContactStatus.REACHABLE:
                draft.count("contacts_lost")
            elif isinstance(gone, Registration) and gone.status is RegistrationStatus.REGISTERED:
                draft.count("registrations_lost")
    if draft.mirrors:
        snapshot_taken(draft, event.missing, named)
    draft.changes.update(
        in_sync=True, confirmed_at=draft.now, shutting_down=False, missing=event.missing
    )


def _named(content: Iterable[NodeEvent]) -> set[str | tuple[str, str]]:
    """Keys of all tables that the lists name; keys of different tables cannot be confused."""
    named: set[str | tuple[str, str]] = set()
    for item in content:
        if isinstance(item, ContactSeen):
            named.add(f"{item.aor}/{item.uri}")
        elif isinstance(item, RegistrationSeen):
            named.add((item.client_uri, item.server_uri))
        elif isinstance(item, EndpointSeen):
            named.add(item.device)
        elif isinstance(item, ChannelSeen):
            named.add(item.uniqueid)
    return named


def _reloaded(draft: NodeDraft, event: Reloaded) -> None:
    draft.count("reloads")


def _shutting_down(draft: NodeDraft, event: ShuttingDown) -> None:
    draft.changes["shutting_down"] = True


def _dropped(draft: NodeDraft, event: EventsDropped) -> None:
    draft.count("events_dropped", event.count)


def _address(draft: NodeDraft, event: AddressSeen) -> None:
    draft.changes.update(
        holds_address=event.holds,
        address_at=draft.now,
        gave_up_address=event.gave_up,
        guarded=event.guarded,
    )


HANDLERS: Mapping[type, Handler] = {
    ContactSeen: _contact,
    RegistrationSeen: _registration,
    EndpointSeen: _device,
    NodeFacts: _facts,
    PictureLost: _picture_lost,
    Snapshot: _snapshot,
    Reloaded: _reloaded,
    ShuttingDown: _shutting_down,
    EventsDropped: _dropped,
    AddressSeen: _address,
    **CALL_HANDLERS,
    **QUEUE_HANDLERS,
    **MIRROR_HANDLERS,
}
