"""The shape of a rule file, before its expressions are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

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
AmiValue = Annotated[str, BeforeValidator(_field), Field(strict=True)]


class MoveBody(Part):
    at_most: PositiveDuration | None = None


class NoBody(Part):
    """``failover`` takes nothing: there is nothing to wait for."""


class HoldBody(Part):
    reason: Words
    for_: PositiveDuration | None = Field(default=None, alias="for")


class NotifyBody(Part):
    severity: Severity | None = None
    title: Words | None = None
    text: Words | None = None


class AmiActionBody(Part):
    node: NodeName
    action: Annotated[dict[str, AmiValue], Field(min_length=1)]

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
    name: Annotated[ObjectName, AfterValidator(_known_command)]
    node: NodeName = "active"


class Do(Part):
    """One thing to ask for; exactly one key is set."""

    switchover: MoveBody | None = None
    drain: MoveBody | None = None
    failover: NoBody | None = None
    failback: MoveBody | None = None
    hold: HoldBody | None = None
    notify: NotifyBody | None = None
    ami_action: AmiActionBody | None = None
    command: CommandBody | None = None


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

    fired: Words | None = None
    cleared: Words | None = None


class RuleModel(Part):
    """One rule as it is written; see docs/rules.md."""

    description: Text = ""
    when: Expression
    for_: Duration = Field(default=0.0, alias="for")
    clear_when: Expression | None = None
    clear_for: Duration = 0.0
    mode: Literal["act", "observe"] = "act"
    unknown: OnUnknown = OnUnknown.HOLD
    limit: Often | None = None
    repeat: PositiveDuration | None = None
    inhibited_by: tuple[ObjectName, ...] = ()
    severity: Severity = Severity.WARNING
    messages: Messages = Messages()
    do: Annotated[tuple[Annotated[Do, BeforeValidator(_do)], ...], Field(min_length=1)]

    @field_validator("repeat")
    @classmethod
    def _not_a_storm(cls, repeat: float | None) -> float | None:
        if repeat is not None and repeat < 1:
            raise ValueError("must be 1s or longer")
        return repeat


class RuleFile(Part):
    """A file of rules by their names."""

    version: Literal[1] = 1
    rules: dict[ObjectName, RuleModel]


def as_written(model: Part) -> dict[str, Any]:
    """Everything that makes the rule what it is, for its content hash.

    Without defaults, so that a key which a later version knows changes no rule that lacks it.
    """
    return model.model_dump(mode="json", by_alias=True, exclude_defaults=True)
