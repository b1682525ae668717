"""From the text of an expression to Python's syntax tree, with columns that stay true.

Durations such as ``5m`` are no Python. Each is replaced by underscores of the same width, a name
that no fact can have, and remembered by its column.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from typing import Final

from orchestrator.core.language.durations import parse_duration
from orchestrator.core.language.types import Problem

LONGEST: Final = 2000
_TOKEN: Final = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<duration>(?<![\w.])(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+(?!\w))
    |(?P<word>\w+)
    |(?P<wrong>&&|\|\||=>|=<|<>|(?<![=<>!])=(?!=)|!(?!=)|\#|`|;|__)""",
    re.VERBOSE,
)
_HINTS: Final = {
    "&&": "write 'and'",
    "||": "write 'or'",
    "=>": "write '>='",
    "=<": "write '<='",
    "<>": "write '!='",
    "=": "to compare, write '=='",
    "!": "write 'not'",
    "#": "there are no comments inside an expression",
    "`": 'texts stand in quotes: "text"',
    ";": "there is one expression only",
}


@dataclass(frozen=True, slots=True)
class Parsed:
    text: str  # one line, as wide as the original
    tree: ast.expr
    durations: dict[int, float]  # by column of its node
    columns: tuple[int, ...]  # byte offset of the parser → character of the original text

    def column(self, node: ast.AST) -> int:
        return self.columns[getattr(node, "col_offset", 0)]

    def column_of_attribute(self, node: ast.Attribute) -> int:
        """Of the word after the dot. Python may have put other letters into ``node.attr``."""
        end = self.columns[node.end_col_offset or node.col_offset]
        after = self.text.rindex(".", 0, end) + 1
        return end - len(self.text[after:end].lstrip())

    def exactly(self, node: ast.expr) -> str:
        """What the author wrote for this part, to the letter."""
        end = self.columns[node.end_col_offset or node.col_offset]
        return self.text[self.column(node) : end]

    def segment(self, node: ast.expr) -> str:
        """The author's own words for this part, with single spaces."""
        return " ".join(self.exactly(node).split())


def parse_expression(text: str, problems: list[Problem]) -> Parsed | None:
    """The tree, or ``None`` and problems."""
    if len(text) > LONGEST:
        problems.append(Problem(0, f"longer than {LONGEST} characters; split it into rules"))
        return None
    flat = re.sub(r"\s", " ", text.rstrip())
    indent = len(flat) - len(flat.lstrip())
    if indent == len(flat):
        problems.append(Problem(0, "empty; a condition is expected"))
        return None
    found = len(problems)
    source, durations = _replace_durations(flat, problems)
    if len(problems) > found:
        return None
    tree = _parse(source[indent:], indent, problems)
    if tree is None:
        return None
    columns: list[int] = []
    for index, character in enumerate(flat[indent:] + " ", indent):
        columns += [index] * len(character.encode("utf-8", "replace"))
    return Parsed(flat, tree, durations, tuple(columns))


def _replace_durations(flat: str, problems: list[Problem]) -> tuple[str, dict[int, float]]:
    durations: dict[int, float] = {}
    pieces: list[str] = []
    end = 0
    for match in _TOKEN.finditer(flat):
        if match["wrong"]:
            sign = match["wrong"]
            problems.append(Problem(match.start(), f"'{sign}' is not known here; {_HINTS[sign]}"))
        elif match["word"] and set(match["word"]) == {"_"}:
            problems.append(Problem(match.start(), f"unknown name '{match['word']}'"))
        elif match["duration"]:
            try:
                durations[match.start()] = parse_duration(match["duration"])
            except ValueError as error:
                problems.append(Problem(match.start(), str(error)))
            pieces += [flat[end : match.start()], "_" * len(match["duration"])]
            end = match.end()
    return "".join(pieces) + flat[end:], durations


def _parse(source: str, indent: int, problems: list[Problem]) -> ast.expr | None:
    try:
        with warnings.catch_warnings():  # "\d" in a text is no business of Python's
            warnings.simplefilter("ignore")
            return ast.parse(source, mode="eval").body
    except SyntaxError as error:
        message = (error.msg or "not understood").removesuffix(". Perhaps you forgot a comma?")
        column = error.offset - 1 if error.offset else len(source)  # 0: the end came too early
        problems.append(Problem(indent + min(column, len(source)), message))
    except (ValueError, MemoryError, RecursionError):
        problems.append(Problem(indent, "nested too deeply, or holds characters of no use here"))
    return None
