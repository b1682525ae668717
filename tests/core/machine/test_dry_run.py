"""A dry run: everything is decided and said, nothing is done."""

from __future__ import annotations

from dataclasses import replace

import pytest
from immutables import Map

from orchestrator.core.commands import Compare
from orchestrator.core.engine import Engine
from orchestrator.core.events import (
    AbortRequested,
    ExtendRequested,
    HoldRequested,
    MoveRequested,
    OperatorEvent,
    ProbeRequested,
    ReleaseRequested,
    RulesReloaded,
    Tick,
)
from orchestrator.core.machine.orders import follow_rule
from orchestrator.core.machine.work import Work
from orchestrator.core.rulebook.types import Ask, Request
from orchestrator.core.rules import RuleSet
from orchestrator.core.state import MirrorPolicy, Pair
from orchestrator.core.words import MirrorKind, MoveKind, Phase, Verdict
from tests.core.machine.test_observing import ARGS
from tests.core.rule_lab import POLICY, START, Play
from tests.core.test_stories import make
from tests.simulation.player import Player

DRY = replace(POLICY, dry_run=True)
BY = "operator root"
ORDERS: tuple[OperatorEvent, ...] = (
    MoveRequested(MoveKind.SWITCHOVER, BY),
    MoveRequested(MoveKind.FAILOVER, BY, force=True),
    AbortRequested(BY),
    ExtendRequested(BY, 60.0),
    HoldRequested(BY, "cabling"),
    ReleaseRequested(BY),
    ProbeRequested(BY, ("1001",)),
)
WOULD = {
    Ask.NOTIFY: "dry run: rule x would tell people: phones are lost: look at the switch",
    Ask.HOLD: "dry run: rule x would ask for hold: the reason",
    Ask.COMMAND: "dry run: rule x would ask for command: the reason",
    Ask.AMI_ACTION: "dry run: rule x would ask for ami_action: the reason",
    Ask.FAILOVER: "dry run: rule x would ask for a failover: the reason; it would begin, from"
    " pbx-a to pbx-b",
    Ask.SWITCHOVER: "dry run: rule x would ask for a switchover: the reason; it would begin, from"
    " pbx-a to pbx-b",
    Ask.FAILBACK: "dry run: rule x would ask for a failback: the reason; it would be refused:"
    " pbx-a is active already",
}


def asked(before: Pair, ask: Ask) -> Work:
    work = Work(before, DRY, START)
    follow_rule(work, Request("x", ask, "the reason", ARGS.get(ask, Map())))
    return work


def notes(player: Player, words: str) -> list[str]:
    return [line for _, line in player.world.line if line.startswith("note:") and words in line]


@pytest.mark.parametrize("ask", list(Ask))
def test_a_rules_request_is_said_with_its_answer(ask: Ask) -> None:
    before = Play(RuleSet(), POLICY).state
    work = asked(before, ask)
    assert work.state.notes == (WOULD[ask],)
    assert work.commands == []
    after = work.state
    assert (after.move, after.hold, after.waiting, after.phase) == (None, None, None, before.phase)


def test_a_failover_that_would_have_to_wait_says_so_and_later_that_it_would_begin() -> None:
    play = Play(RuleSet(), POLICY)
    play.node("pbx-b", verdict=Verdict.UNKNOWN, verdict_why="nothing heard")
    work = asked(play.state, Ask.FAILOVER)
    says = "it would wait, and begin as soon as it may: pbx-b is unknown: nothing heard"
    assert work.state.notes == (f"dry run: rule x would ask for a failover: the reason; {says}",)
    player = make(dry_run=True)
    world = player.world
    world.links["pbx-b"] = False
    player.run(2.0)
    world.kill(world.nodes["pbx-a"])
    player.run(1.0)
    assert notes(player, "it would wait, and begin as soon as it may: pbx-b is")
    assert not notes(player, "it would begin")
    world.links["pbx-b"] = True
    player.run(1.0)
    assert notes(player, "active-dead would ask for a failover")
    assert notes(player, "it would begin, from pbx-a to pbx-b")
    assert player.state.waiting is None


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: type(order).__name__)
def test_an_order_is_refused_with_the_way_out(order: OperatorEvent) -> None:
    before = Play(RuleSet(), POLICY).state
    after, commands = Engine(DRY, RuleSet()).step(before, [order], START)
    (answer,) = after.answers
    assert not answer.accepted
    assert "dry run" in answer.sentence and "without --dry-run" in answer.sentence
    assert commands == ()
    assert (after.move, after.hold, after.probing) == (None, None, None)


def test_rules_can_be_reloaded() -> None:
    before = Play(RuleSet(), POLICY).state
    after, _ = Engine(DRY, RuleSet()).step(before, [RulesReloaded(BY, "7 as before")], START)
    assert after.answers[0].accepted


def test_what_learning_would_tell_and_hold_is_only_said() -> None:
    player = make(dry_run=True)
    assert notes(player, "pbx-a holds the address: it is active")
    assert notes(player, "dry run: would tell people: pbx-a is active")
    nodes = player.world.nodes
    player.crash()
    nodes["pbx-a"].address, nodes["pbx-b"].address = False, True
    player.restart()
    player.run(0.6)
    assert notes(player, "dry run: would hold everything and call a human: pbx-b holds the address")
    assert (player.state.phase, player.state.active) == (Phase.STEADY, "")
    player.run(1.0)
    assert player.state.active == "pbx-b"
    assert player.world.told == []


def test_it_follows_the_address_that_others_move_but_not_at_once() -> None:
    player = make(dry_run=True)
    nodes = player.world.nodes
    nodes["pbx-a"].address, nodes["pbx-b"].address = False, True
    player.run(0.6)
    assert player.state.active == "pbx-a"
    player.run(1.0)
    assert player.state.active == "pbx-b"
    assert notes(player, "pbx-b holds the address and not pbx-a any more")


def test_nothing_is_kept_up() -> None:
    player = make(dry_run=True)
    nodes = player.world.nodes
    nodes["pbx-a"].trunk, nodes["pbx-b"].trunk = False, True
    player.run(30.0)
    nodes["pbx-a"].address = False
    player.run(30.0)
    assert [line for _, line in player.world.line if line.startswith("asked:")] == []


def test_lists_are_compared_and_nothing_is_written() -> None:
    play = Play(RuleSet(), replace(POLICY, mirror=MirrorPolicy()))
    policy = replace(DRY, mirror=MirrorPolicy())
    after, commands = Engine(policy, RuleSet()).step(play.state, [Tick()], START)
    asked_for = [(c.node, c.kind) for c in commands if isinstance(c, Compare)]
    assert sorted(asked_for) == [("pbx-a", MirrorKind.CONTACT), ("pbx-b", MirrorKind.CONTACT)]
    assert len(commands) == len(asked_for)
    assert after.mirror == play.state.mirror
