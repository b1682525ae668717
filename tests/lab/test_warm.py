"""200 phones, 40 agents, 30 calls on a real pair: who notices a crash, a move, an evacuation."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import pytest

from contrib.lab.fleet import Planned
from contrib.lab.fleet_calls import Seen, mix
from contrib.lab.fleet_files import AGENTS_PER_QUEUE, QUEUES
from contrib.lab.fleet_scene import SETTLE_S, Rung, Scene, staged
from contrib.lab.sip_refer import Habit

pytestmark = pytest.mark.alone

AGENTS = AGENTS_PER_QUEUE * len(QUEUES)
FEW = 80
MEDIAN_MS, WORST_MS = 100, 300
RINGS_WITHIN_MS = 1000


@pytest.fixture(params=[22, 16], ids=["asterisk22", "asterisk16"])
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def office(version: int) -> Iterator[Scene]:
    """200 phones and 40 agents, all of them known on pbx-b."""
    with staged(version) as scene:
        assert scene.lab.plan.asterisk == version
        assert scene.open() == (200, AGENTS), "pbx-b knows every phone and agent"
        yield scene


@pytest.fixture
def few(version: int) -> Iterator[Scene]:
    """As many phones as are needed for conversations; they are not registered yet."""
    with staged(version, FEW) as scene:
        assert scene.lab.plan.asterisk == version
        yield scene


def conversations(count: int) -> list[Planned]:
    return [Planned("phone", f"{2041 + n}", f"{2061 + n}") for n in range(count)]


def nobody_noticed(scene: Scene, rung: Rung, *, unplugged: tuple[str, ...] = ()) -> None:
    assert rung.missing == unplugged, rung.why_not
    assert (rung.queues_served, rung.wrongly) == (len(QUEUES), ()), rung.why_not
    assert scene.fleet.registrations == len(scene.fleet.numbers), "no phone registered again"
    assert rung.slowest_ms is not None and rung.slowest_ms < RINGS_WITHIN_MS
    assert set(rung.why_not) == set(unplugged), rung.why_not


def silences(seen: list[Seen]) -> list[float]:
    return [one.silence_ms for one in seen if one.silence_ms is not None]


def test_after_a_crash_every_phone_rings_and_every_queue_is_served(office: Scene) -> None:
    office.begin(mix())
    office.fleet.silence(["2200"])
    office.lab.node("a").kill()
    promoted_at = office.until_address_on_b()
    rung = office.ring_everyone()
    assert rung.began_at - promoted_at < 1, "called within a second of the promotion"
    nobody_noticed(office, rung, unplugged=("2200",))
    office.until_over()


def test_a_planned_move_cuts_nobody_and_refuses_nobody(office: Scene) -> None:
    office.begin(mix())
    asked_at = office.switchover()
    office.until_address_on_b()
    time.sleep(SETTLE_S)
    nobody_noticed(office, office.ring_everyone(office.busy_agents()))
    seen, _ = office.look()
    assert {one.fate for one in seen} == {"stayed"}, seen
    assert max(silences(seen)) < WORST_MS
    office.fleet.hang_up()
    office.until_over()
    assert office.refused(asked_at) == 0


def test_an_evacuation_carries_the_calls_and_nobody_notices(office: Scene) -> None:
    office.begin(mix())
    asked_at = office.switchover("--now")
    office.until_address_on_b()
    office.until_carried()
    nobody_noticed(office, office.ring_everyone(office.busy_agents()))
    seen, _ = office.look()
    fates = {kind: {one.fate for one in seen if one.call.kind == kind} for kind in KINDS}
    assert fates == KINDS, seen
    carried = silences([one for one in seen if one.fate == "carried"])
    assert statistics.median(carried) < MEDIAN_MS
    assert max(carried) < WORST_MS
    office.fleet.hang_up()
    office.until_over()
    assert office.refused(asked_at) == 0


KINDS = {
    **{kind: {"carried"} for kind in ("phone", "service", "queue", "conference", "waiting")},
    "trunk": {"linked"},
}
"""By kind of call, what the lab's policy makes of it: what can't be referred is linked."""


def test_phones_that_do_not_follow_keep_their_calls(few: Scene) -> None:
    habits = [Habit.NAIVE, Habit.DECLINE, Habit.HALF_WAY, Habit.FAILING, Habit.IGNORE]
    calls = conversations(len(habits))
    for call, habit in zip(calls, habits, strict=True):
        # whoever ignores a REFER would lose the call: such a phone is not on the list (lab*)
        maker = "other" if habit is Habit.IGNORE else "lab"
        few.fleet.become([call.by, call.to], habit, f"{maker} {habit}")
    assert few.open() == (FEW, AGENTS)
    few.begin(calls)
    few.switchover("--now")
    few.until_carried()
    seen = dict(zip(habits, few.look()[0], strict=True))
    stayed = {habit for habit, one in seen.items() if one.fate == "stayed"}
    assert stayed == set(Habit) - {Habit.HONOUR, Habit.NAIVE}, seen
    assert seen[Habit.NAIVE].fate == "carried"
    half_way = silences([seen.pop(Habit.HALF_WAY)])
    assert max(half_way) < 8000, "they talk again after the patience of 5 s"
    assert max(silences(list(seen.values()))) < WORST_MS


@pytest.mark.parametrize("which", ["a", "b"])
def test_a_crash_amid_an_evacuation_cuts_only_what_was_there(few: Scene, which: str) -> None:
    assert few.open() == (FEW, AGENTS)
    few.begin(conversations(20))
    few.switchover("--now")
    few.until_carried_are(5)
    died = few.lab.node(which)
    died.kill()
    few.until_over("pbx-b" if which == "a" else "pbx-a")
    if which == "b":
        time.sleep(6)  # what was under way to it is taken back after the patience of 5 s
    seen, _ = few.look()
    spared = [one for one in seen if died.address not in {leg.server for leg in one.legs}]
    assert spared, "the crash came before or after the evacuation"
    assert all(one.fate != "cut" for one in spared), spared
