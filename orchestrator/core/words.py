"""The enumerated words of the pair; their values are what rules, the journal and people read."""

from __future__ import annotations

from enum import StrEnum


class Observer(StrEnum):
    """Who looked at a node."""

    AMI = "ami"  # manager connection: answered pings; refused or silent at (re)connect
    SIP = "sip"  # OPTIONS from the orchestrator to the node's own address
    ARI = "ari"  # HTTP ping
    HOST = "host"  # the host agent's view of the Asterisk process
    PEER = "peer"  # the other node's host agent, by SIP OPTIONS and ping


class Outcome(StrEnum):
    """What an observer saw."""

    ANSWERS = "answers"
    REFUSED = "refused"  # the host is alive, nobody listens on the port
    SILENT = "silent"  # no answer within the adapter's own deadline
    STOPPED = "stopped"  # host: the process is there but stopped (state T); peer: only ping answers
    GONE = "gone"  # host only: there is no such process
    DENIED = "denied"  # answers, but refuses our credentials or speaks garbage


class Verdict(StrEnum):
    """What the observers together say of a node. Lost AMI is not death; unknown never promotes."""

    HEALTHY = "healthy"
    IMPAIRED = "impaired"
    HUNG = "hung"
    DEAD = "dead"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"


class Role(StrEnum):
    ACTIVE = "active"
    STANDBY = "standby"
    UNKNOWN = "unknown"


class MoveKind(StrEnum):
    SWITCHOVER = "switchover"  # planned, drains first
    FAILOVER = "failover"  # unplanned
    FAILBACK = "failback"  # switchover to the preferred node, gated


class DrainMode(StrEnum):
    """How a planned move keeps calls (docs/failover.md)."""

    OVERLAP = "overlap"  # address first; the old active bleeds off (own-address dialogs)
    DRAIN_FIRST = "drain-first"  # new calls redirected until the old active is empty


class AtDeadline(StrEnum):
    """What a drain does with calls that are still up at its deadline."""

    WAIT = "wait"
    ABORT = "abort"
    CUT = "cut"
    EVACUATE = "evacuate"  # carry them to the other node; what cannot be carried waits


class Phase(StrEnum):
    """Where the pair is. The rows between them are in core/failover.py."""

    LEARNING = "learning"
    STEADY = "steady"
    PREPARING = "preparing"
    TAKING_TRUNKS = "taking-trunks"
    REDIRECTING = "redirecting"
    DRAINING = "draining"
    FENCING = "fencing"
    MOVING_ADDRESS = "moving-address"
    RELEASING_TRUNKS = "releasing-trunks"
    VERIFYING = "verifying"
    COMPLETING = "completing"
    ROLLING_BACK = "rolling-back"


class ContactStatus(StrEnum):
    """AMI ``ContactStatus`` (res_pjsip/pjsip_options.c) and chan_sip's peer status."""

    REACHABLE = "reachable"
    UNREACHABLE = "unreachable"
    UNQUALIFIED = "unqualified"
    REMOVED = "removed"
    UNKNOWN = "unknown"


class RegistrationStatus(StrEnum):
    """State of an outbound (trunk) registration (res_pjsip_outbound_registration.c)."""

    REGISTERED = "registered"
    UNREGISTERED = "unregistered"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class ChannelState(StrEnum):
    """AMI ``ChannelStateDesc`` reduced to what matters for a drain."""

    DOWN = "down"
    RINGING = "ringing"  # Ring, Ringing, Dialing, Pre-ring
    UP = "up"
    BUSY = "busy"


class MirrorKind(StrEnum):
    """What the standby is given a copy of (core/mirror.py)."""

    CONTACT = "contact"  # a phone's registration: a dynamic PJSIP contact
    MEMBER = "member"  # a queue's member, with penalty and pause
    ASTDB = "astdb"  # a key of a chosen astdb family
    DEVICE = "device"  # a custom device state (``Custom:...``)


class ReferHabit(StrEnum):
    """What phones of one User-Agent do with a REFER (RFC 3515) in a call."""

    HONOURS = "honours"  # they call the new address and leave the old one
    DECLINES = "declines"  # they say no: the call stays where it is
    IGNORES = "ignores"  # no answer: Asterisk ends the call after 32 s


class LegRole(StrEnum):
    """What a leg is in the call that is evacuated."""

    FIRST = "first"  # of a conversation of two: waits on the other node for the second
    SECOND = "second"  # is bridged with the first when it arrives
    SERVICE = "service"  # with a service (IVR, conference, voicemail): goes on where it was
    WAITING = "waiting"  # in a queue: joins it again at its place in line


class Carry(StrEnum):
    """How a leg gets to the other node."""

    REFER = "refer"  # the phone itself calls the one-time address there
    LINK = "link"  # it stays, and is joined with the other node through the node-to-node trunk


class LegStep(StrEnum):
    """What the dialplan tells of an evacuated leg (contrib/asterisk/extensions-evacuate.conf)."""

    CHALLENGED = "challenged"  # the phone reported a 401 or 407: it will come with its password
    MOVED = "moved"  # the phone says that the other node answered: the old leg ends
    DECLINED = "declined"  # the phone refused the REFER, or the other node the phone
    LINKED = "linked"  # it goes on through the node-to-node trunk
    REJOINED = "rejoined"  # nothing worked: both talk on at the old node
    ARRIVED = "arrived"  # the other node has it, ticket valid
    JOINED = "joined"  # the other node has both and they talk
    TURNED_AWAY = "turned-away"  # no such ticket, expired, used, or not the phone meant
    ALONE = "alone"  # the other leg never came


class FenceMethod(StrEnum):
    """How to make certain that the old active can serve nothing."""

    ADDRESS = "address"  # its host takes the virtual IP away and checks
    KILL = "kill"  # its host kills the Asterisk process and checks
    ISOLATION = "isolation"  # its guard gave the address up: it heard neither us nor its witnesses
    COMMAND = "command"  # the configured command (power switch, switch port) says so


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"
