"""Rule packs with one mistake each, such as people and editors make them."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import yaml

from orchestrator.config.rule_models import Do, Messages, RuleModel
from orchestrator.config.yaml_source import read
from orchestrator.core.facts.schema import ROOTS
from orchestrator.core.language.functions import FUNCTIONS
from orchestrator.core.language.types import Kind, Record
from orchestrator.core.rulebook.types import OnUnknown
from orchestrator.core.words import Severity

Place = tuple[str | int, ...]
KEYS: Final = [
    field.alias or name
    for model in (RuleModel, Do, Messages)
    for name, field in model.model_fields.items()
]
WORDS: Final = [
    [one.value for one in Severity],
    [one.value for one in OnUnknown],
    ["switchover", "failover", "failback"],
]
UNITS: Final = ("ms", "s", "m", "h", "d")
DURATION: Final = re.compile(r"(\d+)(ms|s|m|h|d)")
SWAPS: Final = {"and": ["or"], "or": ["and"], "<": ["<=", ">"], "<=": ["<", ">="],
                ">": [">=", "<"], ">=": [">", "<="], "==": ["!="], "!=": ["=="],
                "+": ["-"], "-": ["+"], "*": ["/"], "/": ["*"], "any": ["all"],
                "all": ["any"], "true": ["false"], "false": ["true"]}  # fmt: skip
TOKEN: Final = re.compile(r'"[^"]*"|\d+(?:ms|s|m|h|d)|\d+(?:\.\d+)?|\w+|[<>=!]=|[<>+*/-]')


@dataclass(frozen=True, slots=True)
class Mutant:
    """A pack with one mistake in it."""

    pack: Path
    kind: str
    text: str  # of the whole file


def mutants(pack: Path, random: Random) -> Iterator[Mutant]:
    """One for every part of the pack and every mistake that can be made with it."""
    value = read(pack).value
    for kind, changed in _of_part(value, (), value, random):
        yield Mutant(pack, kind, as_text(changed))


def as_text(value: Any) -> str:
    """As YAML, each text in one line."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=10_000)


def _of_part(
    whole: Any, place: Place, part: Any, random: Random
) -> Iterator[tuple[str, dict[str, Any]]]:
    if place:
        yield "dropped", _with(whole, place)
        for other in _retyped(part, random):
            yield "retyped", _with(whole, place, other)
    if isinstance(part, dict):
        for key, value in part.items():
            for name in _renamed(str(key), KEYS, random):
                yield "key renamed", _with(whole, (*place, key), value, name)
            yield from _of_part(whole, (*place, key), value, random)
    elif isinstance(part, list):
        for index, item in enumerate(part):
            yield from _of_part(whole, (*place, index), item, random)
    elif isinstance(part, str):
        for kind, text in _of_text(str(place[-1]), part, random):
            yield kind, _with(whole, place, text)


def _with(whole: Any, place: Place, value: Any = ..., name: str | None = None) -> Any:
    """A copy in which the part is another one, is gone (...), or has another name."""
    whole = copy.deepcopy(whole)
    owner = whole
    for step in place[:-1]:
        owner = owner[step]
    last = place[-1]
    if value is ...:
        del owner[last]
    elif name is None:
        owner[last] = value
    else:
        items = [(name if key == last else key, item) for key, item in owner.items()]
        owner.clear()
        owner.update(items)
    return whole


def _retyped(part: Any, random: Random) -> Iterator[Any]:
    others: list[Any] = [7, 0.5, True, "word", ["word"], {"word": 1}, None]
    yield from random.sample([other for other in others if type(other) is not type(part)], 2)
    if isinstance(part, str):
        yield [part]
    if isinstance(part, list):
        yield part[0]
    if isinstance(part, str) and (duration := DURATION.fullmatch(part)):
        yield int(duration[1])
        yield duration[1]


def _renamed(name: str, known: Any, random: Random) -> Iterator[str]:
    """A slip of the finger, and another name that is known."""
    at = random.randrange(len(name))
    yield random.choice([name[:at] + name[at + 1 :] or "x", f"{name[:at]}x{name[at:]}"])
    others = [other for other in known if other != name]
    yield from random.sample(others, min(2, len(others)))


def _of_text(key: str, text: str, random: Random) -> Iterator[tuple[str, str]]:
    if key in ("when", "clear_when"):
        yield from _of_expression(text, random)
    elif DURATION.fullmatch(text):
        yield from (("duration", other) for other in _durations(text))
    elif words := next((words for words in WORDS if text in words), None):
        yield from (("word", other) for other in _renamed(text, words, random))
    else:
        yield from _of_message(text, random)


def _of_message(text: str, random: Random) -> Iterator[tuple[str, str]]:
    """Words of a text, and the expressions in it."""
    for match in re.finditer(r"\{([^}]*)\}|[^\s{}]+", text):
        before, after = text[: match.start()], text[match.end() :]
        yield "word dropped", before + after
        if match[1] is None:
            yield "word", before + next(_renamed(match[0], (), random)) + after
            for other in _in_word(match[0]):
                yield "number", before + other + after
            continue
        yield "brace dropped", before + match[0][1:] + after
        for kind, other in _of_expression(match[1], random):
            yield kind, f"{before}{{{other}}}{after}"


def _in_word(word: str) -> Iterator[str]:
    """Other numbers and durations, such as in ``2 per 1h``."""
    if DURATION.fullmatch(word):
        yield from _durations(word)
    elif number := re.search(r"\d+", word):
        for value in (int(number[0]) + 1, int(number[0]) - 1):
            yield f"{word[: number.start()]}{value}{word[number.end() :]}"


def _of_expression(text: str, random: Random) -> Iterator[tuple[str, str]]:
    yield from (("term dropped", other) for other in _without_a_term(text))
    for match in TOKEN.finditer(text):
        token, before, after = match[0], text[: match.start()], text[match.end() :]
        if token == "not":
            yield "not dropped", before + after.lstrip()
        for kind, other in _of_token(token, before, random):
            yield kind, before + other + after


def _of_token(token: str, before: str, random: Random) -> Iterator[tuple[str, str]]:
    if token in SWAPS:
        yield from (("swapped", other) for other in SWAPS[token])
    elif token.startswith('"'):
        words = _words_like(token[1:-1])
        yield from (("word", f'"{word}"') for word in _renamed(token[1:-1], words, random))
    elif DURATION.fullmatch(token):
        yield from (("duration", other) for other in _durations(token))
    elif token[0].isdigit():
        yield from (("number", other) for other in _numbers(token))
    if re.fullmatch(r"[A-Za-z_]\w*", token) and token not in ("and", "or", "not", "for", "in", "t"):
        known = _names_like(token, before)
        yield from (("name", other) for other in _renamed(token, known, random))


def _without_a_term(text: str) -> Iterator[str]:
    """Each of the pieces between ``and`` and ``or`` that stand in no parentheses is left out."""
    cuts, depth = [], 0
    for match in re.finditer(r"[()]|\s(and|or)\s", text):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if match[1] and not depth:
            cuts.append(match.span())
    if not cuts:
        return
    yield text[cuts[0][1] :]
    for index, (begin, _) in enumerate(cuts):
        end = cuts[index + 1][0] if index + 1 < len(cuts) else len(text)
        yield text[:begin] + text[end:]


def _durations(text: str) -> Iterator[str]:
    match = DURATION.fullmatch(text)
    assert match
    number, unit = int(match[1]), match[2]
    yield f"{number + 1}{unit}"
    yield f"{number - 1}{unit}"
    yield from (f"{number}{other}" for other in UNITS if other != unit)
    yield str(number)


def _numbers(text: str) -> Iterator[str]:
    places = len(text.partition(".")[2])
    step = 10.0**-places
    for value in (float(text) + step, float(text) - step, float(text) * 10):
        if value != float(text):
            yield f"{value:.{places}f}"
    yield f'"{text}"'


def _words_like(word: str) -> list[str]:
    """The other words of a fact that can be this word."""
    types = (fact.type for root in ROOTS.values() for fact in root.record.attributes.values())
    return next((list(type_.words) for type_ in types if word in type_.words), [])


def _names_like(name: str, before: str) -> list[str]:
    """Names that would do at the same place: roots, functions, facts of the same type."""
    if name in FUNCTIONS:
        return list(FUNCTIONS)
    owner = re.search(r"(\w+)\.$", before)
    if owner is None:
        root = ROOTS.get(name)
        return [other for other, found in ROOTS.items() if root and found.record is root.record]
    record = ROOTS[owner[1]].record if owner[1] in ROOTS else _record_of_items(name)
    fact = record.attributes[name]
    return [o for o, found in record.attributes.items()
            if found.type == fact.type and found.counter == fact.counter]  # fmt: skip


def _record_of_items(name: str) -> Record:
    node = ROOTS["active"].record.attributes.values()
    lists = [fact.type.of for fact in node if fact.type.kind is Kind.LIST and fact.type.of]
    return next(record for record in lists if name in record.attributes)
