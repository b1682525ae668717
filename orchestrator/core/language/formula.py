"""From a checked syntax tree to the formula that tells what it can be (sense.py). Pure.

The same words are the same subject: ``active.calls > 3 and active.calls < 2`` is one subject with
two literals, ``any(t.registered for t in active.trunks)`` one switch.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.core.language.parts import Part
from orchestrator.core.language.sense import Formula, Holds, Subject
from orchestrator.core.language.types import Kind

_COMPARED: Final = (Kind.NUMBER, Kind.DURATION, Kind.WORD, Kind.TEXT)
SIGNS: Final[dict[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_MIRRORED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE,
}  # fmt: skip


@dataclass(slots=True)
class _Reading:
    """Reads a tree; ``text_of`` gives the author's words, ``parts`` what the compiler found."""

    text_of: Callable[[ast.expr], str]
    parts: Mapping[int, Part]
    subjects: dict[str, Subject] = field(default_factory=dict)

    def read(self, node: ast.expr) -> Holds:
        if isinstance(node, ast.BoolOp):
            holds = [self.read(value) for value in node.values]
            decide = any if isinstance(node.op, ast.Or) else all
            return lambda values: decide(one(values) for one in holds)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self.read(node.operand)
            return lambda values: not inner(values)
        if isinstance(node, ast.Compare) and (compared := self._compared(node)):
            return compared
        part = self.parts[id(node)]
        if part.literal is not None:
            return lambda values: bool(part.literal)
        return self._switch(self.text_of(node))

    def _switch(self, text: str) -> Holds:
        self.subjects[text] = Subject()
        return lambda values: bool(values[text])

    def _compared(self, node: ast.Compare) -> Holds | None:
        """None where it is not plainly something compared with literals."""
        operands = [node.left, *node.comparators]
        found: list[Holds] = []
        for sign, left, right in zip(node.ops, operands, operands[1:], strict=False):
            if isinstance(sign, ast.In | ast.NotIn):
                one = self._chosen(left, right, isinstance(sign, ast.In))
            elif self.parts[id(right)].literal is not None:
                one = self._judged(left, type(sign), right)
            elif self.parts[id(left)].literal is not None:
                one = self._judged(right, _MIRRORED.get(type(sign), type(sign)), left)
            else:
                one = None
            if one is None:
                return None
            found.append(one)
        return lambda values: all(one(values) for one in found)

    def _judged(self, subject: ast.expr, sign: type[ast.cmpop], literal: ast.expr) -> Holds | None:
        value = self.parts[id(literal)].literal
        text = self._subject(subject, frozenset((value,)))
        operate = SIGNS.get(sign)
        if text is None or operate is None:
            return None
        return lambda values: operate(values[text], value)

    def _chosen(self, subject: ast.expr, choices: ast.expr, wanted: bool) -> Holds | None:
        if not isinstance(choices, ast.List | ast.Tuple):
            return None
        among = frozenset(self.parts[id(choice)].literal for choice in choices.elts)
        text = self._subject(subject, among)
        if text is None:
            return None
        return lambda values: (values[text] in among) is wanted

    def _subject(self, node: ast.expr, literals: frozenset[Any]) -> str | None:
        part = self.parts[id(node)]
        if part.literal is not None or part.type.kind not in _COMPARED:
            return None
        text = self.text_of(node)
        known = self.subjects.get(text, Subject())
        self.subjects[text] = Subject(part.type, known.literals.union(literals))
        return text


def formula_of(
    tree: ast.expr, text_of: Callable[[ast.expr], str], parts: Mapping[int, Part]
) -> Formula:
    """The formula of a condition that the compiler has accepted."""
    reading = _Reading(text_of, parts)
    holds = reading.read(tree)
    return Formula(holds, reading.subjects)
