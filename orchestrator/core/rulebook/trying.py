"""An expression on the picture as it is now: its value, each term, and why it is unknown. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from orchestrator.core.conditions import compile_value
from orchestrator.core.facts.schema import ROOTS, make_schema
from orchestrator.core.language.durations import say_duration
from orchestrator.core.language.parts import Condition
from orchestrator.core.language.trace import explain_terms, run_and_tell, say_facts, say_value
from orchestrator.core.language.types import Kind, Look, Problem
from orchestrator.core.rulebook.windows import sample
from orchestrator.core.rules import RuleSet, windows_of
from orchestrator.core.state import Node, Pair, Policy


@dataclass(frozen=True, slots=True)
class Tried:
    """Sentences; or what is wrong with the expression, each with its offset."""

    lines: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def try_expression(text: str, rules: RuleSet, state: Pair, policy: Policy, now: float) -> Tried:
    """Evaluate it once; nothing is remembered and nothing is asked for."""
    problems: list[Problem] = []
    names = tuple(node.name for node in policy.nodes)
    condition = compile_value(text, make_schema(names), problems)
    if condition is None:
        return Tried(problems=problems)
    if condition.type.kind in (Kind.LIST, Kind.RECORD):
        says = f"this is {condition.type}; name one of its facts, or: count(...), any(...)"
        return Tried(problems=[Problem(0, says)])
    look = Look(state, policy, now)
    look.increases = sample(rules.windows, windows_of(state.rules), look)[1]
    value, gave_up = run_and_tell(condition.run, look)
    lines = [f"{condition.text} is {say_value(value, condition.type)}"]
    if condition.type.kind is Kind.BOOL:
        lines += [f"  {term}" for term in explain_terms(condition, look) if term != lines[0]]
    elif said := gave_up or say_facts(condition, look):
        lines.append(f"  {said}")
    if value is None:
        lines += [f"  {why}" for why in _why_unknown(condition, rules, look)]
    return Tried(lines)


def _why_unknown(condition: Condition, rules: RuleSet, look: Look) -> Iterator[str]:
    for window in sorted(condition.windows - rules.windows, key=lambda one: one.path):
        yield (
            f"no rule counts {_written(window.path)} over {say_duration(window.seconds)}, so its"
            " rise is not known; write it into a rule (mode: observe), reload, and ask again after"
            " that time"
        )
    for root in sorted({source.partition("/")[0] for source in condition.sources} - {"clock"}):
        found = ROOTS[root].find(look) if root in ROOTS else None
        name = root.removeprefix("node:")
        node = look.state.nodes.get(name) if root not in ROOTS else found
        if node is None:
            yield f"{root}: nobody knows which node that is; see: asterisk-orchestrator status"
        elif isinstance(node, Node):
            yield from _why_of(node, root, look)


def _written(path: str) -> str:
    """As authors write it: ``node("pbx-a").calls_failed``."""
    if not path.startswith("node:"):
        return path
    name, _, fact = path.removeprefix("node:").rpartition(".")
    return f'node("{name}").{fact}'


def _why_of(node: Node, root: str, look: Look) -> Iterator[str]:
    called = node.name if root.startswith("node:") else f"{root} ({node.name})"
    if node.confirmed_at is None:
        yield f"{called}: its picture is not known: its AMI was not heard, or was lost"
    elif not node.fresh(look.now, look.policy.stale_s):
        old = say_duration(look.now - node.confirmed_at)
        yield f"{called}: its picture is {old} old, which is too old to be believed"
    elif node.missing:
        yield f"{called}: could not be asked for: {', '.join(sorted(node.missing))}"
