"""The rule language: a checked subset of Python's expressions, never evaluated by Python.

``compile_condition`` checks every name, attribute, word and type against the schema and gives
closures; evaluating them cannot fail, and what cannot be known is unknown (``None``). How an
evaluation came about is told term by term (``condition_trace``).
"""

from __future__ import annotations

from orchestrator.core.language.compiler import Compiler
from orchestrator.core.language.parts import Condition, Refused
from orchestrator.core.language.text import parse_expression
from orchestrator.core.language.types import Kind, Problem, Schema


def compile_value(text: str, schema: Schema, problems: list[Problem]) -> Condition | None:
    """Any expression; ``None`` and at least one more problem when it is wrong."""
    before = len(problems)
    parsed = parse_expression(text, problems)
    if parsed is None:
        return None
    compiler = Compiler(parsed, schema, problems)
    try:
        part = compiler.compile(parsed.tree)
    except Refused:
        return None
    if len(problems) > before:
        return None
    windows, sources = frozenset(compiler.windows), frozenset(compiler.sources)
    terms = compiler.terms(parsed.tree)
    formula = compiler.formula(parsed.tree) if part.type.kind is Kind.BOOL else None
    flat = " ".join(text.split())
    mentions, long = tuple(compiler.mentions), compiler.budget.parts > 0
    return Condition(flat, part.type, part.run, sources, windows, terms, formula, mentions, long)


def compile_condition(text: str, schema: Schema, problems: list[Problem]) -> Condition | None:
    """An expression that is true, false or unknown, and that reads at least one fact."""
    condition = compile_value(text, schema, problems)
    if condition is None:
        return None
    if condition.type.kind is not Kind.BOOL:
        what = f"this is {condition.type}; a condition is expected, such as 'active.calls > 0'"
        problems.append(Problem(0, what))
        return None
    if not condition.sources:
        problems.append(
            Problem(0, "reads no fact, so it never changes; name one, see docs/rules.md")
        )
        return None
    return condition
