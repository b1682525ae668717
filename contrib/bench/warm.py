"""Who notices when the active node crashes, is moved away from, or is evacuated.

Each run makes a fresh lab with 200 phones (registered once, with pbx-a), five queues with 40
agents and 30 calls of all kinds, and a fresh orchestrator. Then pbx-a is killed (crash), or a
switchover waits for the calls (move) or carries them over (evacuate); a phone's and a customer's
new call are placed every 200 ms all the time. Afterwards every phone and every queue is called
through the virtual IP. One line of JSON a run:

phones, phones_rung     each phone is called once; how many rang
slowest_ring_ms         the longest from the call to its ringing
queues, queues_served   a queue is served when all its free agents rang and no paused one did
registrations_needed    phones that had to register again because they did not ring
calls_up, calls_cut     of the 30; cut is what ended or was dead before we hung up
calls_refused           new calls refused or unanswered (crash: begun after the promotion's end)
refused_until_trunk     crash: those begun after the address had moved, but before the trunk was
                        registered on pbx-b (Asterisk registers a second after it is told to):
                        the provider still sends them to the dead node
worst_silence_ms        the longest that an end of a call that was not cut heard nothing
seconds                 crash: fault to the end of the move. Else the time that the move took by
                        itself: request until new calls land on pbx-b (evacuate: until nothing
                        more is carried), and last call ended until the end of the move
late_ms                 by how much the measuring itself was late at worst
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

from contrib.lab.errors import LabError
from contrib.lab.fleet_calls import mix, summary
from contrib.lab.fleet_files import QUEUES
from contrib.lab.fleet_scene import SETTLE_S, Rung, Scene, staged


def crash(scene: Scene) -> tuple[dict[str, object], float]:
    """Kills pbx-a; the run's line, and since when a refused call counts."""
    began = scene.lab.node("a").kill()
    promoted = scene.until_address_on_b()
    told = called(scene, scene.ring_everyone())
    ended = scene.until_over()
    seen, late_ms = scene.look()
    facts = {
        "seconds": round(ended - began, 2),
        "late_ms": late_ms,
        "refused_until_trunk": scene.refused(promoted) - scene.refused(ended),
    }
    return {**told, **facts, **summary(seen)}, ended


def planned(scene: Scene, *options: str) -> tuple[dict[str, object], float]:
    """Moves to pbx-b; the run's line, and since when a refused call counts."""
    began = scene.switchover(*options)
    landed = scene.until_address_on_b()
    if options:
        landed = max(landed, scene.until_carried())
    time.sleep(SETTLE_S)
    told = called(scene, scene.ring_everyone(scene.busy_agents()))
    seen, late_ms = scene.look()
    scene.fleet.hang_up()
    hung_up = time.time()
    ended = scene.until_over()
    itself_s = landed - began + max(0.0, ended - hung_up)
    return {**told, "seconds": round(itself_s, 2), "late_ms": late_ms, **summary(seen)}, began


def called(scene: Scene, rung: Rung) -> dict[str, object]:
    """The part of the line about the phones; those that did not ring register again."""
    if rung.missing:
        scene.fleet.register(rung.missing)
    phones = len(scene.fleet.numbers)
    return {
        "phones": phones,
        "phones_rung": phones - len(rung.missing),
        "slowest_ring_ms": rung.slowest_ms,
        "queues": len(QUEUES),
        "queues_served": rung.queues_served,
        "registrations_needed": scene.fleet.registrations - phones,
        "wrongly_rung": rung.wrongly,
        "why_not": dict(list(rung.why_not.items())[:3]),
    }


EVENTS = {
    "crash": crash,
    "move": planned,
    "evacuate": lambda scene: planned(scene, "--now"),
}


def one_run(event: str, asterisk: int) -> dict[str, object]:
    """A lab, a service, phones, calls; the event; who noticed."""
    with staged(asterisk) as scene:
        ready, agents = scene.open()
        scene.begin(mix())
        told, since = EVENTS[event](scene)
        refused = scene.refused(since)
        version = scene.lab.plan.asterisk
    was = {"asterisk": version, "phones_ready": ready, "agents_ready": agents}
    return {"event": event, **told, "calls_refused": refused, **was}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("event", choices=tuple(EVENTS))
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
