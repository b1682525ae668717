"""The shape of a test file, before its facts are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator

from orchestrator.config.fields import Duration, ObjectName, Part, Text
from orchestrator.core.language.suggest import did_you_mean
from orchestrator.core.rulebook.types import Ask
from orchestrator.core.words import Severity

RuleWord = Literal["idle", "pending", "firing", "clearing", "paused"]
MoveWord = Literal["switchover", "failover", "failback", "none"]
Facts = dict[str, Any]
_ANOTHER_WORD: Final = {"drain": Ask.SWITCHOVER.value}


def _ask(value: object) -> object:
    """``{RULE: ASK, text: ...}``: the one key that says nothing of the request is the rule."""
    if not isinstance(value, Mapping):
        raise ValueError("write '- RULE: ASK', such as '- trunks-down: failover'")
    known = [field.alias or name for name, field in Expected.model_fields.items()]
    said = [key for key in known if key not in ("rule", "ask")]
    rules = [key for key in value if key not in said]
    if len(rules) != 1:
        what = did_you_mean(str(rules[-1]), said) if rules else ""
        raise ValueError(f"one '- RULE: ASK' an item, then what it says{what}")
    rest = {key: value[key] for key in value if key in said}
    word = value[rules[0]]
    return {"rule": rules[0], "ask": _ANOTHER_WORD.get(str(word), word), **rest}


class Expected(Part):
    """A request that the rules must have made; what is not written is not compared."""

    rule: ObjectName
    ask: Ask
    severity: Severity | None = Field(None, description="Of a notice.")
    title: str | None = Field(None, description="Of a notice.")
    text: str | None = Field(None, description="Of a notice, as people read it.")
    reason: str | None = Field(None, description="Of a move or hold, as the history has it.")
    at_most: Duration | None = Field(None, description="Of a switchover or failback.")
    for_: Duration | None = Field(None, alias="for", description="Of a hold.")
    node: str | None = Field(None, description="Of a command or AMI action.")
    name: str | None = Field(None, description="Of a command.")
    action: dict[str, str] | None = Field(None, description="The headers of an AMI action.")
    observed: bool = Field(False, description="It is of a rule with mode: observe.")


Expectation = Annotated[Expected, BeforeValidator(_ask)]
NodeNames = Annotated[
    tuple[ObjectName, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    WithJsonSchema({"type": ["string", "array"], "items": {"type": "string"}}),
]


class Step(Part):
    """Time passes, then the world changes, then everything is compared."""

    after: Duration = Field(0.0, description="Virtual time that passes first.")
    restart: Duration | None = Field(
        None, description="The service is restarted, and away for so long."
    )
    active: ObjectName | None = Field(
        None, description="From now on this node is active; nobody: it is not known."
    )
    move: MoveWord | None = Field(None, description="A move of this kind begins, or ends (none).")
    lose: NodeNames = Field((), description="Nodes whose picture is stale from now on.")
    regain: NodeNames = Field((), description="Nodes whose picture is kept again.")
    set: Facts = Field(default_factory=dict, description="Facts that change.")
    rise: Facts = Field(default_factory=dict, description="Counters, and by how much they rise.")
    expect: dict[str, RuleWord] = Field(
        default_factory=dict, description="Rules and what they must be at the end of the step."
    )
    asks: tuple[Expectation, ...] = Field(
        (), description="All that the rules ask for during the step, in its order."
    )


class CaseModel(Part):
    """One course of events."""

    begins: Text = Field("", description='Day and time at the site: "2027-01-13 10:00".')
    given: Facts = Field(default_factory=dict, description="Facts at the begin.")
    steps: Annotated[tuple[Step, ...], Field(min_length=1)] = Field(description="In order.")


class CaseFile(Part):
    """Tests of rules; without ``rules``, of those in the file beside."""

    rules: tuple[Text, ...] = Field((), description="Rule files; default: the file beside.")
    nodes: tuple[ObjectName, ...] = Field(
        ("pbx-a", "pbx-b"),
        description="The first one is preferred, and active at the begin.",
        json_schema_extra={"minItems": 2, "maxItems": 2},
    )
    given: Facts = Field(default_factory=dict, description="Facts at the begin of every test.")
    tests: Annotated[dict[str, CaseModel], Field(min_length=1)] = Field(
        description="Tests by their names: sentences."
    )

    @field_validator("nodes")
    @classmethod
    def _two(cls, nodes: tuple[str, ...]) -> tuple[str, ...]:
        if len(nodes) != 2 or len(set(nodes)) != 2:
            raise ValueError("two names are expected: [pbx-a, pbx-b]")
        return nodes
