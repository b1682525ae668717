"""Each story of a move, told by the modelled pair under a virtual clock."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from orchestrator.core.events import (
    AbortRequested,
    ExtendRequested,
    HoldRequested,
    MoveRequested,
    NodeFacts,
    ReleaseRequested,
    Tick,
)
from orchestrator.core.words import AtDeadline, DrainMode, MoveKind, Phase, Severity, Verdict
from tests.simulation.player import Player, make_policy, shipped_rules
from tests.simulation.world import World

BY = "operator root"
SWITCHOVER = MoveRequested(MoveKind.SWITCHOVER, BY)
FAILOVER = MoveRequested(MoveKind.FAILOVER, BY)


def make(
    mode: DrainMode | None = DrainMode.OVERLAP,
    at_deadline: AtDeadline = AtDeadline.WAIT,
    own_address_dialogs: bool = True,
    **changes: object,
) -> Player:
    """A healthy pair, pbx-a active, no calls of its own; learnt and steady."""
    policy = make_policy(mode, at_deadline, **changes)
    world = World(policy, random.Random(0), own_address_dialogs)
    world.queue = [entry for entry in world.queue if entry[2] != world._new_call]
    player = Player(world, shipped_rules("active-dead", "active-hung", "active-unreachable"))
    player.run(3.0)
    assert (player.state.phase, player.state.active) == (Phase.STEADY, "pbx-a")
    return player


def call(player: Player, lasts_s: float, on: str = "pbx-a") -> None:
    player.world.begin_call(player.world.nodes[on], lasts_s)
    player.run(0.1)


def serving(player: Player) -> list[str]:
    return [node.name for node in player.world.nodes.values() if node.serves]


def last_outcome(player: Player) -> str:
    return player.state.history[-1].outcome


def asked(player: Player, words: str) -> list[float]:
    return [at for at, line in player.world.line if line.startswith("asked: " + words)]


# --- unplanned


def test_a_kill_fails_over_within_the_round_trips() -> None:
    player = make()
    killed_at = player.world.now
    player.world.kill(player.world.nodes["pbx-a"])
    player.run(1.0)
    assert player.state.active == "pbx-b" and serving(player) == ["pbx-b"]
    assert player.world.nodes["pbx-b"].trunk
    assert player.state.history[-1].kind is MoveKind.FAILOVER
    # the model runs in steps of 50 ms: second observer, fencing, address
    assert asked(player, "AddAddress(pbx-b)")[0] - killed_at <= 0.25
    assert player.state.epoch == 1


def test_address_and_trunk_are_asked_for_in_one_breath() -> None:
    player = make()
    player.world.kill(player.world.nodes["pbx-a"])
    player.run(1.0)
    assert asked(player, "AddAddress(pbx-b)") == asked(player, "RegisterTrunk(pbx-b")


def test_a_hang_fails_over_at_the_silence_deadline() -> None:
    player = make()
    at = player.world.now
    player.world.nodes["pbx-a"].process = "stopped"
    player.run(0.7)  # its last answer is up to 0.2 s old
    assert player.state.active == "pbx-a" and player.state.move is None
    player.run(1.0)
    assert player.state.active == "pbx-b"
    assert player.state.nodes["pbx-a"].verdict is Verdict.HUNG
    assert "stopped (SIGSTOP)" in player.state.nodes["pbx-a"].verdict_why
    assert 0.75 <= asked(player, "AddAddress(pbx-b)")[0] - at <= 1.5


def test_an_unplugged_active_is_replaced_when_its_guard_must_have_acted() -> None:
    player = make()
    player.world.links["pbx-a"] = player.world.links["between"] = False
    player.run(2.0)
    assert player.state.active == "pbx-b" and serving(player) == ["pbx-b"]
    player.world.repair(player.world.nodes["pbx-a"])
    player.run(5.0)
    assert player.state.active == "pbx-b" and serving(player) == ["pbx-b"]
    assert not player.world.nodes["pbx-a"].trunk  # the upkeep took the standby's registration


def test_without_an_armed_guard_an_unplugged_active_holds_and_calls_a_human() -> None:
    player = make()
    player.world.guarded = False
    player.run(0.5)
    player.world.links["pbx-a"] = player.world.links["between"] = False
    player.run(3.0)
    assert player.state.hold is not None and last_outcome(player) == "held"
    assert not asked(player, "AddAddress(pbx-b)")
    answer = player.order(MoveRequested(MoveKind.FAILOVER, BY, force=True))
    assert "begun" in answer


def test_lost_ami_is_not_death() -> None:
    player = make()
    player.world.nodes["pbx-a"].ami_broken = True
    player.run(30.0)
    assert player.state.active == "pbx-a" and not player.state.history
    assert player.state.nodes["pbx-a"].verdict is Verdict.IMPAIRED


def test_cut_off_from_one_node_that_the_other_still_reaches_does_nothing() -> None:
    player = make()
    player.world.links["pbx-a"] = False
    player.run(20.0)
    assert player.state.active == "pbx-a" and not player.state.history
    assert serving(player) == ["pbx-a"]
    assert player.state.nodes["pbx-a"].verdict is Verdict.UNKNOWN


def test_cut_off_from_both_does_nothing() -> None:
    player = make()
    player.world.links["pbx-a"] = player.world.links["pbx-b"] = False
    player.run(20.0)
    assert not player.state.history and serving(player) == ["pbx-a"]


def test_our_own_stall_is_nobodys_silence() -> None:
    player = make()
    player.stalled_until = player.world.now + 30.0
    player.run(29.0)
    player.world.inbox = []  # what came in meanwhile is lost, too
    player.run(1.5)
    assert not player.state.history
    assert player.state.nodes["pbx-a"].verdict is Verdict.HEALTHY


def test_a_promotion_that_does_not_serve_is_rolled_back() -> None:
    player = make()
    player.world._verify = (  # type: ignore[method-assign]
        lambda command: (False, "no answer to OPTIONS", {}, 0.5)
    )
    player.order(SWITCHOVER)
    player.run(8.0)
    assert last_outcome(player) == "rolled-back"
    assert player.state.active == "pbx-a" and serving(player) == ["pbx-a"]
    assert player.world.nodes["pbx-a"].trunk and not player.world.nodes["pbx-b"].trunk


def test_a_fencing_that_fails_holds_and_says_what_to_do() -> None:
    player = make()
    player.world.nodes["pbx-a"].address_stuck = True
    player.world.kill(player.world.nodes["pbx-a"])
    player.run(5.0)
    assert last_outcome(player) == "held" and not asked(player, "AddAddress(pbx-b)")
    told = [notice for notice in player.world.told if notice.severity is Severity.CRITICAL]
    assert any("failover --force" in notice.text for notice in told)


def test_the_site_may_decide_to_go_on_when_fencing_fails() -> None:
    player = make(proceed_when_fencing_fails=True)
    player.world.nodes["pbx-a"].address_stuck = True
    player.world.kill(player.world.nodes["pbx-a"])
    player.run(5.0)
    assert player.state.active == "pbx-b"


# --- planned


def test_switchover_in_overlap_moves_the_address_first_and_waits_for_the_calls() -> None:
    player = make()
    call(player, 6.0)
    assert "begun" in player.order(SWITCHOVER)
    player.run(2.0)
    assert player.state.phase is Phase.DRAINING and serving(player) == ["pbx-b"]
    assert player.world.nodes["pbx-b"].trunk and not player.world.nodes["pbx-a"].trunk
    player.run(6.0)
    assert player.state.active == "pbx-b" and last_outcome(player) == "active"
    assert player.world.cut_calls == 0
    registered, left = asked(player, "RegisterTrunk(pbx-b"), asked(player, "UnregisterTrunk(pbx-a")
    assert registered[0] < left[0]


def test_switchover_drain_first_moves_the_address_when_empty() -> None:
    player = make(DrainMode.DRAIN_FIRST, own_address_dialogs=False)
    call(player, 6.0)
    player.order(SWITCHOVER)
    player.run(2.0)
    assert player.state.phase is Phase.DRAINING and serving(player) == ["pbx-a"]
    assert player.world.nodes["pbx-a"].drain_flag
    player.run(6.0)
    assert player.state.active == "pbx-b" and serving(player) == ["pbx-b"]
    assert not player.world.nodes["pbx-a"].drain_flag and player.world.cut_calls == 0


@pytest.mark.parametrize(
    ("own", "mode"), [(True, DrainMode.OVERLAP), (False, DrainMode.DRAIN_FIRST)]
)
def test_the_mode_is_found_out_by_a_test_call(own: bool, mode: DrainMode) -> None:
    player = make(None, own_address_dialogs=own)
    call(player, 30.0)
    player.order(SWITCHOVER)
    player.run(1.0)
    assert player.state.move is not None and player.state.move.mode is mode


@pytest.mark.parametrize("mode", list(DrainMode))
def test_abort_while_draining_goes_back(mode: DrainMode) -> None:
    player = make(mode, own_address_dialogs=mode is DrainMode.OVERLAP)
    call(player, 60.0)
    player.order(SWITCHOVER)
    player.run(2.0)
    assert "going back to pbx-a" in player.order(AbortRequested(BY))
    player.run(2.0)
    assert last_outcome(player) == "aborted" and player.state.active == "pbx-a"
    assert serving(player) == ["pbx-a"] and player.world.nodes["pbx-a"].trunk
    assert not player.world.nodes["pbx-a"].drain_flag and player.world.cut_calls == 0


def test_deadline_wait_tells_people_and_waits() -> None:
    player = make(at_deadline=AtDeadline.WAIT, drain_deadline_s=2.0)
    call(player, 8.0)
    player.order(SWITCHOVER)
    player.run(4.0)
    assert player.state.phase is Phase.DRAINING
    assert any("over its deadline" in notice.title for notice in player.world.told)
    player.run(6.0)
    assert player.state.active == "pbx-b" and player.world.cut_calls == 0


def test_deadline_abort_goes_back() -> None:
    player = make(at_deadline=AtDeadline.ABORT, drain_deadline_s=2.0)
    call(player, 60.0)
    player.order(SWITCHOVER)
    player.run(4.0)
    assert player.state.active == "pbx-a" and last_outcome(player) == "rolled-back"


def test_deadline_cut_hangs_up_and_lists_who() -> None:
    player = make(at_deadline=AtDeadline.CUT)
    call(player, 60.0)
    player.order(MoveRequested(MoveKind.SWITCHOVER, BY, at_most_s=2.0))
    player.run(1.5)
    assert player.world.cut_calls == 0
    player.run(3.0)
    assert player.state.active == "pbx-b" and player.world.cut_calls == 1
    assert "1001 with 601" in player.state.history[-1].cut[0]


def test_extend_gives_the_drain_more_time() -> None:
    player = make(at_deadline=AtDeadline.CUT, drain_deadline_s=2.0)
    call(player, 5.0)
    player.order(SWITCHOVER)
    player.run(1.0)
    assert "10 s more" in player.order(ExtendRequested(BY, 10.0))
    player.run(7.0)
    assert player.state.active == "pbx-b" and player.world.cut_calls == 0


def test_stuck_channels_do_not_hold_a_drain_up() -> None:
    player = make(stuck_after_s=1.0)
    call(player, 1000.0)
    player.run(3.0)
    player.order(SWITCHOVER)
    player.run(5.0)
    assert player.state.active == "pbx-b"
    assert asked(player, "HangUp(pbx-a")


def test_the_last_leg_of_a_long_call_that_just_ended_is_not_hung_up_as_stuck() -> None:
    player = make(stuck_after_s=1.0)
    call(player, 5.0)
    player.run(3.0)
    player.order(SWITCHOVER)
    player.run(6.0)
    assert player.state.active == "pbx-b"
    assert not asked(player, "HangUp(pbx-a")


def test_an_empty_picture_that_may_be_stale_is_not_drained() -> None:
    player = make(stale_s=1.0)
    call(player, 2.0)
    player.order(SWITCHOVER)
    player.run(1.0)
    player.world.nodes["pbx-a"].ami_broken = True
    player.run(0.3)
    node = player.state.nodes["pbx-a"]
    empty = replace(node, channels=node.channels.delete("1"))
    player.state = replace(player.state, nodes=player.state.nodes.set("pbx-a", empty))
    player.run(6.0)
    assert player.state.phase is Phase.DRAINING
    player.world.nodes["pbx-a"].ami_broken = False
    player.run(2.0)
    assert player.state.active == "pbx-b"


@pytest.mark.parametrize("mode", list(DrainMode))
def test_a_move_ends_although_no_result_ever_comes(mode: DrainMode) -> None:
    player = make(mode, own_address_dialogs=mode is DrainMode.OVERLAP)
    player.world.lose_results = 1.0
    player.order(SWITCHOVER)
    player.run(60.0)
    assert player.state.move is None and player.state.history


def test_the_old_active_dying_in_an_overlap_drain_completes_at_once() -> None:
    player = make()
    call(player, 60.0)
    player.order(SWITCHOVER)
    player.run(2.0)
    player.world.kill(player.world.nodes["pbx-a"])
    player.run(1.0)
    assert player.state.active == "pbx-b" and last_outcome(player) == "active"


def test_the_old_active_dying_in_a_drain_first_drain_becomes_a_failover() -> None:
    player = make(DrainMode.DRAIN_FIRST, own_address_dialogs=False)
    call(player, 60.0)
    player.order(SWITCHOVER)
    player.run(2.0)
    player.world.kill(player.world.nodes["pbx-a"])
    player.run(1.0)
    assert player.state.active == "pbx-b"
    assert player.state.history[-1].kind is MoveKind.FAILOVER
    player.world.repair(player.world.nodes["pbx-a"])
    player.run(5.0)
    assert not player.world.nodes["pbx-a"].drain_flag  # what was left over is lowered


def test_the_new_active_dying_in_an_overlap_drain_goes_back() -> None:
    player = make()
    call(player, 60.0)
    player.order(SWITCHOVER)
    player.run(2.0)
    player.world.kill(player.world.nodes["pbx-b"])
    player.run(2.0)
    assert player.state.active == "pbx-a" and serving(player) == ["pbx-a"]
    assert last_outcome(player) == "rolled-back" and player.world.cut_calls == 0


def test_failback_goes_to_the_preferred_node() -> None:
    player = make()
    player.world.kill(player.world.nodes["pbx-a"])
    player.run(1.0)
    refused = player.order(MoveRequested(MoveKind.FAILBACK, BY))
    assert "not begun" in refused and "dead" in refused
    player.world.repair(player.world.nodes["pbx-a"])
    player.run(3.0)
    assert "begun" in player.order(MoveRequested(MoveKind.FAILBACK, BY))
    player.run(3.0)
    assert player.state.active == "pbx-a" and last_outcome(player) == "active"
    assert "active already" in player.order(MoveRequested(MoveKind.FAILBACK, BY))


# --- hold, refusals, upkeep


def test_hold_stops_the_rules_and_release_lets_the_failover_begin() -> None:
    player = make()
    player.order(HoldRequested(BY, "maintenance"))
    player.world.kill(player.world.nodes["pbx-a"])
    player.run(5.0)
    assert not player.state.history and player.state.waiting is not None
    player.order(ReleaseRequested(BY))
    player.run(1.0)
    assert player.state.active == "pbx-b"


def test_an_operators_move_is_allowed_under_hold_with_a_hint() -> None:
    player = make()
    player.order(HoldRequested(BY, "maintenance"))
    assert "release when you are done" in player.order(SWITCHOVER)
    player.run(3.0)
    assert player.state.active == "pbx-b"


def test_a_hold_ends_by_itself_at_its_time() -> None:
    player = make()
    player.order(HoldRequested(BY, "maintenance", until=player.world.now + 2.0))
    player.run(1.0)
    assert player.state.hold is not None
    player.run(2.0)
    assert player.state.hold is None


def test_a_second_move_is_refused_with_the_reason() -> None:
    player = make()
    call(player, 30.0)
    player.order(SWITCHOVER)
    answer = player.order(FAILOVER)
    assert "in progress" in answer
    assert not player.state.answers[0].accepted


def test_a_switchover_to_a_standby_that_is_not_ready_is_refused_and_says_why() -> None:
    player = make()
    player.world.nodes["pbx-b"].ami_broken = True
    player.run(5.0)
    answer = player.order(SWITCHOVER)
    assert "not ready" in answer and "AMI" in answer
    assert player.state.move is None


def test_both_holding_the_address_is_ended_at_once() -> None:
    player = make()
    player.check_truth = lambda: None  # type: ignore[method-assign]  # this breaks it on purpose
    player.world.nodes["pbx-b"].address = True
    player.run(1.0)
    assert serving(player) == ["pbx-a"]
    assert any("both nodes hold" in notice.text for notice in player.world.told)


def test_an_address_that_was_lost_is_given_back() -> None:
    player = make()
    player.world.nodes["pbx-a"].address = False
    player.run(2.0)
    assert serving(player) == ["pbx-a"] and not player.state.history


def test_an_address_moved_by_hand_is_not_undone_but_a_human_is_called() -> None:
    player = make()
    player.world.nodes["pbx-a"].address, player.world.nodes["pbx-b"].address = False, True
    player.run(4.0)
    assert player.state.hold is not None and serving(player) == ["pbx-b"]
    player.order(MoveRequested(MoveKind.FAILOVER, BY, to_node="pbx-b"))
    player.run(2.0)
    assert player.state.active == "pbx-b"


def test_the_standbys_trunk_is_unregistered_and_the_actives_registered() -> None:
    player = make()
    a, b = player.world.nodes["pbx-a"], player.world.nodes["pbx-b"]
    a.trunk, b.trunk = False, True
    for node in (a, b):
        player.world.tell_ami(node, player.world._registration(node))
    player.run(4.0)
    assert a.trunk and not b.trunk


def test_the_active_takes_the_trunk_back_before_the_standby_lets_it_go() -> None:
    player = make()
    b = player.world.nodes["pbx-b"]
    b.trunk = True
    player.world.tell_ami(b, player.world._registration(b))
    player.run(4.0)
    back, left = asked(player, "RegisterTrunk(pbx-a"), asked(player, "UnregisterTrunk(pbx-b")
    assert len(back) == len(left) == 1 and back[0] < left[0]


def test_a_standby_that_has_just_started_is_told_once_not_to_register() -> None:
    player = make()
    b = player.world.nodes["pbx-b"]
    player.world.tell_ami(b, NodeFacts("pbx-b", booted_at=player.world.now))
    player.run(6.0)
    assert len(asked(player, "UnregisterTrunk(pbx-b")) == 1
    assert not asked(player, "RegisterTrunk(pbx-a")


def test_a_late_result_of_an_old_order_is_dropped() -> None:
    player = make()
    player.world.double_results = 1.0
    player.order(SWITCHOVER)
    player.run(6.0)
    assert player.state.active == "pbx-b"
    assert not player.state.asked


# --- restarts


@pytest.mark.parametrize("mode", list(DrainMode))
@pytest.mark.parametrize("after_s", [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 1.0])
def test_a_crash_anywhere_in_a_switchover_ends_well(mode: DrainMode, after_s: float) -> None:
    player = make(mode, own_address_dialogs=mode is DrainMode.OVERLAP)
    call(player, 3.0)
    player.order(SWITCHOVER)
    player.run(after_s)
    player.crash()
    player.run(1.0)
    player.restart()
    player.run(12.0)
    assert player.state.move is None and player.state.hold is None
    assert serving(player) == [player.state.active]
    assert player.world.cut_calls == 0


@pytest.mark.parametrize("after_s", [0.05, 0.1, 0.15, 0.2, 0.25, 0.3])
def test_a_crash_anywhere_in_a_failover_ends_with_the_standby_active(after_s: float) -> None:
    player = make()
    player.world.kill(player.world.nodes["pbx-a"])
    player.run(after_s)
    player.crash()
    player.run(0.5)
    player.restart()
    player.run(8.0)
    assert player.state.active == "pbx-b" and serving(player) == ["pbx-b"]


def test_nothing_is_decided_while_learning() -> None:
    player = make()
    player.crash()
    player.world.links["pbx-a"] = False
    player.restart()
    player.run(1.0)
    assert player.state.phase is Phase.LEARNING
    assert "still learns" in player.order(SWITCHOVER)


def test_the_engine_is_pure() -> None:
    player = make()
    batch, now = [Tick()], player.world.now + 0.1
    assert player.engine.step(player.state, batch, now) == player.engine.step(
        player.state, batch, now
    )


def test_commands_carry_rising_epochs() -> None:
    player = make()
    player.order(SWITCHOVER)
    player.run(3.0)
    player.order(SWITCHOVER)
    player.run(3.0)
    assert player.state.active == "pbx-a" and player.state.epoch == 2
