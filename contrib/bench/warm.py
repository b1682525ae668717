"""Who notices when the active node crashes, is moved away from, or is evacuated.

Each run makes a fresh lab with 200 phones (registered once, with pbx-a), five queues with 40
agents and 30 calls of all kinds, and a fresh orchestrator. Then pbx-a is killed (crash), or a
switchover waits for the calls (move) or carries them over (evacuate); a phone's and a customer's
new call are placed every 200 ms all the time. Afterwards every phone and every queue is called
through the virtual IP. One line of JSON a run:

phones, phones_rung     each phone is called once; how many rang
queues, queues_served   a queue is served when all its free agents rang and no paused one did
registrations_needed    phones that had to register again because they did not ring
calls_up, calls_cut     of the 30; cut is what ended or was dead before we hung up
calls_refused           new calls refused or unanswered (crash: those begun after the promotion)
worst_silence_ms        the longest that an end of a call that was not cut heard nothing
seconds                 crash: fault to the end of the move. Else the time that the move took by
                        itself: request until new calls land on pbx-b (evacuate: until nothing
                        more is carried), and last call ended until the end of the move
late_ms                 by how much the measuring itself was late at worst
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from contrib.demo.witnesses import Witness
from contrib.lab import Lab
from contrib.lab.errors import LabError
from contrib.lab.fleet import Fleet
from contrib.lab.fleet_calls import Planned, Seen, agents_in_calls, judge, mix, place, summary
from contrib.lab.fleet_files import QUEUES, agents_of
from contrib.lab.service import Service

PHONES = 200
READY_WITHIN_S = 45.0
MOVED_WITHIN_S = 20.0
CARRIED_WITHIN_S = 40.0
SETTLE_S = 2.0
KINDS = ("crash", "move", "evacuate")


class NewCalls(Witness):
    """A new call every 200 ms, of a phone to the virtual IP or of a customer by the trunk."""

    def __init__(self, lab: Lab, *options: str) -> None:
        pace = ("--interval-ms", "200")
        super().__init__(lab, lab.network.address("client"), "contrib.lab.prober", *pace, *options)

    def refused(self, since: float) -> int:
        """Those begun since then that nobody answered."""
        calls = [one for one in list(self.lines) if one.get("began", 0.0) >= since]
        return sum(one["result"] != "answered" for one in calls)


@dataclass(slots=True)
class Scene:
    """Everything that takes part in one run."""

    lab: Lab
    service: Service
    fleet: Fleet
    calls: Sequence[Planned]

    def until_warm(self) -> int:
        """Waits until pbx-b knows every phone; how many it reaches when the wait is over."""
        deadline = time.monotonic() + READY_WITHIN_S
        known = self.reachable_on_b()
        while known < len(self.fleet.numbers) and time.monotonic() < deadline:
            time.sleep(0.5)
            known = self.reachable_on_b()
        return known

    def reachable_on_b(self) -> int:
        """The phones that pbx-b could ring, by its own qualify."""
        told = self.lab.node("b").cli("pjsip show contacts")
        return sum(" Avail " in line and "Contact:  2" in line for line in told.splitlines())

    def judged(self) -> tuple[list[Seen], float]:
        legs, late_ms = self.fleet.report()
        return judge(self.lab, legs, self.calls), late_ms

    def until(self, true: Callable[[], bool], what: str, within_s: float) -> float:
        """When it became true, in epoch seconds; LabError when it did not in time."""
        deadline = time.monotonic() + within_s
        while not true():
            if time.monotonic() > deadline:
                raise LabError(f"Not within {within_s:g} s: {what}. Log: {self.service.log}")
            time.sleep(0.02)
        return time.time()

    def address_is_on_b(self) -> float:
        return self.until(
            lambda: self.lab.vip_holders() == ("b",), "the address is on pbx-b", MOVED_WITHIN_S
        )

    def until_over(self) -> float:
        """When the move ended by the orchestrator's own record."""
        status = self.service.until(
            "the move is over", MOVED_WITHIN_S, phase="steady", active="pbx-b", move=None
        )
        return float(status["last_move"]["ended_at"])

    def until_carried(self) -> float:
        """When the last call moved; the wait ends when nothing changes any more."""
        deadline = time.monotonic() + CARRIED_WITHIN_S
        last, changed = "", time.time()
        while time.monotonic() < deadline and time.time() < changed + 6:
            now = " ".join(one.fate for one in self.judged()[0])
            if now != last:
                last, changed = now, time.time()
            time.sleep(0.25)
        return changed


def ring_everyone(fleet: Fleet, busy: set[str]) -> dict[str, object]:
    """Calls every phone and every queue; phones that did not ring register again."""
    stamp = str(time.time_ns() // 1_000_000 % 10**6)
    rang, failed = fleet.ring(f"81{stamp}", fleet.numbers)
    missing = [one for one in fleet.numbers if one not in rang]
    called, unserved = fleet.ring(f"82{stamp}", [f"{700 + one}" for one in QUEUES], hold_s=1.0)
    served, wrong = 0, set[str]()
    for queue in QUEUES:
        agents = {str(one) for one in agents_of(queue)}
        free = agents - set(fleet.paused(queue)) - busy
        wrong |= called & agents - free
        paused_rang = called & set(fleet.paused(queue))
        served += free <= called and not paused_rang and f"{700 + queue}" not in unserved
    if missing:
        fleet.register(missing)
    return {
        "phones": len(fleet.numbers),
        "phones_rung": len(fleet.numbers) - len(missing),
        "queues": len(QUEUES),
        "queues_served": served,
        "registrations_needed": len(missing),
        "wrongly_rung": sorted(wrong),
        "why_not": dict(list(failed.items())[:3]),
    }


def crash(scene: Scene) -> tuple[dict[str, object], list[Seen], float, float]:
    began = scene.lab.node("a").kill()
    promoted = scene.address_is_on_b()
    told = ring_everyone(scene.fleet, set())
    ended = scene.until_over()
    seen, late_ms = scene.judged()
    facts = {**told, "seconds": round(ended - began, 2), "late_ms": late_ms}
    return facts, seen, began, promoted


def planned(scene: Scene, *, evacuate: bool) -> tuple[dict[str, object], list[Seen], float, float]:
    began = time.time()
    scene.service.ask("switchover", *(["--now"] if evacuate else []), "--at-most", "10m")
    landed = scene.address_is_on_b()
    if evacuate:
        landed = max(landed, scene.until_carried())
    time.sleep(SETTLE_S)
    told = ring_everyone(scene.fleet, agents_in_calls(scene.judged()[0]))
    seen, late_ms = scene.judged()
    scene.fleet.hang_up()
    hung_up = time.time()
    ended = scene.until_over()
    itself_s = landed - began + max(0.0, ended - hung_up)
    facts = {**told, "seconds": round(itself_s, 2), "late_ms": late_ms}
    return facts, seen, began, began


def one_run(kind: str, asterisk: int) -> dict[str, object]:
    """A lab, a service, phones, calls; the event; who noticed."""
    with (
        Lab.up(name=f"warm-{os.getpid()}", asterisk=asterisk, phones=PHONES) as lab,
        Service(lab) as service,
        Fleet(lab) as fleet,
    ):
        scene = Scene(lab, service, fleet, mix())
        service.until_ready()
        fleet.register()
        fleet.staff()
        ready = scene.until_warm()
        place(fleet, scene.calls)
        new = [
            NewCalls(lab),
            NewCalls(lab, "--target", lab.provider.address, "--number", "5550100"),
        ]
        time.sleep(SETTLE_S)
        fleet.watch()
        time.sleep(SETTLE_S)
        if kind == "crash":
            facts, seen, _, since = crash(scene)
        else:
            facts, seen, _, since = planned(scene, evacuate=kind == "evacuate")
        for one in new:
            one.end()
        refused = sum(one.refused(since) for one in new)
    version = {"asterisk": lab.plan.asterisk, "phones_ready": ready}
    return {"event": kind, **facts, **summary(seen), "calls_refused": refused, **version}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("event", choices=KINDS)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--asterisk", type=int, choices=(16, 22), default=22)
    arguments = parser.parse_args(argv)
    for _ in range(arguments.runs):
        try:
            print(json.dumps(one_run(arguments.event, arguments.asterisk)), flush=True)
        except LabError as error:
            print(f"warm: this run could not be measured. {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
