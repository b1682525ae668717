"""A rule, what it remembers and what it asks for."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from immutables import Map

from orchestrator.core.language.parts import Condition
from orchestrator.core.language.trace import say_value
from orchestrator.core.language.types import Look
from orchestrator.core.words import Severity


class Ask(StrEnum):
    """What a rule can ask for. In files ``drain`` is another word for ``switchover``."""

    SWITCHOVER = "switchover"
    FAILOVER = "failover"
    FAILBACK = "failback"
    HOLD = "hold"
    NOTIFY = "notify"
    AMI_ACTION = "ami_action"
    COMMAND = "command"


MOVES = frozenset({Ask.SWITCHOVER, Ask.FAILOVER, Ask.FAILBACK})


class OnUnknown(StrEnum):
    """What a rule does while its condition is unknown."""

    HOLD = "hold"  # nothing changes, timers stand still
    FIRE = "fire"  # as if true
    CLEAR = "clear"  # as if false


@dataclass(frozen=True, slots=True)
class Request:
    """What a rule asks of the machine now. ``args`` by ask:

    switchover, failback: at_most_s (float, may be absent); hold: reason (str), for_s (float, may
    be absent); notify: severity (Severity), title, text (str); ami_action: node (str), action
    (tuple of (key, value) pairs); command: node, name (str).
    """

    rule: str
    ask: Ask
    reason: str  # a sentence with the values of the condition's terms
    args: Map[str, object] = field(default_factory=Map)
    observed: bool = False  # of a rule that only says what it would ask


@dataclass(frozen=True, slots=True)
class Template:
    """A text with ``{expressions}`` in it, checked at load."""

    parts: tuple[str | Condition, ...]

    def render(self, look: Look) -> str:
        """The text with the present values; what is unknown is called unknown."""
        return "".join(
            part if isinstance(part, str) else say_value(part.run(look), part.type)
            for part in self.parts
        )


@dataclass(frozen=True, slots=True)
class AskMove:
    ask: Ask
    at_most_s: float | None = None


@dataclass(frozen=True, slots=True)
class AskHold:
    reason: Template
    for_s: float | None = None


@dataclass(frozen=True, slots=True)
class AskNotify:
    severity: Severity
    title: Template
    text: Template


@dataclass(frozen=True, slots=True)
class AskAmiAction:
    node: str  # a name, or active or standby
    action: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class AskCommand:
    node: str
    name: str


Action: TypeAlias = AskMove | AskHold | AskNotify | AskAmiAction | AskCommand


@dataclass(frozen=True, slots=True)
class Limit:
    times: int
    within_s: float


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    content: str  # short hash of all that was written: timers of another text are not this rule's
    when: Condition
    do: tuple[Action, ...]
    for_s: float = 0.0
    clear_when: Condition | None = None
    clear_for_s: float = 0.0
    unknown: OnUnknown = OnUnknown.HOLD
    limit: Limit | None = None
    repeat_s: float | None = None
    inhibited_by: tuple[str, ...] = ()
    description: str = ""
    fired: Template | None = None
    cleared: Template | None = None
    observe: bool = False  # it says what it would ask for, and asks for nothing
    where: str = ""  # file:line:column

    @property
    def key(self) -> str:
        """Its place in the memory."""
        return f"{self.name}#{self.content}"

    def conditions(self) -> tuple[Condition, ...]:
        """The expressions that decide; those in texts only need their windows."""
        return (self.when, self.clear_when) if self.clear_when else (self.when,)

    def templates(self) -> tuple[Template, ...]:
        """Every text of the rule."""
        found = [self.fired, self.cleared]
        for action in self.do:
            if isinstance(action, AskNotify):
                found += [action.title, action.text]
            elif isinstance(action, AskHold):
                found.append(action.reason)
        return tuple(template for template in found if template)


class RulePhase(StrEnum):
    IDLE = "idle"
    PENDING = "pending"  # the condition holds, ``for`` is not over
    FIRING = "firing"


@dataclass(frozen=True, slots=True)
class RuleState:
    """A rule's timers; survives restarts. Times are epoch seconds."""

    phase: RulePhase = RulePhase.IDLE
    since: float = 0.0  # of the phase
    clearing_since: float | None = None  # firing, and the end condition holds since
    paused_at: float | None = None  # the condition became unknown: running timers stand still
    acted_at: float | None = None  # when it last asked
    silenced: str = ""  # why it asks for nothing although its time has come
    fired_at: tuple[float, ...] = ()  # firings that the limit counts


IDLE = RuleState()
