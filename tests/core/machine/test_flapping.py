"""Rules move a few times, then a human decides."""

from __future__ import annotations

import json

from orchestrator.core import durable
from orchestrator.core.events import MoveRequested, ReleaseRequested
from orchestrator.core.words import MoveKind
from tests.core.test_stories import BY, make
from tests.simulation.player import Player


def flap(player: Player) -> None:
    """The active dies, and comes back when the other one has taken over."""
    node = player.world.nodes[player.state.active]
    player.world.kill(node)
    player.run(5.0)
    player.world.repair(node)
    player.run(20.0)


def moves(player: Player) -> list[str]:
    return [report.by for report in player.state.history]


def test_the_third_move_within_an_hour_is_a_humans() -> None:
    player = make(automatic_moves=2)
    flap(player)
    flap(player)
    assert moves(player) == ["rule active-dead"] * 2 and player.state.hold is None
    flap(player)
    assert len(moves(player)) == 2 and player.state.hold is not None
    assert player.state.hold.by == "machine"
    (notice,) = [one for one in player.world.told if one.title.startswith("held")]
    for words in (
        "rule active-dead asked for a failover",
        "failover 1 by rule active-dead: active; failover 2 by rule active-dead: active",
        "automatic_moves", "flapping", "Then: release",
    ):  # fmt: skip
        assert words in notice.text


def test_a_release_forgives_and_what_waited_begins() -> None:
    player = make(automatic_moves=2)
    flap(player)
    flap(player)
    player.world.kill(player.world.nodes[player.state.active])
    player.run(5.0)
    assert player.state.hold is not None
    player.order(ReleaseRequested(BY))
    player.run(5.0)
    assert len(moves(player)) == 3 and player.state.hold is None
    record = durable.from_json(json.loads(json.dumps(durable.to_json(player.state))))
    assert record.forgiven_at == player.state.forgiven_at > 0


def test_what_people_order_is_never_counted() -> None:
    player = make(automatic_moves=1)
    for _ in range(4):
        player.order(MoveRequested(MoveKind.SWITCHOVER, BY))
        player.run(10.0)
    flap(player)
    assert moves(player) == [BY] * 4 + ["rule active-dead"] and player.state.hold is None


def test_moves_of_an_hour_ago_are_not_counted() -> None:
    player = make(automatic_moves=1, automatic_within_s=60.0)
    flap(player)
    player.run(60.0)
    flap(player)
    assert len(moves(player)) == 2 and player.state.hold is None
