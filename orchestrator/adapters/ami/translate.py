"""AMI events to domain events. Pure; Asterisk 16 to 22, PJSIP and chan_sip.

``LIVE`` has one function for each event name that can change the picture; whatever is not in it is
dropped by name alone. Header names are those of Asterisk's stasis messages (main/manager_*.c,
res/res_pjsip*.c, channels/chan_sip.c, apps/app_queue.c).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from orchestrator.adapters.ami.legs import leg_seen
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
from orchestrator.adapters.ami.wire import key, text, value
from orchestrator.core.events import (
    AuthSeen,
    BridgeSeen,
    ChannelGone,
    ChannelSeen,
    ContactSeen,
    DialSeen,
    EndpointSeen,
    NodeEvent,
    QueueCallerSeen,
    QueueMemberSeen,
    RegistrationSeen,
)
from orchestrator.core.words import ChannelState, ContactStatus

Translator: TypeAlias = Callable[[str, bytes], NodeEvent | None]

_AOR, _URI, _CONTACT_STATUS = key("AOR"), key("URI"), key("ContactStatus")
_RTT, _USER_AGENT = key("RoundtripUsec"), key("UserAgent")
_CHANNEL_TYPE, _PEER, _PEER_STATUS = key("ChannelType"), key("Peer"), key("PeerStatus")
_USERNAME, _DOMAIN, _STATUS, _CAUSE = key("Username"), key("Domain"), key("Status"), key("Cause")
_CAUSE_TEXT, _TECH_CAUSE = key("Cause-txt"), key("TechCause")
_DEVICE, _STATE = key("Device"), key("State")
_CHANNEL, _NEW_NAME, _UNIQUEID = key("Channel"), key("Newname"), key("Uniqueid")
_LINKEDID = key("Linkedid")
_CHANNEL_STATE, _CONTEXT, _EXTEN = key("ChannelState"), key("Context"), key("Exten")
_CALLER, _CALLER_NAME = key("CallerIDNum"), key("CallerIDName")
_CONNECTED = key("ConnectedLineNum")
_DEST, _DEST_UNIQUEID, _DIAL_STATUS = key("DestChannel"), key("DestUniqueid"), key("DialStatus")
_BRIDGE = key("BridgeUniqueid")
_QUEUE, _POSITION, _HOLD_TIME = key("Queue"), key("Position"), key("HoldTime")
_INTERFACE, _MEMBER_NAME, _PENALTY = key("Interface"), key("MemberName"), key("Penalty")
_PAUSED, _PAUSED_REASON, _IN_CALL = key("Paused"), key("PausedReason"), key("InCall")
_STATE_INTERFACE, _MEMBERSHIP = key("StateInterface"), key("Membership")
_BRIDGE_TYPE = key("BridgeType")
_SERVICE, _ACCOUNT = key("Service"), key("AccountID")


def _contact(node: str, raw: bytes) -> NodeEvent:
    status = CONTACT.get(value(raw, _CONTACT_STATUS), ContactStatus.UNKNOWN)
    return ContactSeen(node, text(raw, _AOR), text(raw, _URI), status, rtt_ms(value(raw, _RTT)))


def _peer(node: str, raw: bytes) -> NodeEvent | None:
    if value(raw, _CHANNEL_TYPE) != b"SIP":
        return None  # PJSIP's say less than its ContactStatus
    peer = text(raw, _PEER)
    status = CONTACT.get(value(raw, _PEER_STATUS), ContactStatus.UNKNOWN)
    return ContactSeen(node, peer.removeprefix("SIP/"), peer, status)


def _registry(node: str, raw: bytes) -> NodeEvent:
    return RegistrationSeen(
        node,
        text(raw, _USERNAME),
        text(raw, _DOMAIN),
        registration_status(value(raw, _STATUS)),
        "",
        text(raw, _CAUSE),
    )


def _device(node: str, raw: bytes) -> NodeEvent:
    return EndpointSeen(node, text(raw, _DEVICE), text(raw, _STATE).lower())


# A channel as all its events print it (ast_manager_build_channel_state_string): one match is four
# times as fast as eight look-ups. Should a version print another order, the look-ups still work.
_CHANNEL_LINES = re.compile(
    r"\r\nChannel: ([^\r]*)\r\nChannelState: ([^\r]*)\r\nChannelStateDesc: [^\r]*"
    r"\r\nCallerIDNum: ([^\r]*)\r\nCallerIDName: ([^\r]*)\r\nConnectedLineNum: ([^\r]*)"
    r"\r\n(?:[^\r]*\r\n){1,5}?Context: ([^\r]*)\r\nExten: ([^\r]*)\r\nPriority: [^\r]*"
    r"\r\nUniqueid: ([^\r]*)\r\nLinkedid: ([^\r]*)"
)


def _channel(node: str, raw: bytes) -> NodeEvent:
    match = _CHANNEL_LINES.search(str(raw, "utf-8", "replace"))
    if match is None:
        return _channel_in_any_order(node, raw)
    name, state, caller, caller_name, connected, context, exten, uniqueid, linkedid = match.groups()
    return ChannelSeen(
        node,
        uniqueid,
        name,
        CHANNEL.get(state.encode(), ChannelState.DOWN),
        linkedid,
        known(caller),
        known(caller_name),
        known(connected),
        called(exten, context),
    )


def _channel_in_any_order(node: str, raw: bytes) -> NodeEvent:
    return ChannelSeen(
        node,
        text(raw, _UNIQUEID),
        text(raw, _CHANNEL),
        CHANNEL.get(value(raw, _CHANNEL_STATE), ChannelState.DOWN),
        text(raw, _LINKEDID),
        known(text(raw, _CALLER)),
        known(text(raw, _CALLER_NAME)),
        known(text(raw, _CONNECTED)),
        called(text(raw, _EXTEN), text(raw, _CONTEXT)),
    )


def _hangup(node: str, raw: bytes) -> NodeEvent:
    return ChannelGone(
        node,
        text(raw, _UNIQUEID),
        whole(value(raw, _CAUSE)),
        text(raw, _CAUSE_TEXT),
        text(raw, _TECH_CAUSE),
    )


def _dial(node: str, raw: bytes) -> NodeEvent:
    return DialSeen(
        node,
        text(raw, _UNIQUEID),
        text(raw, _DEST_UNIQUEID),
        text(raw, _DEST),
        text(raw, _DIAL_STATUS),
    )


def _enter(node: str, raw: bytes) -> NodeEvent:
    return BridgeSeen(
        node,
        text(raw, _UNIQUEID),
        text(raw, _BRIDGE),
        text(raw, _BRIDGE_TYPE),
        text(raw, _LINKEDID),
    )


def _leave(node: str, raw: bytes) -> NodeEvent:
    return BridgeSeen(node, text(raw, _UNIQUEID), "")


def _member(node: str, raw: bytes) -> NodeEvent:
    return QueueMemberSeen(
        node,
        text(raw, _QUEUE),
        text(raw, _INTERFACE),
        text(raw, _MEMBER_NAME),
        whole(value(raw, _PENALTY)),
        value(raw, _PAUSED) == b"1",
        text(raw, _PAUSED_REASON),
        value(raw, _IN_CALL) == b"1",
        device_word(value(raw, _STATUS)),
        state_interface=text(raw, _STATE_INTERFACE),
        membership=text(raw, _MEMBERSHIP),
    )


def _member_gone(node: str, raw: bytes) -> NodeEvent:
    return QueueMemberSeen(node, text(raw, _QUEUE), text(raw, _INTERFACE), removed=True)


def _joins(node: str, raw: bytes) -> NodeEvent:
    return QueueCallerSeen(
        node,
        text(raw, _QUEUE),
        text(raw, _UNIQUEID),
        max(1, whole(value(raw, _POSITION))),
        known(text(raw, _CALLER)),
    )


def _leaves(node: str, raw: bytes) -> NodeEvent:
    return QueueCallerSeen(node, text(raw, _QUEUE), text(raw, _UNIQUEID), 0)


def _abandons(node: str, raw: bytes) -> NodeEvent:
    return QueueCallerSeen(
        node,
        text(raw, _QUEUE),
        text(raw, _UNIQUEID),
        0,
        waited_s=float(whole(value(raw, _HOLD_TIME))),
        abandoned=True,
    )


def _answered(node: str, raw: bytes) -> NodeEvent:
    return QueueCallerSeen(
        node,
        text(raw, _QUEUE),
        text(raw, _UNIQUEID),
        0,
        waited_s=float(whole(value(raw, _HOLD_TIME))),
        answered=True,
    )


def _authenticated(node: str, raw: bytes) -> NodeEvent | None:
    """A manager's login is one, too: not meant."""
    if value(raw, _SERVICE) != b"PJSIP":
        return None
    return AuthSeen(node, text(raw, _ACCOUNT))


def _renamed(node: str, raw: bytes) -> NodeEvent:
    """A masquerade (transfer, pick-up) gives a channel another name; its state stays."""
    return ChannelSeen(node, text(raw, _UNIQUEID), text(raw, _NEW_NAME), None)


LIVE: Mapping[bytes, Translator] = {
    b"ContactStatus": _contact,
    b"PeerStatus": _peer,
    b"Registry": _registry,
    b"DeviceStateChange": _device,
    b"Newchannel": _channel,
    b"Newstate": _channel,
    b"NewCallerid": _channel,
    b"NewConnectedLine": _channel,
    b"Rename": _renamed,
    b"Hangup": _hangup,
    b"DialBegin": _dial,
    b"DialEnd": _dial,
    b"BridgeEnter": _enter,
    b"BridgeLeave": _leave,
    b"QueueMemberAdded": _member,
    b"QueueMemberStatus": _member,
    b"QueueMemberPause": _member,
    b"QueueMemberPenalty": _member,
    b"QueueMemberRemoved": _member_gone,
    b"QueueCallerJoin": _joins,
    b"QueueCallerLeave": _leaves,
    b"QueueCallerAbandon": _abandons,
    b"AgentConnect": _answered,
    b"UserEvent": leg_seen,
    b"SuccessfulAuth": _authenticated,
}
