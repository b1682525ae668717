"""Items of AMI lists to domain events. Pure; each function reads one item of one list.

``AuthDetail`` items (they print passwords in clear) are read by nobody here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orchestrator.adapters.ami.vocabulary import (
    CHANNEL,
    CONTACT,
    called,
    device_word,
    known,
    registration_status,
    rtt_ms,
    whole,
)
from orchestrator.adapters.ami.wire import first_line, key, pairs, text, value
from orchestrator.core.events import (
    BridgeSeen,
    ChannelSeen,
    ContactSeen,
    EndpointSeen,
    Fields,
    NodeEvent,
    QueueCallerSeen,
    QueueMemberSeen,
    RegistrationSeen,
)
from orchestrator.core.words import ChannelState, ContactStatus

_OBJECT_NAME, _URI, _URI_DETAIL, _AOR = key("ObjectName"), key("Uri"), key("URI"), key("AOR")
_STATUS, _RTT, _USER_AGENT = key("Status"), key("RoundtripUsec"), key("UserAgent")
_CONTACTS, _ADDRESS = key("Contacts"), key("IPaddress")
_CLIENT_URI, _SERVER_URI = key("ClientUri"), key("ServerUri")
_USERNAME, _DOMAIN, _REG_STATE = key("Username"), key("Domain"), key("State")
_DEVICE = key("Device")
_CHANNEL, _CHANNEL_STATE, _UNIQUEID = key("Channel"), key("ChannelState"), key("Uniqueid")
_LINKEDID, _CALLER, _CALLER_NAME = key("Linkedid"), key("CallerIDNum"), key("CallerIDName")
_CONNECTED, _APPLICATION = key("ConnectedLineNum"), key("Application")
_CONTEXT, _EXTEN = key("Context"), key("Exten")
_DURATION, _BRIDGE = key("Duration"), key("BridgeId")
_QUEUE, _NAME, _LOCATION, _PENALTY = key("Queue"), key("Name"), key("Location"), key("Penalty")
_PAUSED, _PAUSED_REASON, _IN_CALL = key("Paused"), key("PausedReason"), key("InCall")
_STATE_INTERFACE, _MEMBERSHIP = key("StateInterface"), key("Membership")
_BRIDGE_ID, _BRIDGE_TYPE = key("BridgeUniqueid"), key("BridgeType")
_KEY, _VAL = key("Key"), key("Val")
_POSITION, _WAIT = key("Position"), key("Wait")
# what ContactList calls the attributes of a contact (res_pjsip/location.c), in ARI's words
_CONTACT_ATTRIBUTES = sorted(
    (
        ("AuthenticateQualify", "authenticate_qualify"),
        ("CallId", "call_id"),
        ("Endpoint", "endpoint"),
        ("ExpirationTime", "expiration_time"),
        ("OutboundProxy", "outbound_proxy"),
        ("Path", "path"),
        ("PruneOnBoot", "prune_on_boot"),
        ("Qualify2xxOnly", "qualify_2xx_only"),
        ("QualifyFrequency", "qualify_frequency"),
        ("QualifyTimeout", "qualify_timeout"),
        ("RegServer", "reg_server"),
        ("Uri", "uri"),
        ("UserAgent", "user_agent"),
        ("ViaAddr", "via_addr"),
        ("ViaPort", "via_port"),
    ),
    key=lambda one: one[1],
)


def object_name(raw: bytes) -> str:
    """Name of an endpoint in ``EndpointList``."""
    return text(raw, _OBJECT_NAME)


def contact(node: str, raw: bytes) -> Iterable[NodeEvent]:
    """``ContactList``: its name is ``aor;@hash`` (dynamic) or ``aor@@hash`` (static)."""
    aor = object_name(raw).partition(";@")[0].partition("@@")[0]
    yield _contact(node, raw, aor, text(raw, _URI))


def _contact(node: str, raw: bytes, aor: str, uri: str) -> ContactSeen:
    status = CONTACT.get(value(raw, _STATUS), ContactStatus.UNQUALIFIED)
    return ContactSeen(node, aor, uri, status, rtt_ms(value(raw, _RTT)), text(raw, _USER_AGENT))


def contacts_of(raw: bytes) -> list[tuple[str, str]]:
    """(aor, uri) of each contact of an ``EndpointList`` item: ``aor/uri,aor/uri,``."""
    found = []
    for entry in text(raw, _CONTACTS).split(","):
        aor, slash, uri = entry.strip().partition("/")
        if slash:
            found.append((aor, uri))
    return found


def contact_detail(node: str, raw: bytes, wanted: Sequence[tuple[str, str]]) -> Iterable[NodeEvent]:
    """``ContactStatusDetail`` of one endpoint, for the contacts that are wanted."""
    if first_line(raw) == b"ContactStatusDetail":
        aor, uri = text(raw, _AOR), text(raw, _URI_DETAIL)
        if (aor, uri) in wanted:
            yield _contact(node, raw, aor, uri)


def unasked(node: str, contacts: Sequence[tuple[str, str]]) -> Iterable[NodeEvent]:
    """Static contacts beyond the number that is asked one by one: there, status not known."""
    return [ContactSeen(node, aor, uri, ContactStatus.UNKNOWN) for aor, uri in contacts]


def sip_peer(node: str, raw: bytes) -> Iterable[NodeEvent]:
    """``PeerEntry`` (chan_sip): ``Status: OK (5 ms)``, UNREACHABLE, LAGGED, Unmonitored."""
    if value(raw, _ADDRESS) in (b"-none-", b"(null)", b""):
        return
    name = object_name(raw)
    word, _, rest = text(raw, _STATUS).partition(" ")
    status = {
        "OK": ContactStatus.REACHABLE,
        "LAGGED": ContactStatus.REACHABLE,
        "UNREACHABLE": ContactStatus.UNREACHABLE,
    }.get(word, ContactStatus.UNQUALIFIED)
    number = rest.strip("()").removesuffix(" ms")
    rtt = float(number) if number.isdigit() else None
    yield ContactSeen(node, name, f"SIP/{name}", status, rtt)


def registration(node: str, raw: bytes) -> Iterable[NodeEvent]:
    """``OutboundRegistrationDetail``; the ``AuthDetail`` between them holds a password: skipped."""
    if first_line(raw) == b"OutboundRegistrationDetail":
        yield RegistrationSeen(
            node,
            text(raw, _CLIENT_URI),
            text(raw, _SERVER_URI),
            registration_status(value(raw, _STATUS)),
            object_name(raw),
        )


def sip_registration(node: str, raw: bytes) -> Iterable[NodeEvent]:
    """``RegistryEntry`` (chan_sip), keyed as its live ``Registry`` events are."""
    username, domain = text(raw, _USERNAME), text(raw, _DOMAIN)
    yield RegistrationSeen(
        node, username, domain, registration_status(value(raw, _REG_STATE)), f"{username}@{domain}"
    )


def device(node: str, raw: bytes) -> Iterable[NodeEvent]:
    """``DeviceStateChange`` as an item of ``DeviceStateList``."""
    yield EndpointSeen(node, text(raw, _DEVICE), text(raw, _REG_STATE).lower())


def channel(node: str, raw: bytes) -> Iterable[NodeEvent]:
    """``CoreShowChannel``; it names the bridge too, so no list of bridges is needed."""
    yield ChannelSeen(
        node,
        uniqueid(raw),
        text(raw, _CHANNEL),
        CHANNEL.get(value(raw, _CHANNEL_STATE), ChannelState.DOWN),
        text(raw, _LINKEDID),
        known(text(raw, _CALLER)),
        known(text(raw, _CALLER_NAME)),
        known(text(raw, _CONNECTED)),
        called(text(raw, _EXTEN), text(raw, _CONTEXT)),
        text(raw, _APPLICATION),
        seconds(text(raw, _DURATION)),
    )
    bridge = text(raw, _BRIDGE)
    if bridge:
        yield BridgeSeen(node, uniqueid(raw), bridge)


def uniqueid(raw: bytes) -> str:
    """The channel of a ``CoreShowChannel`` or a ``Status``."""
    return text(raw, _UNIQUEID)


def bridge(raw: bytes) -> tuple[str, str]:
    """``BridgeListItem``: its id and type (basic, base, holding, ...)."""
    return text(raw, _BRIDGE_ID), text(raw, _BRIDGE_TYPE)


def copied_contact(raw: bytes) -> tuple[str, Fields]:
    """``ContactList`` as ARI gives the same contact: its id, its attributes sorted."""
    values = dict(pairs(raw))
    found = ((ours, values[theirs]) for theirs, ours in _CONTACT_ATTRIBUTES if theirs in values)
    # Asterisk 16 has no qualify_2xx_only: what is its default is not said by 22 either
    wanted = (one for one in found if one != ("qualify_2xx_only", "false"))
    return values.get("ObjectName", ""), tuple(wanted)


def copied_key(raw: bytes) -> tuple[str, Fields]:
    """``DBGetTreeResponse``: ``family/key`` and the value."""
    return text(raw, _KEY).removeprefix("/"), (("value", text(raw, _VAL)),)


def seconds(clock: str) -> float:
    """Seconds of a ``Duration: HH:MM:SS``; 0 when it is anything else."""
    parts = clock.split(":")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        return 0.0
    hours, minutes, secs = map(int, parts)
    return float(hours * 3600 + minutes * 60 + secs)


def queue(node: str, raw: bytes) -> Iterable[NodeEvent]:
    """``QueueMember`` and ``QueueEntry`` of ``QueueStatus``; ``QueueParams`` only counts."""
    name = first_line(raw)
    if name == b"QueueMember":
        yield QueueMemberSeen(
            node,
            text(raw, _QUEUE),
            text(raw, _LOCATION),
            text(raw, _NAME),
            whole(value(raw, _PENALTY)),
            value(raw, _PAUSED) == b"1",
            text(raw, _PAUSED_REASON),
            value(raw, _IN_CALL) == b"1",
            device_word(value(raw, _STATUS)),
            state_interface=text(raw, _STATE_INTERFACE),
            membership=text(raw, _MEMBERSHIP),
        )
    elif name == b"QueueEntry":
        yield QueueCallerSeen(
            node,
            text(raw, _QUEUE),
            text(raw, _UNIQUEID),
            max(1, whole(value(raw, _POSITION))),
            known(text(raw, _CALLER)),
            float(whole(value(raw, _WAIT))),
        )
