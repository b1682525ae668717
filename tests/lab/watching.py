"""Who watches in the lab tests: the kernel on who holds the address, callers on who answers."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from contrib.demo.witnesses import Callers, Talkers, wait_for
from contrib.lab import Lab
from contrib.lab.service import Service

PLACES = ("a", "b")


def _listened(namespace: str) -> str:
    """The id by which the kernel tells news of that namespace to us (ip-netns(8))."""
    subprocess.run(["ip", "netns", "set", namespace, "auto"], check=False, capture_output=True)
    listed = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True)
    found = re.search(rf"^{re.escape(namespace)} \(id: (\d+)\)", listed.stdout, re.MULTILINE)
    assert found, listed.stdout
    return found[1]


class Holders:
    """Every change of who holds the virtual IP, as both nodes' kernels tell it.

    A look now and then could miss a short time with two holders; the kernel's news miss none.
    """

    def __init__(self, lab: Lab) -> None:
        self.history: list[tuple[float, frozenset[str]]] = []
        self._word = f" {lab.virtual_ip}/"
        # one listener for both: two could tell a removal later than the addition after it
        self._places = {_listened(lab.namespace(place)): place for place in PLACES}
        self._process = subprocess.Popen(
            ["ip", "-o", "monitor", "address", "all-nsid"],
            stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        time.sleep(0.1)  # until it listens
        self._note(frozenset(lab.vip_holders()))
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _note(self, holders: frozenset[str]) -> None:
        self.history.append((time.time(), holders))

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            where, _, news = line.partition("]")
            place = self._places.get(where.removeprefix("[nsid "))
            if place and self._word in news:
                holders = self.history[-1][1]
                removed = news.startswith("Deleted")
                self._note(holders - {place} if removed else holders | {place})

    @property
    def now(self) -> frozenset[str]:
        return self.history[-1][1]

    @property
    def ever_two(self) -> bool:
        return any(len(holders) > 1 for _, holders in self.history)

    def sequence(self) -> list[str]:
        """The holders one after the other, times without one left out."""
        names = ["+".join(sorted(holders)) for _, holders in self.history if holders]
        return [one for one, before in zip(names, ["", *names], strict=False) if one != before]

    def end(self) -> None:
        assert self._process.poll() is None, "nobody listened to the kernel any more"
        self._process.terminate()
        self._process.wait(5)
        self._thread.join(5)


@contextlib.contextmanager
def never_two(lab: Lab) -> Iterator[None]:
    """Nobody ever shares the virtual IP within."""
    holders = Holders(lab)
    try:
        yield
    finally:
        holders.end()
    assert not holders.ever_two, holders.history


class Watched:
    """A service in a lab, with the kernel and a stream of new calls as witnesses."""

    def __init__(self, lab: Lab, service: Service) -> None:
        self.lab = lab
        self.service = service
        self.client = lab.network.address("client")
        self.holders = Holders(lab)
        self._callers: Callers | None = None
        self._talkers: list[Talkers] = []

    @property
    def callers(self) -> Callers:
        """A new call every 20 ms, from the first time it is asked for."""
        if self._callers is None:
            self._callers = Callers(self.lab, self.client)
            self.wait(lambda: bool(self._callers and self._callers.lines), "calls are placed", 5)
        return self._callers

    def talk(self, calls: int, place: str = "a") -> Talkers:
        """Calls in progress on that node."""
        talkers = Talkers(self.lab, self.client, calls)
        self._talkers.append(talkers)
        assert talkers.wait_up(10) == (calls, [self.lab.node(place).address])
        return talkers

    def hang_up(self, talkers: Talkers, calls: int) -> None:
        """So many of them end in peace."""
        for _ in range(calls):
            talkers.one_hangs_up()
            time.sleep(0.1)  # signals sent at once would count as one

    def wait(self, met: Callable[[], bool], wish: str, within_s: float) -> None:
        assert wait_for(met, within_s, 0.05), f"not within {within_s:g} s: {wish}\n{self.told()}"

    def until_served_by(self, place: str, since: float, within_s: float = 10) -> None:
        """New calls are answered by that node's own address, and by no other any more."""
        address, callers = self.lab.node(place).address, self.callers
        self.wait(
            lambda: address in callers.answered_by(since), f"{place} answers new calls", within_s
        )
        self.wait(
            lambda: callers.answered_by(time.time() - 0.5) == {address},
            f"only {place} answers new calls",
            within_s,
        )

    def verdict(self, name: str) -> str:
        return str(self.service.status()["nodes"][name]["verdict"])

    def until_verdict(self, name: str, verdict: str, within_s: float = 10) -> None:
        self.wait(lambda: self.verdict(name) == verdict, f"{name} is {verdict}", within_s)

    def until_moved(self, active: str, within_s: float = 20) -> dict[str, Any]:
        """The move is over and that node is active."""
        return self.service.until("moved", within_s, phase="steady", active=active, move=None)

    def stays(self, active: str, seconds: float) -> None:
        """Nothing moves for so long: neither the address nor a move that begins."""
        moves = (self.service.status()["last_move"] or {}).get("number")
        time.sleep(seconds)
        status = self.service.status()
        last = (status["last_move"] or {}).get("number")
        assert (status["active"], status["move"], last) == (active, None, moves), self.told()
        assert self.holders.now == {active.removeprefix("pbx-")}

    def trunk_serves(self, place: str, within_s: float = 30) -> None:
        """The provider's calls reach that node, by a call that is really placed."""
        wanted = (self.lab.node(place).address, self.lab.virtual_ip)
        self.wait(
            lambda: self.lab.provider.registered() in wanted, f"trunk is on {place}", within_s
        )
        before = _processed(self.lab.node(place).cli("core show calls"))
        call = ["-m", "contrib.lab.held", "--target", self.lab.provider.address]
        call += ["--number", "5550100", "--calls", "1", "--seconds", "0.3", "--no-audio"]
        done = self.lab.popen_python(
            "client", [*call, "--address", self.client], stdout=subprocess.PIPE
        ).communicate(timeout=40)[0]
        assert '"held": 1' in done, done
        assert _processed(self.lab.node(place).cli("core show calls")) > before

    def log(self) -> list[str]:
        """What the service told the operator."""
        return self.service.log.read_text(encoding="utf-8").splitlines()

    def says(self, *words: str) -> bool:
        """Whether one line of the log has all these words."""
        return any(all(word in line for word in words) for line in self.log())

    def told(self) -> str:
        return "\n".join(["the service told:", *self.log()])

    def end(self) -> None:
        for witness in (self._callers, *self._talkers):
            if witness is not None:
                witness.end()
        self.holders.end()


def _processed(told: str) -> int:
    return next(int(line.split()[0]) for line in told.splitlines() if "processed" in line)


@contextlib.contextmanager
def watched(lab: Lab, **changes: Any) -> Iterator[Watched]:
    """A fresh service that knows nothing of earlier tests; ``changes`` go into its configuration.

    At the end two things are true of every test: never two holders, and the service has not died.
    """
    for node in lab.nodes.values():
        left = node.cli("core show channels concise")
        assert wait_for(lambda node=node: node.calls == 0, 5, 0.1), f"an earlier test left {left}"  # type: ignore[misc]
    service = Service(lab)
    shutil.rmtree(service.journal.parent, ignore_errors=True)
    service.log.unlink(missing_ok=True)
    if changes:
        made = {**yaml.safe_load(lab.config_path.read_text(encoding="utf-8")), **changes}
        service.config = Path(lab.directory, "changed.yaml")
        service.config.write_text(yaml.safe_dump(made, sort_keys=False), encoding="utf-8")
    with service:
        one = Watched(lab, service)
        try:
            service.until_ready()
            yield one
            assert service.process and service.process.poll() is None, one.told()
            assert not one.holders.ever_two, one.holders.history
        finally:
            one.end()
            print(one.told())
            for node in lab.nodes.values():  # a call whose BYE was lost would stay for ever
                if node.state == "running":
                    node.cli("channel request hangup all")


def lines_of(process: subprocess.Popen[str]) -> str:
    """Ends one of the lab's peers; what it printed."""
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=20)[0]
