"""The functions of the rule language."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import translate
from re import compile as compile_pattern
from typing import TYPE_CHECKING, Final

from orchestrator.core.language import values
from orchestrator.core.language.hours import parse_clock, within
from orchestrator.core.language.parts import Part, Window
from orchestrator.core.language.suggest import did_you_mean
from orchestrator.core.language.types import BOOL, NUMBER, Kind, Look, Record, Run, Type

if TYPE_CHECKING:
    from orchestrator.core.language.compiler import Compiler

LONGEST_WINDOW_S: Final = 86400.0
MOST_STARS: Final = 4


@dataclass(frozen=True, slots=True)
class Function:
    usage: str
    doc: str
    fewest: int
    most: int
    compile: Callable[[Compiler, ast.Call], Part]


def _known(compiler: Compiler, call: ast.Call) -> Part:
    run = compiler.compile(call.args[0]).run
    return Part(BOOL, lambda look: run(look) is not None)


def _node(compiler: Compiler, call: ast.Call) -> Part:
    name = _literal_text(compiler, call.args[0], "node")
    nodes = compiler.schema.nodes
    if nodes and name not in nodes:
        hint = did_you_mean(name, nodes)
        raise compiler.refuse(call.args[0], f"the pair has no node '{name}'{hint}")
    record = compiler.schema.roots["active"].record
    return Part(
        Type(Kind.RECORD, of=record), lambda look: look.state.nodes.get(name), path=f"node:{name}"
    )


def _literal_text(compiler: Compiler, argument: ast.expr, function: str) -> str:
    part = compiler.compile(argument)
    if not isinstance(part.literal, str):
        raise compiler.refuse(argument, f"write {FUNCTIONS[function].usage}")
    return part.literal


# --- lists ---------------------------------------------------------------------------------------


def _list(compiler: Compiler, node: ast.expr) -> tuple[Part, Record]:
    part = compiler.compile(node)
    compiler.expect(node, part, Kind.LIST)
    assert part.type.of is not None
    return part, part.type.of


def _comprehension(
    compiler: Compiler, call: ast.Call, node: ast.GeneratorExp, body: ast.expr | None
) -> tuple[values.Listed, Record, Run, Run]:
    """The list, what it holds, which items are chosen, and what is asked of each."""
    loop = node.generators[0]
    nested = len(node.generators) > 1 or compiler.item
    if nested or loop.is_async or not isinstance(loop.target, ast.Name):
        raise compiler.refuse(
            node.elt, "one list at a time: 'x.fact for x in active.trunks if ...'"
        )
    name = loop.target.id
    if name in compiler.schema.roots or name in FUNCTIONS or set(name) == {"_"}:
        raise compiler.refuse(loop.target, f"'{name}' has a meaning already; take another name")
    part, record = _list(compiler, loop.iter)
    before = compiler.parts
    compiler.item = (name, record)
    try:
        conditions = compiler.compile_all([*loop.ifs, *([body] if body else [])])
    finally:
        compiler.item = None
    for child, condition in zip([*loop.ifs, *([body] if body else [])], conditions, strict=True):
        compiler.expect(child, condition, Kind.BOOL)
    runs = [condition.run for condition in conditions]
    asked = runs.pop() if body else values.constant(True)
    parsed, parts = compiler.parsed, 0 if record.few else compiler.parts - before
    compiler.budget.parts += parts
    text, whole = parsed.segment(loop.iter), parsed.exactly(call)
    listed = values.Listed(part.run, text, whole, parts, compiler.budget)
    return listed, record, values.junction(runs, False), asked


def _quantifier(decides: bool) -> Callable[[Compiler, ast.Call], Part]:
    def compile_quantifier(compiler: Compiler, call: ast.Call) -> Part:
        argument = call.args[0]
        if not isinstance(argument, ast.GeneratorExp):
            usage = FUNCTIONS["any" if decides else "all"].usage
            raise compiler.refuse(argument, f"write {usage}")
        listed, record, chosen, body = _comprehension(compiler, call, argument, argument.elt)
        compiler.items_of[id(call)] = (listed.items, record, body)
        return Part(BOOL, listed.ask(values.quantifier(chosen, body, decides)))

    return compile_quantifier


def _count(compiler: Compiler, call: ast.Call) -> Part:
    argument = call.args[0]
    if not isinstance(argument, ast.GeneratorExp):
        return Part(NUMBER, values.size(_list(compiler, argument)[0].run))
    loop = argument.generators[0]
    same = isinstance(argument.elt, ast.Name) and isinstance(loop.target, ast.Name)
    if not same or argument.elt.id != loop.target.id:  # type: ignore[attr-defined]
        raise compiler.refuse(argument.elt, "write count(x for x in LIST if CONDITION)")
    listed, _, chosen, _ = _comprehension(compiler, call, argument, None)
    return Part(NUMBER, listed.ask(values.count(chosen)))


# --- counters over a window ----------------------------------------------------------------------


def _window(compiler: Compiler, argument: ast.expr, seconds: float) -> Run:
    kept = len(compiler.facts)
    part = compiler.compile(argument)
    owner = part.attribute
    if owner is None or not owner.counter or not isinstance(argument, ast.Attribute):
        raise compiler.refuse(argument, "this is no counter, such as active.calls_failed")
    record = compiler.compile(argument.value)
    del compiler.facts[kept:]  # in traces the rise is told, not the counter
    path = f"{record.path}.{argument.attr}"
    compiler.windows.add(Window(path, seconds, part.run, record.run))
    compiler.sources.add("clock")
    key = (path, seconds)
    return lambda look: look.increases.get(key)


def _window_seconds(compiler: Compiler, argument: ast.expr) -> float:
    part = compiler.compile(argument)
    if part.type.kind is not Kind.DURATION or part.literal is None:
        raise compiler.refuse(argument, f"this is {part.type}; a window is expected, such as 5m")
    if not 1 <= part.literal <= LONGEST_WINDOW_S:
        raise compiler.refuse(argument, "a window is between 1s and 1d")
    return float(part.literal)


def _increase(compiler: Compiler, call: ast.Call) -> Part:
    run = _window(compiler, call.args[0], _window_seconds(compiler, call.args[1]))
    return _fact(compiler, call, Part(NUMBER, run))


def _ratio(compiler: Compiler, call: ast.Call) -> Part:
    seconds = _window_seconds(compiler, call.args[2])
    above = _window(compiler, call.args[0], seconds)
    below = _window(compiler, call.args[1], seconds)
    run = values.binary(above, below, lambda first, second: first / second)
    return _fact(compiler, call, Part(NUMBER, run))


def _fact(compiler: Compiler, call: ast.Call, part: Part) -> Part:
    if not compiler.item:
        compiler.facts.append((compiler.parsed.segment(call), part))
    return part


# --- hours and texts -----------------------------------------------------------------------------


def _between(compiler: Compiler, call: ast.Call) -> Part:
    first, last = (_clock(compiler, argument) for argument in call.args)
    if first == last:
        raise compiler.refuse(call, "begins where it ends; the whole day needs no condition")
    compiler.sources.add("clock")
    return Part(BOOL, lambda look: within(look.now, look.policy.timezone, (first, last)))


def _clock(compiler: Compiler, argument: ast.expr) -> int:
    text = _literal_text(compiler, argument, "between")
    try:
        return parse_clock(text)
    except ValueError as error:
        raise compiler.refuse(argument, str(error)) from error


def _like(compiler: Compiler, call: ast.Call) -> Part:
    part = compiler.compile(call.args[0])
    compiler.expect(call.args[0], part, Kind.TEXT)
    pattern = _literal_text(compiler, call.args[1], "like")
    if pattern.count("*") > MOST_STARS:
        raise compiler.refuse(call.args[1], f"a pattern has at most {MOST_STARS} stars")
    compiler.mention(call.args[1], part, pattern, pattern=True)
    match = compile_pattern(translate(pattern)).match
    run = part.run

    def like(look: Look) -> bool | None:
        text = run(look)
        return None if text is None else match(text) is not None

    return Part(BOOL, like)


FUNCTIONS: Final[dict[str, Function]] = {
    "any": Function(
        "any(x.fact for x in LIST if CONDITION)", "true for at least one", 1, 1, _quantifier(True)
    ),
    "all": Function(
        "all(x.fact for x in LIST if CONDITION)",
        "true for every one, also when there is none",
        1,
        1,
        _quantifier(False),
    ),
    "count": Function(
        "count(LIST) or count(x for x in LIST if CONDITION)", "how many", 1, 1, _count
    ),
    "known": Function(
        "known(FACT)", "true unless the fact is unknown; never unknown", 1, 1, _known
    ),
    "increase": Function(
        "increase(COUNTER, 5m)",
        "by how much a counter rose in the window; after a start, since the start",
        2,
        2,
        _increase,
    ),
    "ratio": Function(
        "ratio(COUNTER, COUNTER, 5m)",
        "rise of the first by rise of the second; unknown while the second did not rise",
        3,
        3,
        _ratio,
    ),
    "between": Function(
        'between("22:00", "06:00")',
        "whether it is this time of day, by the site's clock",
        2,
        2,
        _between,
    ),
    "like": Function(
        'like(TEXT, "62*")', "whether the text fits; * and ? stand for anything", 2, 2, _like
    ),
    "node": Function('node("pbx-a")', "the facts of a node by its name", 1, 1, _node),
}
