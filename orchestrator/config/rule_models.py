"""The shape of a rule file, before its expressions are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from orchestrator.config.fields import Duration, ObjectName, Often, Part, PositiveDuration, Text
from orchestrator.core.language.suggest import did_you_mean
from orchestrator.core.rulebook.types import OnUnknown
from orchestrator.core.words import Severity

LONGEST_TEXT: Final = 4000
Expression = Annotated[str, Field(strict=True)]
Words = Annotated[str, Field(strict=True, min_length=1, max_length=LONGEST_TEXT)]


def _known_node(name: str, info: ValidationInfo) -> str:
    nodes = (info.context or {}).get("nodes", ())
    if nodes and name not in (known := ("active", "standby", *nodes)):
        raise ValueError(f"the pair has no node '{name}'{did_you_mean(name, known)}")
    return name


def _known_command(name: str, info: ValidationInfo) -> str:
    context = info.context or {}
    if "commands" in context and name not in context["commands"]:
        hint = did_you_mean(name, context["commands"])
        raise ValueError(f"no command '{name}' under 'commands' in the configuration{hint}")
    return name


def _field(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


NodeName = Annotated[ObjectName, AfterValidator(_known_node)]
AmiValue = Annotated[
    str,
    BeforeValidator(_field),
    Field(strict=True),
    WithJsonSchema({"type": ["string", "integer"]}),
]


class MoveBody(Part):
    at_most: PositiveDuration | None = Field(
        None, description="How long calls in progress may take; default: drain.deadline."
    )


class NoBody(Part):
    """``failover`` takes nothing: there is nothing to wait for."""


class HoldBody(Part):
    reason: Words = Field(description="Why, for people; a text with {expressions}.")
    for_: PositiveDuration | None = Field(
        None, alias="for", description="Until then; default: until released."
    )


class NotifyBody(Part):
    severity: Severity | None = Field(None, description="Default: the rule's.")
    title: Words | None = Field(None, description="Default: the rule's description.")
    text: Words | None = Field(None, description="Default: messages.fired.")


class AmiActionBody(Part):
    node: NodeName = Field(description="A name, or active or standby.")
    action: Annotated[dict[str, AmiValue], Field(min_length=1)] = Field(
        description="Its headers, Action among them."
    )

    @field_validator("action")
    @classmethod
    def _is_an_action(cls, action: dict[str, str]) -> dict[str, str]:
        if "action" not in (key.lower() for key in action):
            raise ValueError("missing key 'Action': the name of the AMI action")
        for key, value in action.items():
            if not (key + value).isprintable() or not re.fullmatch(r"[\w()-]+", key, re.ASCII):
                raise ValueError(f"'{key}' must be one line of printable text")
        return action


class CommandBody(Part):
    name: Annotated[ObjectName, AfterValidator(_known_command)] = Field(
        description="One of 'commands' in the configuration."
    )
    node: NodeName = Field("active", description="A name, or active or standby.")


class Do(Part):
    """One thing to ask for; exactly one key is set."""

    switchover: MoveBody | None = Field(
        None, description="Planned move: new calls land on the standby, calls end in peace."
    )
    drain: MoveBody | None = Field(None, description="The same as switchover.")
    failover: NoBody | None = Field(
        None, description="Unplanned move: fence the active node, promote the standby now."
    )
    failback: MoveBody | None = Field(None, description="Planned move back to the preferred node.")
    hold: HoldBody | None = Field(None, description="Decide nothing until released.")
    notify: NotifyBody | None = Field(None, description="Tell people.")
    ami_action: AmiActionBody | None = Field(None, description="Send an AMI action to a node.")
    command: CommandBody | None = Field(
        None, description="Run a command of the configuration on a node's host."
    )


def _do(value: object) -> object:
    """``failover`` alone means ``failover: {}``."""
    if isinstance(value, str):
        if value not in Do.model_fields:
            raise ValueError(f"unknown request '{value}'{did_you_mean(value, Do.model_fields)}")
        return {value: {}}
    if isinstance(value, Mapping) and len(value) != 1:
        raise ValueError("one request an item: '- failover' or '- notify: {text: ...}'")
    if isinstance(value, Mapping):
        return {key: {} if body is None else body for key, body in value.items()}
    return value


class Messages(Part):
    """Texts with {expressions}: when it fires, and when that is over."""

    fired: Words | None = Field(
        default=None, description="When it fires; also the reason of its move."
    )
    cleared: Words | None = Field(default=None, description="When that is over; sends a notice.")


class RuleModel(Part):
    """One rule as it is written; see docs/rules.md."""

    description: Text = Field("", description="What it is about; the title of its notices.")
    when: Expression = Field(description="The condition: an expression over facts.")
    for_: Duration = Field(
        0.0, alias="for", description="How long it must be true without a gap; default: at once."
    )
    clear_when: Expression | None = Field(
        None, description="What ends it; default: the condition is false."
    )
    clear_for: Duration = Field(0.0, description="For how long that must hold; default: at once.")
    mode: Literal["act", "observe"] = Field(
        "act", description="observe: it asks for nothing and says what it would ask for."
    )
    unknown: OnUnknown = Field(
        OnUnknown.HOLD,
        description="While the condition is unknown: hold (nothing changes, timers stand still),"
        " fire (as if true) or clear (as if false).",
    )
    limit: Often | None = Field(
        None, description="How often it may act; beyond that it only tells people."
    )
    repeat: PositiveDuration | None = Field(
        None,
        description="While it fires it asks again so often; a rule with a move the move alone.",
    )
    inhibited_by: tuple[ObjectName, ...] = Field(
        (), description="Names of rules; while one of them fires, this one waits."
    )
    severity: Severity = Field(Severity.WARNING, description="Of its notices.")
    messages: Messages = Field(
        default_factory=Messages, description="Texts with {expressions}; {{ is a brace."
    )
    do: Annotated[tuple[Annotated[Do, BeforeValidator(_do)], ...], Field(min_length=1)] = Field(
        description="What to ask for, in this order."
    )

    @field_validator("repeat")
    @classmethod
    def _not_a_storm(cls, repeat: float | None) -> float | None:
        if repeat is not None and repeat < 1:
            raise ValueError("must be 1s or longer")
        return repeat


class RuleFile(Part):
    """A file of rules by their names."""

    version: Literal[1] = Field(1, description="Of this format.")
    rules: dict[ObjectName, RuleModel] = Field(description="The rules by their names.")


def as_written(model: Part) -> dict[str, Any]:
    """Everything that makes the rule what it is, for its content hash.

    Without defaults, so that a key which a later version knows changes no rule that lacks it.
    """
    return model.model_dump(mode="json", by_alias=True, exclude_defaults=True)
