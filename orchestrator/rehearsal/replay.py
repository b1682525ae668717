"""Rules over what really happened: what they would have asked for, beside what was done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from orchestrator.core.observe import observe_all
from orchestrator.core.rules import RuleSet
from orchestrator.core.state import Node, Policy
from orchestrator.core.words import Verdict
from orchestrator.rehearsal.capture import Heard, read_capture
from orchestrator.rehearsal.play import Play
from orchestrator.rehearsal.saying import say
from orchestrator.rehearsal.world import World

MOMENT_S: Final = 0.05  # what happens so close together is one moment


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that changed the world at a time."""

    at: float  # epoch seconds
    happen: Callable[[World], None]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the replay. ``done``: it really happened; else the rules would have."""

    at: float
    text: str
    done: bool = False


@dataclass(frozen=True, slots=True)
class Course:
    """A world at its begin, what happens in it, and what was really done."""

    world: World
    happenings: Iterable[Happening]
    done: Sequence[Line] = ()
    since: float = 0.0  # lines before are not told
    until: float | None = None  # it went on until then without a change


def replay(
    rules: RuleSet, world: World, happenings: Iterable[Happening], until: float | None = None
) -> Iterator[Line]:
    """Let the rules live through it; each request is a line. It changes nothing in the course."""
    play = Play(rules, world)
    for happening in happenings:
        if happening.at - world.now > MOMENT_S:
            play.look()
            play.pass_time(happening.at - world.now)
            yield from _told(play)
        happening.happen(world)
    play.look()
    if until is not None and until > world.now:
        play.pass_time(until - world.now)
    yield from _told(play)


def _told(play: Play) -> Iterator[Line]:
    for at, request in play.asked:
        yield Line(at, say(request))
    play.asked.clear()


def beside(would: Iterable[Line], done: Sequence[Line]) -> list[Line]:
    """Both in the order of time; what was done after what would have been at the same time."""
    return sorted([*would, *done], key=lambda line: (line.at, line.done))


def by_captures(files: Mapping[str, Path], policy: Policy) -> Course:
    """Captures by node; the first is of the active one. ``ConfigError``: no such capture."""
    heard = {node: read_capture(path, node) for node, path in files.items()}
    world = World(policy, min(one[0].at for one in heard.values()), well=False)
    world.make_active(next(iter(heard)))
    for node in heard:
        answering(world, node)
    every = sorted((one for node in heard.values() for one in node), key=lambda one: one.at)
    return Course(world, [Happening(one.at, _hearing(one)) for one in every])


def _hearing(heard: Heard) -> Callable[[World], None]:
    def happen(world: World) -> None:
        state = world.state
        node = state.nodes[heard.node]
        if heard.known:
            node = replace(node, missing=node.missing - {heard.known})
        nodes = state.nodes.set(heard.node, node)
        state = replace(state, nodes=nodes)
        seen = observe_all(state, heard.events, heard.at, world.policy)
        world.state = replace(state, nodes=seen.nodes)

    return happen


def answering(world: World, node: str) -> None:
    """A node whose AMI is heard is well, as far as a capture can tell; its lists are unknown."""
    known: Node = world.state.nodes[node]
    known = replace(known, verdict=Verdict.HEALTHY, verdict_why="its AMI was captured",
                    in_sync=True, missing=frozenset({"contacts", "registrations", "channels",
                                                     "queues"}))  # fmt: skip
    world.state = replace(world.state, nodes=world.state.nodes.set(node, known))
    world.regain(node)


def summary(rules: RuleSet, would: Sequence[Line]) -> list[str]:
    """How often each rule would have asked."""
    counts = Counter(line.text.partition(":")[0] for line in would)
    silent = [rule.name for rule in rules.rules if not counts[rule.name]]
    said = [f"{name}: {count} request{'' if count == 1 else 's'}" for name, count in
            sorted(counts.items())]  # fmt: skip
    if silent:
        said.append(f"Asked for nothing: {', '.join(silent)}.")
    return said
