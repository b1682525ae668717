"""Syntax tree → closures, with every name, word and type checked against the schema."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any, Final

from orchestrator.core.language import values
from orchestrator.core.language.budget import Budget
from orchestrator.core.language.formula import SIGNS, formula_of
from orchestrator.core.language.functions import FUNCTIONS
from orchestrator.core.language.parts import Mention, Part, Refused, Term, Window
from orchestrator.core.language.sense import Formula
from orchestrator.core.language.suggest import did_you_mean
from orchestrator.core.language.text import Parsed
from orchestrator.core.language.types import (
    BOOL,
    DURATION,
    NUMBER,
    TEXT,
    Kind,
    Problem,
    Record,
    Run,
    Schema,
    Type,
)

DEEPEST: Final = 40
MOST_PARTS: Final = 400
_ARITHMETIC: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_ORDERED: Final = (Kind.NUMBER, Kind.DURATION)


class Compiler:
    """Syntax tree → ``Part``; notes problems and what is read on the way."""

    def __init__(self, parsed: Parsed, schema: Schema, problems: list[Problem]) -> None:
        self.parsed = parsed
        self.schema = schema
        self.problems = problems
        self.sources: set[str] = set()
        self.windows: set[Window] = set()
        self.item: tuple[str, Record] | None = None  # the comprehension's variable
        self.facts: list[tuple[str, Part]] = []
        self.mentions: list[Mention] = []
        self._depth = 0
        self.parts = 0
        self._compiled: dict[int, tuple[Part, tuple[tuple[str, Part], ...]]] = {}
        self.budget = Budget()
        self.items_of: dict[int, tuple[Run, Record, Run]] = {}

    def refuse(self, node: ast.AST, text: str) -> Refused:
        self.problems.append(Problem(self.parsed.column(node), text))
        return Refused()

    def compile(self, node: ast.expr) -> Part:
        """The part, or ``Refused`` after noting why."""
        self.parts += 1
        self._depth += 1
        try:
            if self._depth > DEEPEST or self.parts > MOST_PARTS:
                raise self.refuse(node, "too deep or too long; split it into several rules")
            first_fact = len(self.facts)
            method = getattr(self, f"_{type(node).__name__.lower()}", None)
            if method is None:
                raise self.refuse(node, f"'{self.parsed.segment(node)}' is not allowed here")
            part: Part = method(node)
            self._compiled[id(node)] = part, tuple(self.facts[first_fact:])
            return part
        finally:
            self._depth -= 1

    def compile_all(self, nodes: list[ast.expr]) -> list[Part]:
        """All parts; every one is checked before the first refusal is raised."""
        parts: list[Part] = []
        for node in nodes:
            try:
                parts.append(self.compile(node))
            except Refused:
                continue
        if len(parts) < len(nodes):
            raise Refused
        return parts

    def formula(self, tree: ast.expr) -> Formula:
        """What the compiled condition says, whatever the facts are."""
        parts = {node: part for node, (part, _) in self._compiled.items()}
        return formula_of(tree, self.parsed.segment, parts)

    def expect(self, node: ast.AST, part: Part, kind: Kind) -> None:
        if part.type.kind is not kind:
            raise self.refuse(node, f"this is {part.type}; {kind.value} is expected")

    def terms(self, node: ast.expr) -> tuple[Term, ...]:
        """The pieces between ``and``, ``or`` and ``not``, in the author's order."""
        if isinstance(node, ast.BoolOp):
            return tuple(term for value in node.values for term in self.terms(value))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self.terms(node.operand)
        part, facts = self._compiled[id(node)]
        items = self.items_of.get(id(node))
        return (Term(self.parsed.segment(node), part.run, tuple(dict(facts).items()), items),)

    # --- names and facts -------------------------------------------------------------------

    def _name(self, node: ast.Name) -> Part:
        seconds = self.parsed.durations.get(self.parsed.column(node))
        if seconds is not None:
            return Part(DURATION, values.constant(seconds), literal=seconds)
        if node.id in ("true", "false"):
            truth = node.id == "true"
            return Part(BOOL, values.constant(truth), literal=truth)
        if self.item and node.id == self.item[0]:
            return Part(Type(Kind.RECORD, of=self.item[1]), lambda look: look.item)
        root = self.schema.roots.get(node.id)
        if root:
            return Part(Type(Kind.RECORD, of=root.record), root.find, path=node.id)
        raise self.refuse(node, self._unknown_name(node.id))

    def _unknown_name(self, name: str) -> str:
        if name in self.schema.words():
            return f'"{name}" is a word; write it in quotes'
        known = [*self.schema.roots, *FUNCTIONS, *([self.item[0]] if self.item else [])]
        if name in FUNCTIONS:
            return f"'{name}' is a function: {FUNCTIONS[name].usage}"
        return f"unknown name '{name}'{did_you_mean(name, known)}"

    def _attribute(self, node: ast.Attribute) -> Part:
        owner = self.compile(node.value)
        record = owner.type.of
        if owner.type.kind is not Kind.RECORD or record is None:
            raise self.refuse(node, f"'{node.attr}': {owner.type} has no facts of its own")
        found = record.attributes.get(node.attr)
        if found is None:
            column = self.parsed.column_of_attribute(node)
            hint = did_you_mean(node.attr, record.attributes)
            self.problems.append(Problem(column, f"{record.name} has no '{node.attr}'{hint}"))
            raise Refused
        self.sources.update(
            source if source == "clock" else f"{owner.path}/{source}"
            for source in found.sources
            if owner.path or source == "clock"
        )
        run = values.attribute(owner.run, found.read)
        part = Part(found.type, run, found, record=record)
        if not self.item:
            self.facts.append((self.parsed.segment(node), part))
        return part

    def _call(self, node: ast.Call) -> Part:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        function = FUNCTIONS.get(name)
        if function is None:
            if not name:
                raise self.refuse(node, "only functions are called, never a fact's method")
            raise self.refuse(node, f"unknown function '{name}'{did_you_mean(name, FUNCTIONS)}")
        if node.keywords or not function.fewest <= len(node.args) <= function.most:
            raise self.refuse(node, f"write {function.usage}")
        return function.compile(self, node)

    # --- values ------------------------------------------------------------------------------

    def _constant(self, node: ast.Constant) -> Part:
        value = node.value
        if isinstance(value, bool):
            raise self.refuse(node, f"write {str(value).lower()}")
        if isinstance(value, int | float):
            try:
                number = float(value)
            except OverflowError:
                number = float("inf")
            if number == float("inf"):
                raise self.refuse(node, "too large a number")
            return Part(NUMBER, values.constant(number), literal=number)
        if isinstance(value, str):
            return Part(TEXT, values.constant(value), literal=value)
        raise self.refuse(node, f"'{self.parsed.segment(node)}' is not allowed here")

    def _unaryop(self, node: ast.UnaryOp) -> Part:
        part = self.compile(node.operand)
        if isinstance(node.op, ast.Not):
            self.expect(node.operand, part, Kind.BOOL)
            return Part(BOOL, values.negation(part.run))
        if not isinstance(node.op, ast.USub):
            raise self.refuse(node, f"'{self.parsed.segment(node)}' is not allowed here")
        if part.type.kind not in _ORDERED:
            raise self.refuse(node, f"this is {part.type}; only numbers and durations have a -")
        return Part(part.type, values.unary_minus(part.run))

    def _boolop(self, node: ast.BoolOp) -> Part:
        parts = self.compile_all(node.values)
        for child, part in zip(node.values, parts, strict=True):
            self.expect(child, part, Kind.BOOL)
        return Part(BOOL, values.junction([p.run for p in parts], isinstance(node.op, ast.Or)))

    def _binop(self, node: ast.BinOp) -> Part:
        left, right = self.compile_all([node.left, node.right])
        operate = _ARITHMETIC.get(type(node.op))
        kinds = left.type.kind, right.type.kind
        result = _result_of(type(node.op), kinds) if operate else None
        if operate is None or result is None:
            what = f"{left.type} and {right.type} do not go together here"
            raise self.refuse(node, what if operate else "only + - * / are known")
        return Part(result, values.binary(left.run, right.run, operate))

    def _compare(self, node: ast.Compare) -> Part:
        operands = [node.left, *node.comparators]
        if any(isinstance(sign, ast.In | ast.NotIn) for sign in node.ops):
            return self._membership(node)
        parts = self.compile_all(operands)
        rest = []
        for index, sign in enumerate(node.ops):
            operate = SIGNS.get(type(sign))
            if operate is None:
                raise self.refuse(node, "write '==' or '!='")
            self._comparable(operands[index : index + 2], parts[index : index + 2], sign)
            rest.append((operate, parts[index + 1].run))
        return Part(BOOL, values.chain(parts[0].run, rest))

    def _comparable(self, nodes: list[ast.expr], parts: list[Part], sign: ast.cmpop) -> None:
        (first, second), (left, right) = nodes, parts
        for node, word, other in ((second, right, left), (first, left, right)):
            if other.type.kind is Kind.WORD and isinstance(word.literal, str):
                self.word(node, word.literal, other.type)
                left = right
        kinds = left.type.kind, right.type.kind
        equal_only = kinds[0] not in _ORDERED and not isinstance(sign, ast.Eq | ast.NotEq)
        other_words = left.type.words != right.type.words
        if kinds[0] is not kinds[1] or kinds[0] in (Kind.LIST, Kind.RECORD) or other_words:
            raise self.refuse(first, f"{parts[0].type} can't be compared with {parts[1].type}")
        if equal_only:
            raise self.refuse(first, f"{left.type} has no order; write '==', '!=' or 'in'")
        for node, fact, other in ((second, left, right), (first, right, left)):
            self.mention(node, fact, other.literal)

    def mention(self, node: ast.expr, fact: Part, text: object, pattern: bool = False) -> None:
        """Note that a fact is compared with a text."""
        if fact.record and fact.type.kind is Kind.TEXT and isinstance(text, str):
            name = next(n for n, a in fact.record.attributes.items() if a is fact.attribute)
            at = self.parsed.column(node)
            self.mentions.append(Mention(fact.record.name, name, text, at, pattern))

    def word(self, node: ast.expr, word: str, type_: Type) -> None:
        """Refuse a word that this fact can never be."""
        if word not in type_.words:
            hint = did_you_mean(word, type_.words)
            raise self.refuse(node, f'it is never "{word}"{hint}')

    def _membership(self, node: ast.Compare) -> Part:
        choices = node.comparators[0]
        if len(node.ops) > 1 or not isinstance(choices, ast.List | ast.Tuple) or not choices.elts:
            raise self.refuse(node, 'write \'x in ["one", "two"]\'')
        part, *literals = self.compile_all([node.left, *choices.elts])
        for child, literal in zip(choices.elts, literals, strict=True):
            if literal.literal is None:
                raise self.refuse(child, "only plain values stand in a list")
            self._comparable([node.left, child], [part, literal], ast.Eq())
        words = frozenset(literal.literal for literal in literals)
        return Part(BOOL, values.membership(part.run, words, isinstance(node.ops[0], ast.In)))


def _result_of(sign: type[ast.operator], kinds: tuple[Kind, Kind]) -> Type | None:
    number, duration = Kind.NUMBER, Kind.DURATION
    same = {(number, number): NUMBER, (duration, duration): DURATION}
    if sign in (ast.Add, ast.Sub):
        return same.get(kinds)
    if sign is ast.Mult:
        mixed = {(number, duration): DURATION, (duration, number): DURATION}
        return {(number, number): NUMBER, **mixed}.get(kinds)
    if sign is ast.Div:
        both = {(number, number): NUMBER, (duration, duration): NUMBER}
        return {**both, (duration, number): DURATION}.get(kinds)
    return None
