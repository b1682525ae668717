"""What is told of the mirror and of calls that are carried to the other node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from orchestrator.core.words import LegRole, LegStep, MirrorKind, ReferHabit

Fields: TypeAlias = tuple[tuple[str, str], ...]  # sorted pairs of name and value


@dataclass(frozen=True, slots=True)
class ClockSeen:
    """The node's clock against ours, from the time stamp in an AMI Ping's answer.

    ``ahead_s``: its clock minus ours; ``error_s``: half of that Ping's round trip.
    """

    node: str
    ahead_s: float
    error_s: float


@dataclass(frozen=True, slots=True)
class AuthSeen:
    """An endpoint proved who it is (security event ``SuccessfulAuth``, Service PJSIP).

    A refresh of a registration shows itself by nothing else; calls do this, too.
    """

    node: str
    endpoint: str


@dataclass(frozen=True, slots=True)
class CopySeen:
    """One thing that is mirrored, as it is now on the node; ``fields`` None: it is not there.

    Keys: CONTACT the sorcery id (``1001;@md5 of the URI``), ASTDB ``family/key``. CONTACT fields
    are the attributes of ``/ari/asterisk/config/dynamic/res_pjsip/contact/ID``; ASTDB has one
    field ``value``.
    """

    node: str
    kind: MirrorKind
    key: str
    fields: Fields | None


@dataclass(frozen=True, slots=True)
class Compared:
    """Everything of one kind that is on the node; ``problem``: why it could not be listed."""

    node: str
    kind: MirrorKind
    items: tuple[tuple[str, Fields], ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class LegSeen:
    """The dialplan include says how it goes with an evacuated leg (``UserEvent Evacuation``)."""

    node: str
    call: str  # the id that the core gave the call's evacuation
    role: LegRole
    step: LegStep
    uniqueid: str = ""  # of the channel that spoke
    detail: str = ""  # SIP code and the like


@dataclass(frozen=True, slots=True)
class PhoneProbed:
    """What a test call that was referred to itself showed about a User-Agent."""

    node: str
    endpoint: str
    user_agent: str
    habit: ReferHabit | None  # None: it could not be told
    detail: str = ""
