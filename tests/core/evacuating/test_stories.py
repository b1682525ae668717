"""Stories of evacuations, told by the modelled pair under a virtual clock."""

from __future__ import annotations

import json
import random

import pytest

from orchestrator.core import durable, evacuation
from orchestrator.core.evacuating.book import under_way
from orchestrator.core.events import (
    AbortRequested,
    HoldRequested,
    LegSeen,
    MoveRequested,
    ProbeRequested,
)
from orchestrator.core.state import EvacuationPolicy
from orchestrator.core.words import (
    AtDeadline,
    DrainMode,
    LegRole,
    LegStep,
    MoveKind,
    Phase,
    ReferHabit,
)
from tests.simulation.calls import DEAF, GOOD, HALF, LISTED, NAIVE, OTHER, SHY, Talk
from tests.simulation.player import Player, make_policy, shipped_rules
from tests.simulation.world import World

BY = "operator root"
NOW = MoveRequested(MoveKind.SWITCHOVER, BY, evacuate=True)


def make(
    mode: DrainMode = DrainMode.OVERLAP,
    at_deadline: AtDeadline = AtDeadline.WAIT,
    evacuation: EvacuationPolicy | None = None,
    **changes: object,
) -> Player:
    """A healthy pair, pbx-a active; its phones' habits are given call by call."""
    evacuation = evacuation or EvacuationPolicy(user_agents=(*LISTED, "deaf*"), patience_s=2.0)
    policy = make_policy(mode, at_deadline, evacuation=evacuation, **changes)
    world = World(policy, random.Random(0), mode is DrainMode.OVERLAP)
    world.queue = [entry for entry in world.queue if entry[2] != world._new_call]
    player = Player(world, shipped_rules("active-dead", "active-hung", "active-unreachable"))
    player.run(3.0)
    return player


def talk(player: Player, *habits: str, lasts_s: float = 60.0) -> Talk:
    """A conversation of two phones of these habits, or one phone with a service."""
    calls = player.world.calls
    number = calls._number + 1
    for place, habit in enumerate(habits):
        calls.phones[1000 + (number + place * 30) % 60] = habit
    player.world.begin_call(player.world.nodes["pbx-a"], lasts_s, len(habits) == 2)
    player.run(0.05)
    return calls.talks[-1]


def nodes_of(one: Talk) -> list[set[str]]:
    return [set(leg.at) for leg in one.legs]


def lines(player: Player, words: str) -> list[str]:
    return [line for _, line in player.world.line if words in line]


def report(player: Player):  # type: ignore[no-untyped-def]
    return player.state.history[-1]


@pytest.mark.parametrize("mode", list(DrainMode))
@pytest.mark.parametrize("habits", [(GOOD,), (NAIVE,), (GOOD, GOOD), (NAIVE, GOOD), (NAIVE, NAIVE)])
def test_calls_of_phones_that_follow_are_carried_over(
    mode: DrainMode, habits: tuple[str, ...]
) -> None:
    player = make(mode)
    one = talk(player, *habits)
    player.order(NOW)
    player.run(2.0)
    assert nodes_of(one) == [{"pbx-b"}] * len(habits) and not one.over
    assert player.state.active == "pbx-b" and report(player).outcome == "active"
    assert report(player).carried == 1 and "1 call carried to pbx-b" in report(player).sentence
    assert player.world.cut_calls == 0


@pytest.mark.parametrize("habit", [GOOD, NAIVE])
def test_members_of_a_conference_are_sent_once_each(habit: str) -> None:
    player = make()
    for phone in (1001, 1002, 1003):
        player.world.calls.phones[phone] = habit
        player.world.calls.begin(player.world.nodes["pbx-a"], 60.0, False, conference=True)
    player.run(0.1)
    player.order(NOW)
    player.run(3.0)
    assert len(lines(player, "asked: Evacuate")) == report(player).carried == 3
    assert all(nodes_of(one) == [{"pbx-b"}] for one in player.world.calls.talks)


def test_thirty_calls_are_gone_in_seconds() -> None:
    player = make()
    for n in range(29):
        talk(player, GOOD, *([NAIVE] if n % 2 else []))
    player.order(NOW)
    player.run(3.0)
    assert player.state.phase is Phase.STEADY and report(player).carried == 29
    assert not player.world.calls.lost


def test_of_a_user_agent_that_was_only_listed_one_call_goes_first() -> None:
    player = make()
    talks = [talk(player, DEAF) for _ in range(5)]
    player.order(NOW)
    player.run(60.0)
    assert sum(one.over == "a phone ignored its REFER" for one in talks) == 1
    assert player.state.habits["deaf 1.0"].habit is ReferHabit.IGNORES


def test_at_most_so_many_calls_are_under_way() -> None:
    player = make(evacuation=EvacuationPolicy(user_agents=LISTED, at_once=3, patience_s=2.0))
    for _ in range(12):
        talk(player, GOOD)
    player.order(NOW)
    most = 0
    for _ in range(40):
        player.run(0.05)
        if player.state.move is not None:
            most = max(most, evacuation.tally(player.state.move).under_way)
    assert most == 3 and report(player).carried == 12


def test_callers_who_wait_keep_their_places_in_line() -> None:
    player = make()
    calls = player.world.calls
    calls.phones.update(dict.fromkeys(range(1000, 1060), GOOD))
    for _ in range(5):
        calls.begin(player.world.nodes["pbx-a"], 60.0, False, waiting=True)
    player.run(0.2)
    before = list(calls.line.at["pbx-a"])
    player.order(NOW)
    for _ in range(120):
        player.run(0.05)
        on_the_way = under_way(player.state.move) if player.state.move else ()
        assert len(on_the_way) <= 1, "two at once could change places"
    assert player.state.active == "pbx-b"
    assert (calls.line.at["pbx-a"], calls.line.at["pbx-b"]) == ([], before)


def test_a_leg_alone_that_was_sent_is_called_back_when_the_move_turns() -> None:
    player = make()
    one = talk(player, HALF)
    player.order(NOW)
    player.run(0.6)
    assert lines(player, "asked: Evacuate") and not lines(player, "asked: Rejoin")
    player.order(AbortRequested(BY))
    player.run(5.0)
    assert lines(player, "asked: Rejoin") and not one.over
    assert player.state.active == "pbx-a" and player.state.move is None


@pytest.mark.parametrize(
    ("link", "where"),
    [(True, [{"pbx-b"}, {"pbx-a", "pbx-b"}]), (False, [{"pbx-a"}, {"pbx-a"}])],
)
def test_somebody_behind_the_trunk_is_linked_where_the_site_wants_it(
    link: bool, where: list[set[str]]
) -> None:
    player = make(evacuation=EvacuationPolicy(user_agents=LISTED, link_others=link))
    player.world.calls.phones.update(dict.fromkeys(range(1000, 1060), GOOD))
    player.world.begin_call(player.world.nodes["pbx-a"], 60.0, pair=True, trunk=True)
    player.run(0.2)
    player.order(NOW)
    player.run(4.0)
    assert nodes_of(player.world.calls.talks[-1]) == where


def test_a_phone_that_declines_is_linked_and_its_call_is_waited_for() -> None:
    player = make()
    one = talk(player, GOOD, SHY, lasts_s=15.0)
    player.order(NOW)
    player.run(8.0)
    assert nodes_of(one) == [{"pbx-b"}, {"pbx-a", "pbx-b"}]
    assert player.state.phase is Phase.DRAINING
    told = [notice.text for notice in player.world.told if "stay on pbx-a" in notice.title]
    assert len(told) == 1 and "1031 declined (603)" in told[0]
    player.run(10.0)
    assert report(player).linked and not player.world.calls.lost
    assert player.state.habits["shy 1.0"].habit is ReferHabit.DECLINES


def test_what_cannot_go_stays_with_the_reason_and_ends_by_itself() -> None:
    player = make()
    one, other = talk(player, OTHER, lasts_s=12.0), talk(player, GOOD)
    player.order(NOW)
    player.run(8.0)
    assert nodes_of(one) == [{"pbx-a"}] and nodes_of(other) == [{"pbx-b"}]
    player.run(8.0)
    assert report(player).carried == 1 and len(report(player).stayed) == 1
    assert "not known whether other 1.0 follows a REFER" in report(player).stayed[0]


def test_a_phone_that_stops_half_way_is_called_back() -> None:
    player = make()
    one = talk(player, HALF)
    player.order(NOW)
    player.run(7.0)
    assert not one.over and nodes_of(one) == [{"pbx-a"}]
    assert lines(player, "asked: Rejoin") and player.state.habits["half-way 1.0"]
    assert player.state.phase is Phase.DRAINING


@pytest.mark.parametrize("habit", [HALF, DEAF])
def test_a_leg_whose_hang_up_is_never_told_is_not_waited_for(habit: str) -> None:
    player = make()
    one = talk(player, habit, lasts_s=12.0)
    player.order(NOW)
    player.run(11.0)
    assert not one.over and player.state.phase is Phase.DRAINING
    player.run(8.0)
    assert one.over and player.state.active == "pbx-b" and player.state.phase is Phase.STEADY
    assert len(lines(player, "asked: Recount(pbx-a)")) in (2, 3)


def test_the_leg_that_is_left_alone_is_linked() -> None:
    player = make()
    one = talk(player, GOOD, HALF)
    player.order(NOW)
    player.run(8.0)
    assert not one.over and nodes_of(one) == [{"pbx-b"}, {"pbx-a", "pbx-b"}]


def test_the_deadline_may_evacuate() -> None:
    player = make(at_deadline=AtDeadline.EVACUATE, drain_deadline_s=4.0)
    one = talk(player, GOOD, GOOD)
    player.order(MoveRequested(MoveKind.SWITCHOVER, BY))
    player.run(3.0)
    assert nodes_of(one) == [{"pbx-a"}] * 2
    player.run(3.0)
    assert nodes_of(one) == [{"pbx-b"}] * 2 and player.state.active == "pbx-b"


def test_without_an_evacuation_configured_it_is_refused_with_what_to_do() -> None:
    player = make()
    policy = make_policy()
    player.engine = type(player.engine)(policy, player.engine.rules)
    answer = player.order(NOW)
    assert "configure `evacuation:`" in answer and player.state.move is None


def test_a_failover_carries_nothing_over() -> None:
    answer = make().order(MoveRequested(MoveKind.FAILOVER, BY, evacuate=True))
    assert "a failover carries no calls over" in answer


def test_nothing_is_sent_while_the_new_node_is_not_seen() -> None:
    player = make(drain_deadline_s=300.0)
    one = talk(player, OTHER)
    player.order(NOW)
    player.run(2.0)
    player.world.nodes["pbx-b"].ami_broken = True
    player.run(1.0)
    two = talk(player, GOOD)
    player.run(3.0)
    assert nodes_of(two) == [{"pbx-a"}] and not lines(player, "asked: Evacuate")
    player.world.nodes["pbx-b"].ami_broken = False
    player.run(3.0)
    assert nodes_of(two) == [{"pbx-b"}] and nodes_of(one) == [{"pbx-a"}]


@pytest.mark.parametrize("after_s", [0.3, 0.35, 0.4, 0.45, 0.5])
def test_the_new_node_dying_in_the_middle_costs_only_what_it_had(after_s: float) -> None:
    player = make(evacuation=EvacuationPolicy(user_agents=LISTED, at_once=1, patience_s=2.0))
    talks = [talk(player, GOOD, GOOD) for _ in range(6)]
    player.order(NOW)
    player.run(after_s)
    player.world.kill(player.world.nodes["pbx-b"])
    player.run(8.0)
    assert player.state.active == "pbx-a" and report(player).outcome == "rolled-back"
    assert not [one for one in talks if one.over and one.over != "a node died"]
    left = [one for one in talks if not one.over]
    assert len(left) >= 3 and all(nodes_of(one) == [{"pbx-a"}] * 2 for one in left)


def test_the_old_node_dying_in_the_middle_completes_the_move() -> None:
    player = make()
    talk(player, HALF)
    player.order(NOW)
    player.run(1.0)
    player.world.kill(player.world.nodes["pbx-a"])
    player.run(2.0)
    assert player.state.active == "pbx-b" and report(player).lost


@pytest.mark.parametrize("after_s", [0.3, 0.35, 0.4, 0.45, 0.5, 0.6])
@pytest.mark.parametrize("away_s", [0.3, 3.0])
def test_a_restart_in_the_middle_goes_on(after_s: float, away_s: float) -> None:
    player = make(evacuation=EvacuationPolicy(user_agents=LISTED, at_once=2, patience_s=2.0))
    talks = [talk(player, *habits) for habits in [(GOOD, NAIVE), (GOOD,), (NAIVE,), (GOOD, GOOD)]]
    player.order(NOW)
    player.run(after_s)
    player.crash()
    player.run(away_s)
    player.restart()
    player.run(15.0)
    assert player.state.active == "pbx-b" and not [one for one in talks if one.over]
    assert all(nodes_of(one) == [{"pbx-b"}] * len(one.legs) for one in talks)
    assert report(player).carried + len(report(player).linked) == 4


def test_the_record_survives_json_in_the_middle() -> None:
    player = make()
    talk(player, GOOD, HALF)
    talk(player, SHY)
    player.order(NOW)
    for _ in range(60):
        player.run(0.05)
        written = durable.to_json(player.state)
        record = durable.from_json(json.loads(json.dumps(written)))
        again = durable.to_json(player.engine.resume(record, player.world.now))
        assert json.dumps(again, sort_keys=True) == json.dumps(written, sort_keys=True)
    assert player.state.habits and player.state.move and player.state.move.evacuation


def test_an_abort_lets_what_moves_arrive_and_leaves_the_rest() -> None:
    player = make(evacuation=EvacuationPolicy(user_agents=LISTED, at_once=1, patience_s=2.0))
    talks = [talk(player, GOOD, NAIVE) for _ in range(5)]
    player.order(NOW)
    player.run(0.4)
    player.order(AbortRequested(BY))
    player.run(5.0)
    assert report(player).outcome == "aborted" and player.state.active == "pbx-a"
    assert not [one for one in talks if one.over] and report(player).carried >= 1
    assert {frozenset(at) for one in talks for at in nodes_of(one)} == {
        frozenset({"pbx-a"}), frozenset({"pbx-b"}),
    }  # fmt: skip


def test_words_about_unknown_calls_change_nothing() -> None:
    player = make()
    for call in ("9-9", ""):
        player.step([LegSeen("pbx-a", call, LegRole.FIRST, LegStep.MOVED)])
    assert player.state.move is None and not player.state.habits


# --- test calls


def idle(player: Player, **habits: str) -> None:
    """Phones 1001, 1002, ... of these habits, registered and idle."""
    a = player.world.nodes["pbx-a"]
    for phone, habit in enumerate(habits.values(), 1001):
        player.world.calls.phones[phone] = habit
        player.world.tell_ami(a, player.world.calls.contact(a, phone))
    player.run(0.1)


def test_phones_are_probed_one_after_another_and_one_for_each_user_agent() -> None:
    player = make()
    idle(player, a=GOOD, b=GOOD, c=DEAF)
    answer = player.order(ProbeRequested(BY, ("1001", "1002", "1003", "1009")))
    assert "to 1001, 1002, 1003" in answer and "1009 is not registered" in answer
    assert len(lines(player, "asked: ProbePhone")) == 1
    assert "wait for their end" in player.order(ProbeRequested(BY, ("1001",)))
    player.run(1.0)
    asked = lines(player, "asked: ProbePhone")
    assert len(asked) == 2 and "1001" in asked[0] and "1003" in asked[1]
    assert player.state.habits["good 1.0"].habit is ReferHabit.HONOURS
    assert player.state.habits["deaf 1.0"].endpoint == "1003"
    assert player.state.probing is None
    assert any("1003 (deaf 1.0): ignores" in notice.text for notice in player.world.told)


def test_a_phone_in_a_call_is_not_probed_and_nothing_under_hold() -> None:
    player = make()
    talk(player, GOOD)
    assert "1001 is in a call" in player.order(ProbeRequested(BY, ("1001",)))
    assert "no phone was called: none was named" in player.order(ProbeRequested(BY, ()))
    player.order(HoldRequested(BY, "maintenance"))
    assert "release first" in player.order(ProbeRequested(BY, ("1001",)))
    assert not lines(player, "asked: ProbePhone")


def test_a_move_breaks_test_calls_off() -> None:
    player = make()
    idle(player, a=GOOD, b=SHY)
    player.order(ProbeRequested(BY, ("1001", "1002")))
    player.order(NOW)
    player.run(1.0)
    assert player.state.probing is None and len(lines(player, "asked: ProbePhone")) == 1
    assert any("Broken off before 1 more" in notice.text for notice in player.world.told)
