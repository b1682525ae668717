"""Asterisk's words and numbers in the words of the domain. Pure."""

from __future__ import annotations

from orchestrator.core.words import ChannelState, ContactStatus, RegistrationStatus

# ContactStatus and PJSIP list words (res_pjsip.h), PeerStatus words (chan_sip)
CONTACT = {
    b"Reachable": ContactStatus.REACHABLE,
    b"Unreachable": ContactStatus.UNREACHABLE,
    b"NonQualified": ContactStatus.UNQUALIFIED,
    b"Created": ContactStatus.UNQUALIFIED,
    b"Removed": ContactStatus.REMOVED,
    b"Registered": ContactStatus.UNKNOWN,  # chan_sip says so at each refresh: it is there, no more
    b"Unregistered": ContactStatus.REMOVED,
    b"Lagged": ContactStatus.REACHABLE,
}
# Registry (res_pjsip_outbound_registration.c; chan_sip's regstate2str)
REGISTRATION = {
    b"Registered": RegistrationStatus.REGISTERED,
    b"Unregistered": RegistrationStatus.UNREGISTERED,
    b"Request Sent": RegistrationStatus.UNREGISTERED,
    b"Auth. Sent": RegistrationStatus.UNREGISTERED,
    b"Stopped": RegistrationStatus.UNREGISTERED,
    b"Stopping": RegistrationStatus.UNREGISTERED,
}
_REJECTED = (b"Rejected", b"Failed", b"Timeout", b"No Authentication")
# enum ast_channel_state (include/asterisk/channelstate.h)
CHANNEL = {
    b"0": ChannelState.DOWN,
    b"1": ChannelState.DOWN,  # Rsrvd
    b"2": ChannelState.RINGING,  # OffHook
    b"3": ChannelState.RINGING,  # Dialing
    b"4": ChannelState.RINGING,  # Ring
    b"5": ChannelState.RINGING,  # Ringing
    b"6": ChannelState.UP,
    b"7": ChannelState.BUSY,
    b"8": ChannelState.RINGING,  # Dialing Offhook
    b"9": ChannelState.RINGING,  # Pre-ring
}
# enum ast_device_state as app_queue prints it (include/asterisk/devicestate.h)
DEVICE = (
    "unknown", "not_inuse", "inuse", "busy", "invalid", "unavailable", "ringing", "ringinuse",
    "onhold",
)  # fmt: skip
# events that nobody here reads: three quarters of all bytes
UNWANTED = (
    "VarSet", "Newexten", "TestEvent", "RTCPSent", "RTCPReceived", "ExtensionStatus", "DialState",
    "ChallengeSent", "InvalidAccountID", "ChallengeResponseFailed",
    "HangupRequest", "SoftHangupRequest", "BridgeCreate", "BridgeDestroy", "Cdr", "CEL",
    "DTMFBegin", "DTMFEnd", "MusicOnHoldStart", "MusicOnHoldStop",
)  # fmt: skip


def registration_status(word: bytes) -> RegistrationStatus:
    """The domain's word for Asterisk's; one we never saw is unknown, not rejected."""
    if word in _REJECTED:
        return RegistrationStatus.REJECTED
    return REGISTRATION.get(word, RegistrationStatus.UNKNOWN)


def whole(raw: bytes) -> int:
    """A whole number, 0 when there is none."""
    try:
        return int(raw)
    except ValueError:
        return 0


def rtt_ms(raw: bytes) -> float | None:
    """Milliseconds of a ``RoundtripUsec``; Asterisk says 0 or N/A when there was no answer."""
    usec = whole(raw)
    return usec / 1000 if usec > 0 else None


def known(words: str) -> str:
    """Asterisk prints ``<unknown>`` for an empty number or name."""
    return "" if words == "<unknown>" else words


def called(exten: str, context: str) -> str:
    """The number that was called: an extension of extensions-evacuate.conf is nobody's number."""
    return "" if context.startswith("evacuate") else exten


def device_word(number: bytes) -> str:
    """``Status: 5`` of a queue member in words."""
    index = whole(number)
    return DEVICE[index] if 0 <= index < len(DEVICE) else "unknown"
