"""Random expressions of a small world of their own, each as ours and as Python's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from types import SimpleNamespace
from typing import Any, Final, TypeAlias

from hypothesis import strategies as st

from orchestrator.core.language.types import (
    BOOL,
    DURATION,
    NUMBER,
    TEXT,
    Attribute,
    Kind,
    Look,
    Record,
    Root,
    Schema,
    Type,
)

Both: TypeAlias = tuple[str, str]  # the same expression: in our language, in Python
WORDS: Final = ("red", "green", "blue")
TEXTS: Final = ("", "6201", "6202", "front desk", "É")
PATTERNS: Final = ("*", "62*", "620?", "[ef]*", "*desk", "6201")
TYPES: Final[dict[str, Type]] = {
    "b": BOOL, "n": NUMBER, "d": DURATION, "w": Type(Kind.WORD, WORDS), "t": TEXT,
}  # fmt: skip
FACTS: Final = tuple(f"{kind}{number}" for kind in TYPES for number in (1, 2))
VALUES: Final[dict[str, st.SearchStrategy[Any]]] = {
    "b": st.booleans(),
    "n": st.integers(-3, 12).map(float) | st.sampled_from([0.5, 2.25]),
    "d": st.sampled_from([0.0, 1.0, 60.0, 90.0, 3600.0]),
    "w": st.sampled_from(WORDS),
    "t": st.sampled_from(TEXTS),
}

# --- the world -----------------------------------------------------------------------------------


def _facts() -> dict[str, Attribute]:
    def read(name: str) -> Any:
        return lambda thing, _: getattr(thing, name)

    return {name: Attribute(TYPES[name[0]], "", read(name), ("any",)) for name in FACTS}


THING: Final = Record("thing", "", _facts(), label="t1")
_THINGS: Final = Attribute(
    Type(Kind.LIST, of=THING), "", lambda box, _: box.things, ("any",)
)  # fmt: skip
BOX: Final = Record("box", "", {**_facts(), "things": _THINGS})


def schema() -> Schema:
    """Of one root, ``box``; its object stands in the place of the pair."""
    return Schema({"box": Root(BOX, "", lambda look: look.state)})


@st.composite
def things(draw: st.DrawFn, unknown: bool) -> SimpleNamespace:
    """Facts of a thing; some of them may be unknown."""
    maybe = {kind: st.none() | known if unknown else known for kind, known in VALUES.items()}
    return SimpleNamespace(**{name: draw(maybe[name[0]]) for name in FACTS})


@st.composite
def boxes(draw: st.DrawFn, unknown: bool = False) -> SimpleNamespace:
    box = draw(things(unknown))
    lists = st.lists(things(unknown), max_size=3)
    box.things = draw(st.none() | lists if unknown else lists)
    return box


@st.composite
def filled(draw: st.DrawFn, box: SimpleNamespace) -> SimpleNamespace:
    """One of the boxes that this one could be: its unknown facts have some value."""
    full = _fill(draw, box)
    if box.things is None:
        full.things = draw(st.lists(things(False), max_size=3))
    else:
        full.things = [_fill(draw, thing) for thing in box.things]
    return full


def _fill(draw: st.DrawFn, thing: SimpleNamespace) -> SimpleNamespace:
    known = {n: getattr(thing, n) for n in FACTS if getattr(thing, n) is not None}
    return SimpleNamespace(**{n: known[n] if n in known else draw(VALUES[n[0]]) for n in FACTS})


def look_at(box: SimpleNamespace) -> Look:
    return Look(box, None, 0.0)  # type: ignore[arg-type]  # this schema reads nothing else


def by_python(text: str, box: SimpleNamespace) -> Any:
    """What Python makes of its half. ``ZeroDivisionError`` where it has no value."""

    def count(chosen: Iterable[object]) -> float:
        return float(len(list(chosen)))

    names: Mapping[str, object] = {
        "box": box, "true": True, "false": False, "any": any, "all": all, "count": count,
        "like": fnmatchcase,
    }  # fmt: skip
    return eval(text, {"__builtins__": {}, **names})


# --- expressions ---------------------------------------------------------------------------------


def _same(text: str) -> Both:
    return text, text


def _join(pattern: str, *parts: Both) -> Both:
    ours, pythons = zip(*parts, strict=True)
    return pattern.format(*ours), pattern.format(*pythons)


_SIGNS: Final = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
_EQUAL: Final = st.sampled_from(["==", "!="])
_QUOTED: Final[dict[str, tuple[Any, ...]]] = {"w": WORDS, "t": TEXTS}
_DURATIONS: Final = (("0s", "0.0"), ("1s", "1.0"), ("1m30s", "90.0"), ("1h", "3600.0"))


def _fact(kind: str, owners: tuple[str, ...]) -> st.SearchStrategy[Both]:
    owner = st.sampled_from(owners)
    return st.tuples(owner, st.sampled_from((1, 2))).map(lambda t: _same(f"{t[0]}.{kind}{t[1]}"))


@st.composite
def numbers(draw: st.DrawFn, owners: tuple[str, ...], depth: int) -> Both:
    """A number; plain ones first, so that failures shrink to them."""
    what = draw(st.integers(0, 6 if depth else 1))
    if what == 0:
        number = draw(st.integers(0, 12))
        return str(number), f"{number}.0"
    if what == 1:
        return draw(_fact("n", owners))
    if what == 2:
        return _join("-{}", draw(numbers(owners, 0)))
    if what == 3:
        return _join("({} / {})", *draw(_two(durations(owners, depth - 1))))
    if what == 4 and len(owners) == 1:
        if draw(st.booleans()):
            return "count(box.things)", "count(x for x in box.things)"
        return _join("count(x for x in box.things if {})", draw(truths(("box", "x"), depth - 1)))
    sign = draw(st.sampled_from("+-*/"))
    pattern = draw(st.sampled_from(["({{}} {} {{}})", "{{}} {} {{}}"])).format(sign)
    return _join(pattern, *draw(_two(numbers(owners, depth - 1))))


@st.composite
def durations(draw: st.DrawFn, owners: tuple[str, ...], depth: int) -> Both:
    what = draw(st.integers(0, 5 if depth else 1))
    if what == 0:
        return draw(st.sampled_from(_DURATIONS))
    if what == 1:
        return draw(_fact("d", owners))
    if what == 2:
        sign = draw(st.sampled_from("+-"))
        return _join(f"({{}} {sign} {{}})", *draw(_two(durations(owners, depth - 1))))
    duration, number = draw(durations(owners, depth - 1)), draw(numbers(owners, 0))
    if what == 3:
        return _join("({} * {})", number, duration)
    return _join("({} / {})" if what == 4 else "({} * {})", duration, number)


@st.composite
def truths(draw: st.DrawFn, owners: tuple[str, ...] = ("box",), depth: int = 3) -> Both:
    """Something that is true, false or unknown."""
    what = draw(st.integers(0, 9 if depth else 3))
    if what == 0:
        return draw(_fact("b", owners) | st.sampled_from([_same("true"), _same("false")]))
    if what == 1:
        return draw(_compared(owners, max(depth - 1, 0)))
    if what == 2:
        return draw(_chosen(owners))
    if what == 3:
        text, pattern = draw(_fact("t", owners)), draw(st.sampled_from(PATTERNS))
        return _join("like({}, {})", text, _same(repr(pattern)))
    if what == 4:
        return _join("not {}", draw(truths(owners, depth - 1)))
    if what == 5:
        sign = draw(_EQUAL)
        return _join(f"(({{}}) {sign} ({{}}))", *draw(_two(truths(owners, depth - 1))))
    if what in (6, 7) and len(owners) == 1:
        some = "any" if what == 6 else "all"
        inner = truths(("box", "x"), depth - 1)
        chosen = " if {}" * draw(st.integers(0, 2))
        bodies = [draw(inner) for _ in range(1 + chosen.count("if"))]
        return _join(f"{some}({{}} for x in box.things{chosen})", *bodies)
    word = draw(st.sampled_from(["and", "or"]))
    pattern = draw(st.sampled_from(["({{}} {} {{}})", "{{}} {} {{}}"])).format(word)
    return _join(pattern, *draw(_two(truths(owners, depth - 1))))


@st.composite
def over_lists(draw: st.DrawFn) -> Both:
    """Something short that is asked of every thing, so that each unknown counts."""
    inner = truths(("x",), 0)
    if draw(st.booleans()):
        number = draw(st.integers(0, 3))
        chosen = _join("count(x for x in box.things if {})", draw(inner))
        return _join(f"{{}} {draw(_SIGNS)} {{}}", chosen, (str(number), f"{number}.0"))
    some = draw(st.sampled_from(["any", "all"]))
    if draw(st.booleans()):
        return _join(f"{some}({{}} for x in box.things)", draw(inner))
    return _join(f"{some}({{}} for x in box.things if {{}})", *draw(_two(inner)))


@st.composite
def _compared(draw: st.DrawFn, owners: tuple[str, ...], depth: int) -> Both:
    kind = draw(st.sampled_from(["n", "d", "w", "t"]))
    if kind in _QUOTED:
        literal = st.sampled_from(_QUOTED[kind]).map(lambda word: _same(repr(word)))
        sides = [draw(_fact(kind, owners)), draw(_fact(kind, owners) | literal)]
        return _join(f"{{}} {draw(_EQUAL)} {{}}", *draw(st.permutations(sides)))
    values = numbers(owners, depth) if kind == "n" else durations(owners, depth)
    signs = draw(st.lists(_SIGNS, min_size=1, max_size=3))
    pattern = "{}" + "".join(f" {sign} {{}}" for sign in signs)
    return _join(pattern, *[draw(values) for _ in range(len(signs) + 1)])


@st.composite
def _chosen(draw: st.DrawFn, owners: tuple[str, ...]) -> Both:
    kind = draw(st.sampled_from(["n", "d", "w", "t"]))
    literals: dict[str, list[Both]] = {
        "n": [("0", "0.0"), ("3", "3.0"), ("2.25", "2.25")],
        "d": list(_DURATIONS),
        **{key: [_same(repr(word)) for word in words] for key, words in _QUOTED.items()},
    }
    some = draw(st.lists(st.sampled_from(literals[kind]), min_size=1, max_size=3))
    word = draw(st.sampled_from(["in", "not in"]))
    choices = "[" + ", ".join("{}" for _ in some) + "]"
    return _join(f"{{}} {word} {choices}", draw(_fact(kind, owners)), *some)


def _two(one: st.SearchStrategy[Both]) -> st.SearchStrategy[tuple[Both, Both]]:
    return st.tuples(one, one)
