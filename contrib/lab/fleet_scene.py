"""A lab with an orchestrator, 200 phones, 40 agents and calls up: what a move must not disturb."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from contrib.demo.witnesses import Witness
from contrib.lab.errors import LabError
from contrib.lab.fleet import Fleet, Planned
from contrib.lab.fleet_calls import Seen, agents_in_calls, judge, place
from contrib.lab.fleet_files import AGENTS_PER_QUEUE, QUEUES, agents_of
from contrib.lab.lab import Lab
from contrib.lab.service import Service

PHONES = 200
READY_WITHIN_S = 45.0
MOVED_WITHIN_S = 30.0
CARRIED_WITHIN_S = 40.0
UNCHANGED_S = 6.0
SETTLE_S = 1.5


class NewCalls(Witness):
    """A new call every 200 ms, of a phone to the virtual IP or of a customer by the trunk."""

    def __init__(self, lab: Lab, *options: str) -> None:
        pace = ("--interval-ms", "200")
        super().__init__(lab, lab.network.address("client"), "contrib.lab.prober", *pace, *options)

    def refused(self, since: float) -> int:
        """Those begun since then that nobody answered."""
        calls = [one for one in list(self.lines) if one.get("began", 0.0) >= since]
        return sum(one["result"] != "answered" for one in calls)


@dataclass(frozen=True, slots=True)
class Rung:
    """Who rang when everybody was called.

    A queue is served when all its free agents rang and none that is paused did; `wrongly` names
    the paused and the busy agents that rang; `why_not` what the calls that failed were told;
    `slowest_ms` how long a phone took to ring at most; `began_at` is in epoch seconds.
    """

    missing: tuple[str, ...]
    queues_served: int
    wrongly: tuple[str, ...]
    why_not: dict[str, str]
    began_at: float
    slowest_ms: float | None


@dataclass(slots=True)
class Scene:
    """Everything that takes part."""

    lab: Lab
    service: Service
    fleet: Fleet
    calls: Sequence[Planned] = ()
    new: list[NewCalls] = field(default_factory=list)

    def open(self) -> tuple[int, int]:
        """The phones register, the agents log in or pause; waits until pbx-b knows all of them.

        How many phones it reaches and how many agents it has right when the wait is over.
        """
        self.fleet.register()
        self.fleet.staff()
        wanted = (len(self.fleet.numbers), len(QUEUES) * AGENTS_PER_QUEUE)
        deadline = time.monotonic() + READY_WITHIN_S
        while (found := self.on_b()) != wanted and time.monotonic() < deadline:
            time.sleep(0.5)
        return found

    def on_b(self) -> tuple[int, int]:
        """The phones that pbx-b could ring, by its own qualify, and the agents it has right."""
        node, ready, agents = self.lab.node("b"), 0, 0
        for line in node.cli("pjsip show contacts").splitlines():
            ready += " Avail " in line and "Contact:  2" in line
        for queue in QUEUES:
            paused = set(self.fleet.paused(queue))
            for line in node.cli(f"queue show q{queue}").splitlines():
                if "(PJSIP/2" in line:
                    number = line.partition("(PJSIP/")[2][:4]
                    agents += ("paused" in line) == (number in paused)
        return ready, agents

    def begin(self, calls: Sequence[Planned]) -> None:
        """Places the calls, and new ones all the time; from the return on silences count."""
        self.calls = calls
        place(self.fleet, calls)
        trunk = ("--target", self.lab.provider.address, "--number", "5550100")
        self.new = [NewCalls(self.lab), NewCalls(self.lab, *trunk)]
        time.sleep(SETTLE_S)
        self.fleet.watch()
        time.sleep(SETTLE_S)

    def switchover(self, *options: str) -> float:
        """Asks for a planned move; when. LabError with the orchestrator's words if it refuses."""
        at = time.time()
        done = self.service.ask("switchover", "--at-most", "10m", *options, check=False)
        if done.returncode:
            raise LabError(f"The move was refused: {done.stderr or done.stdout}")
        return at

    def look(self) -> tuple[list[Seen], float]:
        """What has become of the calls, and by how much the fleet was late at worst, in ms."""
        legs, late_ms = self.fleet.report()
        return judge(self.lab, legs, self.calls), late_ms

    def fates(self) -> list[str]:
        return [one.fate for one in self.look()[0]]

    def until_address_on_b(self) -> float:
        """When the address was on pbx-b alone; LabError when it does not come."""
        return self._until(lambda: self.lab.vip_holders() == ("b",), "the address is on pbx-b")

    def until_over(self, active: str = "pbx-b") -> float:
        """When the move ended, by the orchestrator's own record."""
        status = self.service.until(
            "the move is over", MOVED_WITHIN_S, phase="steady", active=active, move=None
        )
        return float(status["last_move"]["ended_at"])

    def until_carried(self) -> float:
        """When the last call moved: all have, or nothing changed for six seconds since."""
        deadline = time.monotonic() + CARRIED_WITHIN_S
        last, changed = list[str](), time.time()
        while time.monotonic() < deadline and time.time() < changed + UNCHANGED_S:
            if (now := self.fates()) != last:
                last, changed = now, time.time()
            if "stayed" not in now:
                break
            time.sleep(0.1)
        return changed

    def ring_everyone(self, busy: Iterable[str] = ()) -> Rung:
        """Calls every phone and every queue through the virtual IP, one after the other."""
        stamp = str(time.time_ns() // 1_000_000 % 10**6)
        phones = self.fleet.ring(f"81{stamp}", self.fleet.numbers)
        queues = {f"{700 + one}": one for one in QUEUES}
        lines = self.fleet.ring(f"82{stamp}", list(queues), hold_s=1.0)
        called = set(lines.rang)
        served, wrongly = 0, set[str]()
        for number, queue in queues.items():
            agents, paused = {str(one) for one in agents_of(queue)}, set(self.fleet.paused(queue))
            free = agents - paused - set(busy)
            wrongly |= called & (agents - free)
            served += free <= called and not called & paused and number not in lines.failed
        return Rung(
            missing=tuple(one for one in self.fleet.numbers if one not in phones.rang),
            queues_served=served,
            wrongly=tuple(sorted(wrongly)),
            why_not={**phones.failed, **lines.failed},
            began_at=min(phones.began.values()),
            slowest_ms=phones.slowest_ms,
        )

    def busy_agents(self) -> set[str]:
        return agents_in_calls(self.look()[0])

    def refused(self, since: float) -> int:
        """New calls begun since then, and until now, that nobody answered."""
        for one in self.new:
            one.end()
        return sum(one.refused(since) for one in self.new)

    def until_carried_are(self, calls: int) -> None:
        """Returns amid an evacuation, when so many calls are on pbx-b; LabError if it is late."""
        self._until(lambda: self.fates().count("carried") >= calls, f"{calls} calls are carried")

    def _until(self, true: Callable[[], bool], what: str) -> float:
        deadline = time.monotonic() + MOVED_WITHIN_S
        while not true():
            if time.monotonic() > deadline:
                raise LabError(f"Not within {MOVED_WITHIN_S:g} s: {what}. {self.service.log}")
            time.sleep(0.02)
        return time.time()


@contextlib.contextmanager
def before_others() -> Iterator[None]:
    """What is started within is served before all else that this machine does (`asterisk -p`).

    In life the nodes have machines of their own: what is measured must not be how busy this one is
    with other things.
    """
    was = os.sched_getscheduler(0), os.sched_getparam(0)
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, *was)


@contextlib.contextmanager
def staged(asterisk: int, phones: int = PHONES) -> Iterator[Scene]:
    """A fresh lab with a fresh orchestrator; the phones are made, but not registered."""
    with before_others():
        made = Lab.up(name=f"warm{asterisk}-{os.getpid()}", asterisk=asterisk, phones=phones)
    with made as lab, Service(lab) as service, Fleet(lab) as fleet:
        scene = Scene(lab, service, fleet)
        try:
            service.until_ready()
            yield scene
        finally:
            for one in scene.new:
                one.end()
