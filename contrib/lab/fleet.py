"""The lab's many phones, as one object: they register once, call, are called, and report."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from contrib.lab.errors import LabError
from contrib.lab.fleet_files import QUEUES, STATIC_AGENTS, agents_of, phone_numbers
from contrib.lab.lab import Lab
from contrib.lab.sip_refer import Habit

PATIENCE_S = 60.0
PROCESSES = 2


@dataclass(frozen=True, slots=True)
class Leg:
    """One end of a call, as the phone itself saw it. `ended_by`: `us`, `them`, words, or None.

    `silence_ms` is the longest pause between packets since `watch`; `heard` counts them all.
    """

    phone: str
    peer: str
    server: str
    ended_by: str | None
    heard: int
    silence_ms: float | None


@dataclass(frozen=True, slots=True)
class Ringing:
    """When each phone rang first, and each number was called (epoch seconds); why calls failed."""

    rang: dict[str, float]
    failed: dict[str, str]
    began: dict[str, float]

    @property
    def slowest_ms(self) -> float | None:
        """From a call to a phone's own number to its ringing; None when none rang."""
        took = [at - self.began[phone] for phone, at in self.rang.items() if phone in self.began]
        return round(max(took) * 1000, 1) if took else None


@dataclass(frozen=True, slots=True)
class Planned:
    """A call to place. `by` is one phone's or customer's number, used for this call only."""

    kind: str
    by: str
    to: str
    from_trunk: bool = False


class Crew:
    """One process of the fleet, and what it tells."""

    def __init__(self, lab: Lab, numbers: range, addresses: Sequence[str]) -> None:
        self.numbers = numbers
        self.rang: list[tuple[float, str, str]] = []
        """When, which phone, and who called it."""
        self._answers: dict[int, dict[str, Any]] = {}
        self._news = threading.Condition()
        self._orders = 0
        self._process = lab.popen_python(
            "client",
            [
                *("-m", "contrib.lab.fleet_process", "--target", lab.virtual_ip),
                *("--customers", lab.network.address("client"), "--addresses", *addresses),
                *("--phones", f"{numbers.start}-{numbers.stop - 1}"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=1,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            told = json.loads(line)
            with self._news:
                if told["event"] == "rang":
                    self.rang.append((told["at"], told["phone"], told["caller"]))
                elif told["event"] == "done":
                    self._answers[told["n"]] = told
                self._news.notify_all()

    def order(self, do: str, **facts: object) -> int:
        """Sends an order; its number is for `answer`."""
        with self._news:
            self._orders += 1
            number = self._orders
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"n": number, "do": do, **facts}) + "\n")
        return number

    def answer(self, number: int) -> dict[str, Any]:
        """What the order came to; LabError when the process died or says nothing."""
        deadline = time.monotonic() + PATIENCE_S
        with self._news:
            while number not in self._answers:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise LabError("The fleet of phones does not answer: its words are above.")
                self._news.wait(0.5)
            return self._answers.pop(number)

    def ask(self, do: str, **facts: object) -> dict[str, Any]:
        return self.answer(self.order(do, **facts))

    def end(self) -> None:
        assert self._process.stdin
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(5)


class Fleet:
    """The phones of a lab that was made with `phones=`. Numbers are texts throughout.

    The phones register when told and never again by themselves (their registration lasts an
    hour). They share few processes; a customer (any other number) calls from outside.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.numbers = [str(one) for one in phone_numbers(lab.plan.phones)]
        self.registrations = 0
        """How many were asked for in all."""
        first = int(self.numbers[0])
        ends = [first + len(self.numbers) * n // PROCESSES for n in range(PROCESSES + 1)]
        addresses = lab.network.phone_addresses
        self._crews = [
            Crew(lab, range(ends[n], ends[n + 1]), addresses[n::PROCESSES])
            for n in range(PROCESSES)
        ]

    def _crew(self, number: str) -> Crew:
        """A customer's calls are spread over the processes."""
        wanted = int(number)
        for crew in self._crews:
            if wanted in crew.numbers:
                return crew
        return self._crews[wanted % PROCESSES]

    def _everyone(self, do: str, **facts: object) -> list[dict[str, Any]]:
        asked = [(crew, crew.order(do, **facts)) for crew in self._crews]
        return [crew.answer(number) for crew, number in asked]

    def register(self, phones: Iterable[str] = ()) -> None:
        """Registers them (all, when none is named) once; LabError when one could not."""
        wanted = list(phones) or self.numbers
        asked = []
        for crew in self._crews:
            ours = [one for one in wanted if self._crew(one) is crew]
            if ours:
                asked.append((crew, crew.order("register", phones=ours)))
        self.registrations += len(wanted)
        failed = {k: v for crew, number in asked for k, v in crew.answer(number)["failed"].items()}
        if failed:
            raise LabError(f"{len(failed)} phones could not register: {list(failed.items())[:3]}")

    def staff(self) -> None:
        """On pbx-a: three agents log in to each queue; two agents of each queue pause."""
        node = self.lab.node("a")
        for number in QUEUES:
            for agent in agents_of(number)[STATIC_AGENTS:]:
                node.cli(
                    f"queue add member PJSIP/{agent} to q{number} penalty 0 as Agent{agent} "
                    f"state_interface PJSIP/{agent}"
                )
            for agent in self.paused(number):
                node.cli(f"queue pause member PJSIP/{agent} queue q{number} reason lunch")

    def paused(self, number: int) -> list[str]:
        """The agents of a queue that are paused: one of the configuration, one that logged in."""
        agents = agents_of(number)
        return [str(agents[STATIC_AGENTS - 1]), str(agents[-1])]

    def place(self, calls: Iterable[Planned]) -> None:
        """Places calls that stay up, all at once; LabError when one is refused."""
        asked = []
        for one in calls:
            server = self.lab.provider.address if one.from_trunk else ""
            crew = self._crew(one.by)
            asked.append((one, crew, crew.order("call", by=one.by, to=one.to, server=server)))
        told = [(one, crew.answer(number).get("why")) for one, crew, number in asked]
        refused = [f"{one.by} to {one.to}: {why}" for one, why in told if why]
        if refused:
            raise LabError(f"Calls did not come up: {'; '.join(refused)}")

    def watch(self) -> None:
        """From now on silences count, and calls that are over are forgotten."""
        self._everyone("watch")

    def report(self) -> tuple[list[Leg], float]:
        """Every leg since `watch`, and by how much the fleet itself was late at worst, in ms."""
        told = self._everyone("report")
        legs = [Leg(**leg) for one in told for leg in one["legs"]]
        return legs, max(float(one["late_ms"]) for one in told)

    def hang_up(self, by: Iterable[str] = ()) -> None:
        """Ends the calls of those phones and customers, or all."""
        self._everyone("hang_up", by=list(by))

    def become(self, phones: Iterable[str], habit: Habit, user_agent: str = "lab") -> None:
        """What they do with a REFER, and the User-Agent they say (of the next registration)."""
        for one in phones:
            self._crew(one).ask("become", phones=[one], habit=habit.value, user_agent=user_agent)

    def silence(self, phones: Iterable[str]) -> None:
        """Those phones are unplugged: they neither hear nor answer any more."""
        for one in phones:
            self._crew(one).ask("silence", phones=[one])

    def ring(
        self, by: str, numbers: Sequence[str], *, pace_s: float = 0.0125, hold_s: float = 0.0
    ) -> Ringing:
        """A customer calls each number; who rang for it, and the calls that failed.

        A queue answers before an agent rings: give `hold_s`, the seconds until the customer hangs
        up. Use another `by` each time, it is how the phones tell one such round from another.
        """
        ring = {"by": by, "numbers": list(numbers), "pace_s": pace_s, "hold_s": hold_s}
        told = self._crew(by).ask("ring", **ring)
        time.sleep(0.2)  # what rang in another process may still be on its way here
        rang: dict[str, float] = {}
        for at, phone, caller in (one for crew in self._crews for one in crew.rang):
            if caller == by:
                rang.setdefault(phone, at)
        return Ringing(rang, told["failed"], told["began"])

    def end(self) -> None:
        for crew in self._crews:
            crew.end()

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()
