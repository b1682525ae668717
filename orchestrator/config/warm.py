"""What the standby is given a copy of, and which calls may be carried to it."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator

from orchestrator.config.fields import Part, PositiveDuration, Text

# Found in the sources of FreePBX 17 (core, callforward, callwaiting, conferences, contactmanager,
# blacklist, daynight, findmefollow, paging, queues, ringgroups, timeconditions) and in
# func_presencestate.c; a family that a site has not got costs nothing.
FREEPBX_FAMILIES: Final = (
    "AMPUSER",  # users: follow-me, recording, voicemail, caller name
    "CALLTRACE",  # who called last
    "CF",  # call forward, always
    "CFB",  # when busy
    "CFU",  # when unavailable
    "CM",  # speed dials
    "CONFERENCE",
    "CW",  # call waiting
    "CustomPresence",
    "DAYNIGHT",  # call flow control
    "DEVICE",  # which user is at which phone
    "DND",  # do not disturb
    "QPENALTY",  # queues' dynamic members: who may log in, and with which penalty
    "RG",  # ring groups
    "RINGGROUP",
    "TC",  # time conditions that people override
    "TRUNK",
    "blacklist",
    "paging",
)
_REGISTRATIONS = "registrations are mirrored as contacts, with the clocks' difference corrected"
_REFUSED: Final = {
    "registrar": _REGISTRATIONS,
    "sip": "chan_sip's registrations cannot be copied: its peers would not be known as reachable",
    "iax": "chan_iax2's registrations cannot be copied: its peers would not be known as reachable",
    "queue": "queues' members are mirrored by 'queues', live",
    "customdevstate": "custom device states are mirrored by 'device_states', live",
    "pbx": "it holds what tells one Asterisk from the other",
    "dundi": "it holds keys of this very node",
    "subscription_persistence": "subscriptions belong to the node that accepted them",
}
_VARIABLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,78}")
_FAMILY: Final = re.compile(r"[A-Za-z0-9_.-]{1,79}")
SHORTEST_COMPARISON_S: Final = 1.0
MOST_AT_ONCE: Final = 100
SHORTEST_PATIENCE_S: Final = 1.0
LONGEST_PATIENCE_S: Final = 8.0  # the dialplan of the new node waits 10 s for a call's other leg


def _family(value: str) -> str:
    if not _FAMILY.fullmatch(value):
        raise ValueError(f"'{value}' is no astdb family (its name alone, without keys)")
    if value.lower().startswith("orchestrator"):
        raise ValueError(f"family '{value}' is the orchestrator's own on each node; leave it out")
    if why := _REFUSED.get(value.lower()):
        raise ValueError(f"family '{value}' is not copied key by key: {why}; leave it out")
    return value


def _seldom(value: float) -> float:
    if value < SHORTEST_COMPARISON_S:
        raise ValueError("comparing more often than every second burdens both nodes for nothing")
    return value


def _agent(value: str) -> str:
    if not value.strip("*?"):
        raise ValueError(
            f"'{value}' fits every phone, those that ignore REFER too, and they lose their call "
            'after 32 s; name the phones that are known to honour it: "Yealink SIP-T4*"'
        )
    return value


def _variable(value: str) -> str:
    if value.startswith("EVAC"):
        raise ValueError(f"'{value}': names with EVAC are those of the evacuation's own dialplan")
    if _VARIABLE.fullmatch(value):
        return value
    inner = re.sub(r"^\$\{(.*)\}$|^_{1,2}(.*)$", r"\1\2", value)
    hint = f"; write {inner}" if _VARIABLE.fullmatch(inner) else ""
    raise ValueError(f"'{value}' is no name of a channel variable (functions cannot travel){hint}")


def _patient(value: float) -> float:
    if not SHORTEST_PATIENCE_S <= value <= LONGEST_PATIENCE_S:
        raise ValueError(
            f"from {SHORTEST_PATIENCE_S:g}s to {LONGEST_PATIENCE_S:g}s: a phone needs a moment to"
            " move, and the dialplan waits 10 s for the other leg"
        )
    return value


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_AT_ONCE:
        raise ValueError(f"a number of calls from 1 to {MOST_AT_ONCE} is expected")
    return value


def _or_not(value: object) -> object:
    """``true`` is everything by default, ``false`` nothing at all."""
    return {True: {}, False: None}[value] if isinstance(value, bool) else value


def _no_evacuation(value: object) -> object:
    if isinstance(value, bool):
        hint = "leave the key out" if not value else "name the phones: {user_agents: [...]}"
        raise ValueError(f"keys and values are expected; {hint}")
    return value


class MirrorSettings(Part):
    """What is copied from the node with the address to the other one."""

    contacts: bool = True
    queues: bool = True
    device_states: bool = True
    astdb: tuple[Annotated[Text, AfterValidator(_family)], ...] = FREEPBX_FAMILIES
    compare_every: Annotated[PositiveDuration, AfterValidator(_seldom)] = 30.0


class EvacuationSettings(Part):
    """Which calls may be carried to the other node while they go on."""

    user_agents: tuple[Annotated[Text, AfterValidator(_agent)], ...] = ()
    variables: tuple[Annotated[Text, AfterValidator(_variable)], ...] = ()
    others: Literal["wait", "link"] = "wait"
    at_once: Annotated[int, BeforeValidator(_count)] = 5
    patience: Annotated[PositiveDuration, AfterValidator(_patient)] = 5.0


MirrorOrNot = Annotated[MirrorSettings | None, BeforeValidator(_or_not)]
Evacuation = Annotated[EvacuationSettings | None, BeforeValidator(_no_evacuation)]
