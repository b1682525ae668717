"""The journal's record: through JSON and back at every step of a move, nothing is lost."""

from __future__ import annotations

import json

import pytest

from orchestrator.core import durable
from orchestrator.core.events import MoveRequested
from orchestrator.core.words import DrainMode, MoveKind, Phase
from tests.core.test_stories import BY, call, make


@pytest.mark.parametrize("mode", list(DrainMode))
def test_the_record_survives_json_at_every_step_of_a_move(mode: DrainMode) -> None:
    player = make(mode, own_address_dialogs=mode is DrainMode.OVERLAP)
    call(player, 2.0)
    player.order(MoveRequested(MoveKind.SWITCHOVER, BY, reason="new kernel"))
    phases = set()
    for _ in range(80):
        player.run(0.05)
        phases.add(player.state.phase)
        written = durable.to_json(player.state)
        record = durable.from_json(json.loads(json.dumps(written)))
        resumed = player.engine.resume(record, player.world.now)
        again = durable.to_json(resumed)
        assert json.dumps(again, sort_keys=True) == json.dumps(written, sort_keys=True)
        assert resumed.phase is Phase.LEARNING and resumed.epoch == player.state.epoch
    assert Phase.DRAINING in phases and Phase.STEADY in phases


def test_a_record_of_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format 99"):
        durable.from_json({"format": 99})


def test_a_move_between_nodes_that_are_no_longer_configured_is_dropped() -> None:
    player = make()
    call(player, 30.0)
    player.order(MoveRequested(MoveKind.SWITCHOVER, BY))
    data = json.loads(json.dumps(durable.to_json(player.state)))
    data["move"]["to_node"] = "pbx-z"
    assert player.engine.resume(durable.from_json(data), 9.0).move is None
