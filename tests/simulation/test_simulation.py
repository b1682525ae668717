"""Thousands of seeded runs: faults, orders, crashes; the invariants hold at every step.

``SIMULATION_SEEDS`` sets how many (default below), ``SIMULATION_FIRST`` the first seed; a failing
seed is printed with its timeline.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from orchestrator.core.events import (
    AbortRequested,
    ExtendRequested,
    HoldRequested,
    MoveRequested,
    ReleaseRequested,
)
from orchestrator.core.state import EvacuationPolicy
from orchestrator.core.words import AtDeadline, DrainMode, MoveKind, Observer, Phase
from tests.simulation.calls import LISTED
from tests.simulation.player import Broken, Player, make_policy, shipped_rules
from tests.simulation.world import NodeModel, World

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "2000"))
FIRST = int(os.environ.get("SIMULATION_FIRST", "0"))
CHUNKS = 12
FAULTY_S = 12.0
LONGEST_MOVE_S = 90.0  # every limit of the policy added up, drain and its calls included


def make_player(seed: int, *, dry_run: bool = False) -> Player:
    rng = random.Random(seed)
    own = rng.random() < 0.6
    mode = rng.choice([None, DrainMode.OVERLAP if own else DrainMode.DRAIN_FIRST])
    lying = rng.random() < 0.3
    policy = make_policy(
        mode,
        rng.choice(list(AtDeadline)),
        drain_deadline_s=rng.choice([2.0, 6.0, 15.0]),
        evacuation=EvacuationPolicy(
            user_agents=(*LISTED, "deaf*") if lying else LISTED,
            link_others=rng.random() < 0.5,
            at_once=rng.choice([1, 3, 10]),
            patience_s=2.0,
        ),
        dry_run=dry_run,
    )
    world = World(policy, rng, own)
    world.lying_phones, world.phone_seed = lying, seed
    world.pairs, world.many_calls = 0.6, rng.choice([1, 1, 4])
    world.trunk_legs, world.waiting = 0.1, 0.2
    world.guarded = rng.random() < 0.75
    if rng.random() < 0.6:
        world.lose_results, world.late_results = rng.uniform(0, 0.2), rng.uniform(0, 0.3)
        world.double_results, world.slow_commands = rng.uniform(0, 0.4), rng.uniform(0, 0.3)
    return Player(world, shipped_rules("active-dead", "active-hung", "active-unreachable"))


def faults(player: Player, rng: random.Random) -> list[tuple[str, Callable[[], None]]]:
    world = player.world
    node = rng.choice(list(world.nodes.values()))
    other = world.peer(node.name)

    def links(up: bool, *names: str) -> None:
        for name in names:
            world.links[name] = up

    def mute() -> None:
        node.muted.add(rng.choice([Observer.AMI, Observer.SIP, Observer.HOST]))

    def attribute(which: NodeModel, name: str, value: object) -> Callable[[], None]:
        return lambda: setattr(which, name, value)

    name = node.name
    return [
        (f"kill {name}", lambda: world.kill(node)),
        (f"kill {name}", lambda: world.kill(node)),
        (f"stop {name}", attribute(node, "process", "stopped")),
        (f"power off {name}", lambda: world.power_off(node)),
        (f"unplug {name}", lambda: links(False, name, "between")),
        (f"cut {name} off from us only", lambda: links(False, name)),
        ("cut the nodes from each other", lambda: links(False, "between")),
        ("cut us off from both", lambda: links(False, name, other.name)),
        (f"plug all of {name} again", lambda: links(True, name, "between")),
        (f"AMI of {name} breaks", attribute(node, "ami_broken", True)),
        (f"an observer of {name} goes blind", mute),
        (f"the host of {name} cannot move addresses", attribute(node, "address_stuck", True)),
        (f"{name} cannot register", attribute(node, "registering_fails", True)),
        (f"repair {name}", lambda: world.repair(node)),
        (f"somebody removes the address from {name}", attribute(node, "address", False)),
        ("the orchestrator crashes", player.crash),
        ("the orchestrator crashes", player.crash),
        ("the orchestrator stalls", lambda: stall(player, rng.uniform(0.5, 4.0))),
    ]


def stall(player: Player, seconds: float) -> None:
    player.stalled_until = player.world.now + seconds


def orders(player: Player, rng: random.Random) -> list[tuple[str, Callable[[], str]]]:
    by = "operator root"

    def move(kind: MoveKind, **more: object) -> Callable[[], str]:
        return lambda: player.order(MoveRequested(kind, by, **more))  # type: ignore[arg-type]

    return [
        ("switchover", move(MoveKind.SWITCHOVER)),
        ("switchover", move(MoveKind.SWITCHOVER)),
        ("switchover", move(MoveKind.SWITCHOVER, at_most_s=1.0)),
        ("switchover, evacuating", move(MoveKind.SWITCHOVER, evacuate=True)),
        ("switchover, evacuating", move(MoveKind.SWITCHOVER, evacuate=True)),
        ("failback", move(MoveKind.FAILBACK)),
        ("failover", move(MoveKind.FAILOVER)),
        ("abort", lambda: player.order(AbortRequested(by))),
        ("extend", lambda: player.order(ExtendRequested(by, 3.0))),
        ("hold", lambda: player.order(HoldRequested(by, "maintenance", player.world.now + 3.0))),
        ("release", lambda: player.order(ReleaseRequested(by))),
    ]


def play(seed: int) -> Player:
    """One run: a time of faults and orders, then repair; at the end the pair must be at rest."""
    player = make_player(seed)
    suffer(player, seed)
    settle(player)
    return player


def suffer(player: Player, seed: int) -> None:
    """A time of faults and orders."""
    world = player.world
    rng = random.Random(seed * 7919 + 1)
    player.run(3.0)
    while world.now < FAULTY_S:
        player.run(rng.choice([0.05, 0.2, 0.6, 1.5, 3.0]))
        if not world.orchestrator_up:
            player.restart()
        elif world.now < player.stalled_until:
            continue
        elif rng.random() < 0.55:
            what, do = rng.choice(faults(player, rng))
            world.say(f"FAULT {what}")
            do()
        else:
            what, order = rng.choice(orders(player, rng))
            world.say(f"ORDER {what}")
            world.say(f"answer: {order()}")


def settle(player: Player) -> None:
    world = player.world
    if not world.orchestrator_up:
        player.restart()
    for node in world.nodes.values():
        world.repair(node)
        node.killed_by_fence = False
    world.lose_results = world.late_results = world.slow_commands = 0.0
    world.say("REPAIRED")
    limit = world.now + LONGEST_MOVE_S
    while world.now < limit:
        player.run(2.0)
        if at_rest(player):
            return
    raise Broken(player.story("not at rest long after everything was repaired"))


def at_rest(player: Player) -> bool:
    state, world = player.state, player.world
    if state.move is not None or state.phase is not Phase.STEADY:
        return False
    if state.hold is not None:
        return state.hold.by != "machine" or any(
            "human is needed" in told.title for told in world.told
        )
    serving = [node.name for node in world.nodes.values() if node.serves]
    flags = any(node.drain_flag for node in world.nodes.values())
    return serving == [state.active] and not flags


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_invariants_hold_for_every_seed(chunk: int) -> None:
    for seed in range(FIRST + chunk, FIRST + SEEDS, CHUNKS):
        try:
            play(seed)
        except Broken as broken:
            pytest.fail(f"seed {seed}: {broken}", pytrace=False)


@pytest.mark.parametrize("seed", [1, 17, 99])
def test_the_same_seed_gives_the_same_run(seed: int) -> None:
    first, second = play(seed), play(seed)
    assert first.world.line == second.world.line
    assert first.state == second.state


def test_the_runs_reach_what_they_are_for() -> None:
    """The seeds exercise every kind of ending and most phases; else the runs prove little."""
    outcomes: set[str] = set()
    fates: set[str] = set()
    phases: set[str] = set()
    for seed in range(FIRST, FIRST + 150):
        player = play(seed)
        outcomes |= {report.outcome for report in player.state.history}
        fates |= {
            fate
            for report in player.state.history
            for fate in ("carried", "linked", "stayed", "lost")
            if getattr(report, fate)
        }
        phases |= {word for _, line in player.world.line if line.startswith("phase")
                   for word in line.replace(",", "").split()}  # fmt: skip
    assert fates == {"carried", "linked", "stayed", "lost"}
    assert outcomes >= {"active", "rolled-back", "aborted", "held"}
    assert phases >= {str(phase) for phase in Phase}


def test_a_dry_run_asks_for_nothing_whatever_happens() -> None:
    """The same faults and orders; what it asks for is looked at in every step."""
    would: set[str] = set()
    for seed in range(FIRST, FIRST + 150):
        player = make_player(seed, dry_run=True)
        try:
            suffer(player, seed)
        except Broken as broken:
            pytest.fail(f"seed {seed}: {broken}", pytrace=False)
        state = player.state
        assert (state.move, state.hold, state.history, state.epoch) == (None, None, (), 0)
        assert not any(line.startswith(("asked: ", "TOLD")) for _, line in player.world.line)
        story = "\n".join(line for _, line in player.world.line)
        would |= {word for word in ("begin, from", "wait, and begin") if f"would {word}" in story}
    assert len(would) == 2, "else the runs prove little"
