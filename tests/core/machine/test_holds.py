"""Holds that end by themselves."""

from __future__ import annotations

from orchestrator.core.events import HoldRequested
from tests.core.test_stories import BY, make


def test_a_hold_that_ends_in_time_learns_who_is_active_where_nobody_knows() -> None:
    player = make()
    player.world.nodes["pbx-a"].address, player.world.nodes["pbx-b"].address = False, True
    player.crash()
    player.restart()
    player.run(3.0)
    assert player.state.active == "" and player.state.hold is not None
    player.order(HoldRequested(BY, "maintenance", until=player.world.now + 1.0))
    player.run(4.0)
    assert player.state.hold is not None and player.state.hold.by == "machine"
