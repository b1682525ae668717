"""The site's decisions, from the configuration; constant while the service runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, tzinfo

from orchestrator.core.words import AtDeadline, DrainMode, FenceMethod


@dataclass(frozen=True, slots=True)
class TrunkPolicy:
    """A trunk that must be registered on exactly one node."""

    registration: str  # PJSIP registration object
    endpoint: str  # PJSIP endpoint, for maintenance and for telling trunk legs
    server_uri: str = ""
    client_uri: str = ""


@dataclass(frozen=True, slots=True)
class NodePolicy:
    name: str
    address: str
    preferred: bool = False
    has_host: bool = True  # a host agent is configured
    has_ari: bool = True


@dataclass(frozen=True, slots=True)
class FailbackPolicy:
    """When rules may return to the preferred node."""

    hours: tuple[int, int]  # minutes since midnight; may cross it
    days: frozenset[int]  # 0 is Monday
    after_s: float  # how long the preferred node must have been healthy


@dataclass(frozen=True, slots=True)
class MirrorPolicy:
    """What the standby is given a copy of, and how often the two are compared."""

    contacts: bool = True
    queues: bool = True
    devices: bool = True  # custom device states
    families: tuple[str, ...] = ()  # of astdb
    compare_every_s: float = 30.0


@dataclass(frozen=True, slots=True)
class EvacuationPolicy:
    """Which calls may be carried to the other node, and how.

    Needs contrib/asterisk/extensions-evacuate.conf on both nodes.
    """

    user_agents: tuple[str, ...] = ()  # patterns (fnmatch) of phones known to honour REFER
    variables: tuple[str, ...] = ()  # channel variables that travel along
    link_others: bool = False  # legs that cannot be referred: link (True) or wait (False)
    at_once: int = 5  # calls under way at the same time
    patience_s: float = 5.0  # a call that is neither here nor there for longer is rejoined


@dataclass(frozen=True, slots=True)
class Policy:
    """What the site decided. Rules decide whether to move; this limits how."""

    nodes: tuple[NodePolicy, NodePolicy]
    trunks: tuple[TrunkPolicy, ...] = ()
    silence_s: float = 2.0  # unanswered for longer is silence
    stale_s: float = 10.0  # a picture not confirmed for longer is unknown
    tick_s: float = 0.1  # the loop's pace; one late tick counts at most twice this
    learning_s: float = 5.0  # sources that have not spoken by then have timed out
    step_timeout_s: float = 5.0  # deadline of one step of a move
    trunk_timeout_s: float = 15.0
    verify_timeout_s: float = 3.0
    verify_attempts: int = 3
    drain_mode: DrainMode | None = None  # None: found out by the test call's Contact
    drain_deadline_s: float = 900.0
    at_deadline: AtDeadline = AtDeadline.WAIT
    stuck_after_s: float = 4 * 3600.0  # a channel in no conversation for longer is stuck
    fence_dead: tuple[FenceMethod, ...] = (FenceMethod.ADDRESS,)
    fence_hung: tuple[FenceMethod, ...] = (FenceMethod.ADDRESS, FenceMethod.KILL)
    fence_unreachable: tuple[FenceMethod, ...] = (FenceMethod.ISOLATION,)
    guard_lease_s: float | None = None  # an armed guard acts after this; None: half of silence_s
    proceed_when_fencing_fails: bool = False
    promote_hook: str = ""  # configured command run on the new active when completing
    demote_hook: str = ""
    automatic_moves: int = 2  # that rules may begin within the next; then a human decides
    automatic_within_s: float = 3600.0
    timezone: tzinfo = UTC  # of hours and weekdays in rules
    failback: FailbackPolicy | None = None  # None: never by itself
    mirror: MirrorPolicy | None = None  # None: nothing is mirrored
    evacuation: EvacuationPolicy | None = None  # None: calls are never carried over
    dry_run: bool = False  # watch, decide, say what would be done; change nothing, tell nobody

    def other(self, name: str) -> str:
        """The name of the other node of the pair."""
        first, second = self.nodes
        return second.name if name == first.name else first.name

    def node(self, name: str) -> NodePolicy:
        """The node's policy; KeyError when it is not of this pair."""
        found = next((node for node in self.nodes if node.name == name), None)
        if found is None:
            raise KeyError(name)
        return found

    @property
    def lease_s(self) -> float:
        """How long an isolated node's guard waits before it gives the address up, in seconds.

        Half the silence deadline: the rest of the deadline covers the guard's heartbeat (a fifth
        of it), its witness probes and the way there, so at the deadline the address is given up.
        """
        return self.silence_s * 0.5 if self.guard_lease_s is None else self.guard_lease_s

    @property
    def preferred(self) -> str:
        """The node that should be active in normal times; empty when the site has no wish."""
        return next((node.name for node in self.nodes if node.preferred), "")
