"""The whole picture of a node, asked for list by list.

The lists are asked one after the other, not all at once: Asterisk works through a session's actions
in order, and a Ping must not wait behind a quarter of a second of lists.

Order of lists and events: Asterisk writes a session's events and answers from one thread, so an
event that is read *before* a list begins is older than that list and may pass at once (the list
replaces it); one that is read *after* may be older or newer, waits, and is delivered after the
snapshot. As every change has its event and events keep their order, the picture ends up true, and
none is lost or counted twice. ``Parts.begin`` is the moment from which events wait.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from orchestrator.adapters.ami import listed
from orchestrator.adapters.ami.protocol import Reply
from orchestrator.core.events import (
    BridgeSeen,
    ChannelGone,
    ChannelSeen,
    ContactSeen,
    DialSeen,
    EndpointSeen,
    NodeEvent,
    NodeFacts,
    QueueCallerSeen,
    QueueMemberSeen,
    RegistrationSeen,
)
from orchestrator.errors import ActionTimeout

Ask: TypeAlias = Callable[[dict[str, str], bool, Callable[[], None] | None], Awaitable[Reply]]
Reader: TypeAlias = Callable[[str, bytes], Iterable[NodeEvent]]

MAX_STATIC = 64  # endpoints with static contacts that are asked one by one
PART_OF: dict[type, str] = {
    ContactSeen: "contacts",
    RegistrationSeen: "registrations",
    EndpointSeen: "devices",
    ChannelSeen: "channels",
    ChannelGone: "channels",
    BridgeSeen: "channels",
    DialSeen: "channels",
    QueueMemberSeen: "queues",
    QueueCallerSeen: "queues",
}
NOT_THERE = re.compile(r"invalid/unknown command", re.I)
EMPTY = re.compile(r"^no .*(found|available)", re.I)


@dataclass(frozen=True, slots=True)
class List:
    """One AMI list action and how its items are read."""

    part: str
    action: str
    read: Reader


LISTS = (
    List("contacts", "PJSIPShowContacts", listed.contact),
    List("contacts", "SIPpeers", listed.sip_peer),
    List("registrations", "PJSIPShowRegistrationsOutbound", listed.registration),
    List("registrations", "SIPshowregistry", listed.sip_registration),
    List("devices", "DeviceStateList", listed.device),
    List("channels", "CoreShowChannels", listed.channel),
    List("queues", "QueueStatus", listed.queue),
)


@dataclass(slots=True)
class Collected:
    """What a round of lists gave. ``missing`` maps a part to Asterisk's reason."""

    content: list[NodeEvent] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    absent: dict[str, str] = field(default_factory=dict)  # no such action here
    failed: dict[str, str] = field(default_factory=dict)
    timed_out: bool = False  # a list did not end in time: worth asking again

    @property
    def missing(self) -> dict[str, str]:
        """Refused parts, and those for which no action was there at all."""
        absent = {p: why for p, why in self.absent.items() if p not in self.answered}
        return {**absent, **self.failed}


async def collect(node: str, ask: Ask, begin: Callable[[str], None]) -> Collected:
    """Ask for everything. Raises only when the connection breaks (``ActionFailed``)."""
    found = Collected()
    await _facts(node, ask, found)
    kinds = await _kinds_of_bridges(ask, begin)
    for wanted in LISTS:
        reply = await _list(wanted.part, {"Action": wanted.action}, ask, begin, found)
        items: Sequence[bytes] = reply.items if reply else ()
        if wanted.part == "channels" and items:
            items = without_ghosts(items, await _channels_there(ask))
        for raw in items:
            found.content.extend(_with_kind(event, kinds) for event in wanted.read(node, raw))
    await _static_contacts(node, ask, begin, found)
    return found


async def _facts(node: str, ask: Ask, found: Collected) -> None:
    settings = await ask({"Action": "CoreSettings"}, False, None)
    commands = await ask({"Action": "ListCommands"}, False, None)
    found.content.append(
        NodeFacts(
            node,
            asterisk_version=settings.get("AsteriskVersion"),
            can_set_maintenance=bool(commands.get("PJSIPSetMaintenance")),
        )
    )
    if not settings.ok:
        found.failed["version"] = f"CoreSettings: {settings.message}"


async def _kinds_of_bridges(ask: Ask, begin: Callable[[str], None]) -> dict[str, str]:
    """Bridge → its type, which the channels' list does not say; where it can't be had: unknown."""
    try:
        reply = await ask({"Action": "BridgeList"}, True, lambda: begin("channels"))
    except ActionTimeout:
        return {}
    return dict(map(listed.bridge, reply.items))


def _with_kind(event: NodeEvent, kinds: dict[str, str]) -> NodeEvent:
    if isinstance(event, BridgeSeen):
        return replace(event, kind=kinds.get(event.bridge, ""))
    return event


async def _channels_there(ask: Ask) -> Reply | None:
    """What is really there; None where it can't be had."""
    try:
        reply = await ask({"Action": "Status"}, True, None)
    except ActionTimeout:
        return None
    return reply if reply.ok else None


def without_ghosts(channels: Sequence[bytes], there: Reply | None) -> Sequence[bytes]:
    """``CoreShowChannels`` without what ``Status``, asked after it, does not know.

    The former tells the last that was published of a channel. Of a leg that is hung up while its
    phone owes the end of a REFER nothing more is published, no Hangup either, for as long as
    res_pjsip waits for it (32 s without any answer, minutes after a 202). ``Status`` looks at the
    channels themselves; it says too little to be asked alone. Each takes 3 ms for 200 channels.
    """
    if there is None:
        return channels
    known = {listed.uniqueid(raw) for raw in there.items}
    return [raw for raw in channels if listed.uniqueid(raw) in known]


async def _list(
    part: str,
    fields: dict[str, str],
    ask: Ask,
    begin: Callable[[str], None],
    found: Collected,
) -> Reply | None:
    try:
        reply = await ask(fields, True, lambda: begin(part))
    except ActionTimeout as error:
        found.failed[part] = str(error)
        found.timed_out = True
        return None
    if reply.ok or EMPTY.match(reply.message):
        found.answered.add(part)
        return reply
    where = found.absent if NOT_THERE.search(reply.message) else found.failed
    where[part] = f"{fields['Action']}: {reply.message}"
    return None


async def _static_contacts(
    node: str, ask: Ask, begin: Callable[[str], None], found: Collected
) -> None:
    """``PJSIPShowContacts`` leaves out the contacts written in the configuration: trunks."""
    reply = await _list("contacts", {"Action": "PJSIPShowEndpoints"}, ask, begin, found)
    if reply is None:
        return
    dynamic = {event.uri for event in found.content if isinstance(event, ContactSeen)}
    asked = 0
    for raw in reply.items:
        static = [(aor, uri) for aor, uri in listed.contacts_of(raw) if uri not in dynamic]
        if not static:
            continue
        asked += 1
        if asked > MAX_STATIC:
            found.content.extend(listed.unasked(node, static))
            continue
        name = listed.object_name(raw)
        detail = await _list(
            "contacts", {"Action": "PJSIPShowEndpoint", "Endpoint": name}, ask, begin, found
        )
        for item in detail.items if detail else ():
            found.content.extend(listed.contact_detail(node, item, static))
