"""The shape of a test file, before its facts are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from orchestrator.config.fields import Duration, ObjectName, Part, Text
from orchestrator.core.language.suggest import did_you_mean
from orchestrator.core.rulebook.types import Ask
from orchestrator.core.words import MoveKind, Severity

RuleWord = Literal["idle", "pending", "firing", "clearing", "paused"]
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
    severity: Severity | None = None
    title: str | None = None
    text: str | None = None
    reason: str | None = None
    at_most: Duration | None = None
    for_: Duration | None = Field(default=None, alias="for")
    node: str | None = None
    name: str | None = None
    action: dict[str, str] | None = None
    observed: bool = False


Expectation = Annotated[Expected, BeforeValidator(_ask)]
NodeNames = Annotated[
    tuple[ObjectName, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
]


class Step(Part):
    """Time passes, then the world changes, then everything is compared."""

    after: Duration = 0.0
    restart: Duration | None = None
    active: ObjectName | None = None
    move: MoveKind | Literal["none"] | None = None
    lose: NodeNames = ()
    regain: NodeNames = ()
    set: Facts = Field(default_factory=dict)
    rise: Facts = Field(default_factory=dict)
    expect: dict[str, RuleWord] = Field(default_factory=dict)
    asks: tuple[Expectation, ...] = ()


class TestCase(Part):
    """One course of events."""

    begins: Text = ""
    given: Facts = Field(default_factory=dict)
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]


class TestFile(Part):
    """Tests of the rules beside it."""

    rules: tuple[Text, ...] = ()
    nodes: Annotated[tuple[ObjectName, ...], Field(min_length=2, max_length=2)] = (
        "pbx-a",
        "pbx-b",
    )
    given: Facts = Field(default_factory=dict)
    tests: Annotated[dict[str, TestCase], Field(min_length=1)]
