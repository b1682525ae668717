"""The headers of Asterisk 22's AMI events and list items, in its order (captured dialogues).

Only the headers after ``Event``, ``Privilege``, ``Timestamp`` and ``SystemName``: those are added
when the frame is sent.
"""

from __future__ import annotations

import time

from orchestrator.simulator.model import (
    DEVICE_HINTS,
    ENDPOINT_WORDS,
    QUEUE_STATUS,
    Bridge,
    Channel,
    Contact,
    Endpoint,
    Frame,
    Member,
    Queue,
    Registration,
    Waiting,
)

UNKNOWN = "<unknown>"


def party(channel: Channel, prefix: str = "") -> Frame:
    """The caller's and the connected party's four headers."""
    return [
        (f"{prefix}CallerIDNum", channel.caller[0] or UNKNOWN),
        (f"{prefix}CallerIDName", channel.caller[1] or UNKNOWN),
        (f"{prefix}ConnectedLineNum", channel.connected[0] or UNKNOWN),
        (f"{prefix}ConnectedLineName", channel.connected[1] or UNKNOWN),
        (f"{prefix}Language", "en"),
        (f"{prefix}AccountCode", ""),
    ]


def channel(channel: Channel, prefix: str = "") -> Frame:
    """A channel snapshot (main/manager_channels.c)."""
    return [
        (f"{prefix}Channel", channel.name),
        (f"{prefix}ChannelState", str(channel.state)),
        (f"{prefix}ChannelStateDesc", channel.state_text),
        *party(channel, prefix),
        (f"{prefix}Context", channel.context),
        (f"{prefix}Exten", channel.exten),
        (f"{prefix}Priority", str(channel.priority)),
        (f"{prefix}Uniqueid", channel.uniqueid),
        (f"{prefix}Linkedid", channel.linkedid),
    ]


def core_show_channel(item: Channel) -> Frame:
    seconds = int(time.time() - item.created_at)
    duration = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return [
        *channel(item),
        ("Application", item.application),
        ("ApplicationData", item.data),
        ("Duration", duration),
        ("BridgeId", item.bridge),
    ]


def status(item: Channel) -> Frame:
    """An item of Status, without the media's headers."""
    head = channel(item)
    return [
        ("Privilege", "Call"),
        *head,
        ("Type", "PJSIP"),
        ("DNID", item.exten),
        ("EffectiveConnectedLineNum", item.connected[0] or UNKNOWN),
        ("EffectiveConnectedLineName", item.connected[1] or UNKNOWN),
        ("TimeToHangup", "0"),
        ("BridgeID", item.bridge),
        ("Application", item.application),
        ("Data", item.data),
        ("Seconds", str(int(time.time() - item.created_at))),
    ]


def bridge(item: Bridge) -> Frame:
    return [
        ("BridgeUniqueid", item.uniqueid),
        ("BridgeType", "basic"),
        ("BridgeTechnology", item.technology),
        ("BridgeCreator", UNKNOWN),
        ("BridgeName", UNKNOWN),
        ("BridgeNumChannels", str(len(item.channels))),
        ("BridgeVideoSourceMode", "none"),
    ]


def contact_status(item: Contact, status: str) -> Frame:
    return [
        ("URI", item.uri),
        ("ContactStatus", status),
        ("AOR", item.aor),
        ("EndpointName", item.aor),
        ("RoundtripUsec", str(item.rtt_us if status == "Reachable" else 0)),
    ]


def contact_list(item: Contact) -> Frame:
    return [
        ("ObjectType", "contact"),
        ("ObjectName", item.object_id),
        ("ViaAddr", item.via[0]),
        ("QualifyTimeout", f"{item.qualify_timeout_s:.6f}"),
        ("Qualify2xxOnly", "false"),
        ("CallId", item.call_id),
        ("RegServer", item.reg_server),
        ("PruneOnBoot", "no"),
        ("Path", item.path),
        ("Endpoint", item.endpoint),
        ("ViaPort", str(item.via[1])),
        ("AuthenticateQualify", "no"),
        ("Uri", item.uri),
        ("QualifyFrequency", str(int(item.qualify_s))),
        ("UserAgent", item.user_agent),
        ("ExpirationTime", str(int(item.expires_at))),
        ("OutboundProxy", item.outbound_proxy),
        ("Status", item.status),
        ("RoundtripUsec", str(item.rtt_us)),
    ]


def contact_status_detail(item: Contact, endpoint: Endpoint) -> Frame:
    via: Frame = []
    if item.expires_at:
        via = [("ViaAddress", f"{item.via[0]}:{item.via[1]}"), ("CallID", item.call_id)]
    return [
        ("AOR", item.aor),
        ("URI", item.uri),
        ("UserAgent", item.user_agent),
        ("RegExpire", str(int(item.expires_at))),
        *via,
        ("Status", item.status),
        ("RoundtripUsec", str(item.rtt_us)),
        ("EndpointName", item.aor),
        ("ID", item.object_id),
        ("AuthenticateQualify", "0"),
        ("OutboundProxy", ""),
        ("Path", ""),
        ("QualifyFrequency", str(int(endpoint.qualify_s))),
        ("QualifyTimeout", f"{endpoint.qualify_timeout_s:.3f}"),
        ("Qualify2xxOnly", "0"),
    ]


def endpoint_list(item: Endpoint, contacts: list[Contact], state: str, calls: int) -> Frame:
    return [
        ("ObjectType", "endpoint"),
        ("ObjectName", item.name),
        ("Transport", "transport-own"),
        ("Aor", item.name),
        ("Auths", item.name if item.password else ""),
        ("OutboundAuths", ""),
        ("Contacts", "".join(f"{item.name}/{contact.uri}," for contact in contacts)),
        ("DeviceState", ENDPOINT_WORDS[state]),
        ("ActiveChannels", str(calls)),
    ]


def registration(item: Registration) -> Frame:
    return [
        ("ObjectType", "registration"),
        ("ObjectName", item.name),
        ("MaxRetries", "1000000"),
        ("ClientUri", item.client_uri),
        ("SecurityNegotiation", "no"),
        ("AuthRejectionPermanent", "false"),
        ("ServerUri", item.server_uri),
        ("MaxRandomInitialDelay", "0"),
        ("SupportPath", "false"),
        ("RetryInterval", str(int(item.retry_s))),
        ("ContactHeaderParams", ""),
        ("Expiration", str(item.expiration_s)),
        ("Transport", "transport-own"),
        ("Line", "false"),
        ("ContactUser", item.username),
        ("Endpoint", ""),
        ("UserAgent", ""),
        ("ForbiddenRetryInterval", "5"),
        ("OutboundAuth", "trunk"),
        ("OutboundProxy", ""),
        ("FatalRetryInterval", "5"),
        ("SupportOutbound", "no"),
        ("Status", item.status),
        ("NextReg", "0"),
    ]


def auth(name: str, username: str, password: str) -> Frame:
    """``AuthDetail``. Real Asterisk prints the password in clear here, so this does too."""
    return [
        ("ObjectType", "auth"),
        ("ObjectName", name),
        ("OauthSecret", ""),
        ("PasswordDigest", ""),
        ("SupportedAlgorithmsUas", "MD5"),
        ("RefreshToken", ""),
        ("Username", username),
        ("Md5Cred", ""),
        ("Realm", ""),
        ("AuthType", "userpass"),
        ("Password", password),
        ("SupportedAlgorithmsUac", "MD5"),
        ("NonceLifetime", "32"),
        ("OauthClientid", ""),
    ]


def registry(item: Registration, status: str) -> Frame:
    return [
        ("ChannelType", "PJSIP"),
        ("Username", item.client_uri),
        ("Domain", item.server_uri),
        ("Status", status),
    ]


def extension_status(exten: str, state: str) -> Frame:
    status, text = DEVICE_HINTS[state]
    return [
        ("Exten", exten),
        ("Context", "hints"),
        ("Hint", f"PJSIP/{exten}"),
        ("Status", str(status)),
        ("StatusText", text),
    ]


def queue_params(item: Queue) -> Frame:
    counts = [("Completed", str(item.completed)), ("Abandoned", str(item.abandoned))]
    return [
        ("Queue", item.name),
        ("Max", "0"),
        ("Strategy", "rrmemory"),
        ("Calls", str(len(item.callers))),
        ("Holdtime", "0"),
        ("TalkTime", "0"),
        *counts,
        ("ServiceLevel", "0"),
        ("ServicelevelPerf", "0.0"),
        ("ServicelevelPerf2", "0.0"),
        ("Weight", "0"),
    ]


def _member_tail(item: Member, state: str) -> Frame:
    return [
        ("StateInterface", item.device),
        ("Membership", "dynamic" if item.dynamic else "static"),
        ("Penalty", str(item.penalty)),
        ("CallsTaken", str(item.calls_taken)),
        ("LastCall", str(item.last_call)),
        ("LastPause", str(item.last_pause)),
        ("LoginTime", str(item.since)),
        ("InCall", str(int(item.in_call))),
        ("Status", str(QUEUE_STATUS[state])),
        ("Paused", str(int(item.paused))),
        ("PausedReason", item.reason),
    ]


def queue_member(queue: str, item: Member, state: str) -> Frame:
    """``QueueMember`` of QueueStatus."""
    head = [("Queue", queue), ("Name", item.name), ("Location", item.interface)]
    return [*head, *_member_tail(item, state), ("Wrapuptime", "0")]


def queue_member_event(queue: str, item: Member, state: str) -> Frame:
    """``QueueMemberStatus``, ``QueueMemberPause`` (apps/app_queue.c queue_member_blob_create)."""
    head = [("Queue", queue), ("MemberName", item.name), ("Interface", item.interface)]
    tail = _member_tail(item, state)
    return [*head, *tail, ("Ringinuse", "0"), ("Wrapuptime", "0")]


def queue_entry(queue: str, position: int, item: Waiting) -> Frame:
    return [
        ("Queue", queue),
        ("Position", str(position)),
        ("Channel", item.channel.name),
        ("Uniqueid", item.channel.uniqueid),
        *party(item.channel)[:4],
        ("Wait", str(int(time.time() - item.since))),
        ("Priority", "0"),
    ]
