"""Calls carried there and back; legs that Asterisk does not let go; the other kind of drain."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

import pytest

from contrib.lab import Lab
from contrib.lab.fleet import Fleet, Planned
from contrib.lab.fleet_calls import Seen
from contrib.lab.fleet_files import AGENTS_PER_QUEUE, QUEUES
from contrib.lab.fleet_scene import Scene
from contrib.lab.service import Service
from contrib.lab.sip_refer import Habit
from tests.lab.rig import wait_for

pytestmark = pytest.mark.alone

AGENTS = AGENTS_PER_QUEUE * len(QUEUES)
PHONES = AGENTS + 4
PAIR, SERVICE = Planned("phone", "2041", "2042"), Planned("service", "2043", "600")
MOST_MS = 300
WHOLE_MOVE_S = 10


@contextlib.contextmanager
def scene_of(version: int, mode: str) -> Iterator[Scene]:
    name = f"carried{version}-{os.getpid()}"
    made = Lab.up(name=name, asterisk=version, phones=PHONES, mode=mode)
    with made as lab, Service(lab) as service, Fleet(lab) as fleet:
        assert lab.plan.asterisk == version
        scene = Scene(lab, service, fleet)
        service.until_ready()
        yield scene


@pytest.fixture(params=[22, 16], ids=["asterisk22", "asterisk16"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with scene_of(request.param, "overlap") as one:
        yield one


def counted(scene: Scene, node: str) -> tuple[int, int]:
    told = scene.service.status()["nodes"][node]
    return told["calls"], told["channels"]


def talk(scene: Scene, *calls: Planned) -> None:
    """The calls are up, and from now on silences count."""
    scene.calls = calls
    scene.fleet.place(calls)
    time.sleep(1)
    scene.fleet.watch()
    time.sleep(0.5)


def fine(seen: list[Seen]) -> None:
    """Nobody was cut off, and each end still hears the other."""
    for one in seen:
        assert one.fate != "cut", one
        assert one.silence_ms is not None and one.silence_ms < MOST_MS, one


def test_calls_are_carried_there_and_back_and_there_again(scene: Scene) -> None:
    assert scene.open() == (PHONES, AGENTS)
    talk(scene, PAIR, SERVICE)
    for old, new in (("pbx-a", "pbx-b"), ("pbx-b", "pbx-a"), ("pbx-a", "pbx-b")):
        asked_at = scene.switchover("--now")
        scene.until_over(new)
        moved = scene.service.status()["last_move"]
        assert moved["ended_at"] - asked_at < WHOLE_MOVE_S, "no trunk's leg is waited for"
        assert (moved["carried"], moved["linked"], moved["stayed"], moved["lost"]) == (
            2, [], [], [],
        ), moved  # fmt: skip
        heard = {leg.phone: leg.heard for one in scene.look()[0] for leg in one.legs}
        time.sleep(0.5)
        fine(scene.look()[0])
        assert all(leg.heard > heard[leg.phone] for one in scene.look()[0] for leg in one.legs)
        assert (counted(scene, old), counted(scene, new)) == ((0, 0), (2, 3))
    told = story(scene)
    for word in ("first", "second", "service", "waiting"):
        assert f"with {word}:" not in told, "an extension of the dialplan is nobody's number"
    scene.fleet.hang_up()
    wait_for(lambda: counted(scene, "pbx-b") == (0, 0), "nothing is left")


def test_a_waiting_caller_who_was_carried_goes_on_after_the_queue_as_the_site_says(
    scene: Scene,
) -> None:
    """On the way back he stands in the evacuation's own dialplan, which is no place to go on in."""
    scene.open()
    talk(scene, Planned("waiting", "2044", "709"))
    for old, new in (("a", "b"), ("b", "a")):
        scene.switchover("--now")
        scene.until_over(f"pbx-{new}")
        assert "Queue" in scene.lab.node(new).cli("core show channels"), f"from pbx-{old}"
    node = scene.lab.node("a")
    wait_for(lambda: "Echo" in node.cli("core show channels"), "the queue's time is over", 20)
    (seen,) = scene.look()[0]
    assert seen.fate != "cut" and seen.legs[0].server == node.address


def test_a_leg_that_asterisk_lists_though_it_is_over_is_not_waited_for(scene: Scene) -> None:
    scene.fleet.become([SERVICE.by], Habit.HALF_WAY, "lab half-way")
    assert scene.open() == (PHONES, AGENTS)
    talk(scene, SERVICE)
    scene.switchover("--now")
    scene.until_address_on_b()
    wait_for(lambda: "stays on pbx-a" in story(scene), "it was called back", 20)
    scene.fleet.hang_up()
    scene.until_over("pbx-b")
    listed = scene.lab.node("a").cli("core show channels concise")
    assert f"PJSIP/{SERVICE.by}-" in listed, "Asterisk still lists it"
    assert counted(scene, "pbx-a") == (0, 0)
    scene.service.end()
    scene.service.start()  # and a snapshot does not bring it back
    scene.service.until_ready("pbx-b")
    assert counted(scene, "pbx-a") == (0, 0)


def story(scene: Scene) -> str:
    return scene.service.ask("history", "--limit", "200").stdout


def test_a_site_that_drains_first_carries_its_calls_over_before_the_address_moves() -> None:
    with scene_of(22, "single") as scene:
        assert scene.open() == (PHONES, AGENTS)
        talk(scene, PAIR, SERVICE)
        scene.switchover("--now")
        scene.until_over("pbx-b")
        fine(scene.look()[0])
        assert scene.service.status()["last_move"]["carried"] == 2
        assert counted(scene, "pbx-b") == (2, 3)
