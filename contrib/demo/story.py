"""The story, step by step; each step is believed only when the witnesses confirm it.

pbx-b is the preferred node, and the service begins on pbx-a: so the last step, the failback, goes
home to pbx-b after a planned switchover to pbx-a.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import yaml

from contrib.demo.witnesses import Callers, Phones, Talkers, wait_for
from contrib.lab.service import Service

HELD = 10
PHONES = [str(number) for number in range(1001, 1011)]
GATE_S = 10.0  # how long pbx-b must have been well, and pbx-a active, before the rule goes back
SERVES_WITHIN_S = 15.0
WARM_WITHIN_S = 20.0
MOVES_WITHIN_S = 90.0
HANG_UP_EVERY_S = 0.4


class Untrue(Exception):
    """A step did not happen, or not as it must."""


class Story:
    def __init__(self, lab: Any, service: Service) -> None:
        self.lab = lab
        self.service = service
        self.client = str(lab.status()["client"])
        self.callers = Callers(lab, self.client)
        self.phones = Phones(lab, self.client, PHONES)
        self._talkers: list[Talkers] = []
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self._began:6.1f} s] {text}", flush=True)

    def tell(self) -> None:
        """The whole story; Untrue at the first step that did not happen."""
        try:
            self.prepare()
            self.crash()
            self.standby_again()
            self.switchover()
            self.failback()
        finally:
            self.end()

    def end(self) -> None:
        """No caller stays behind, however the story went."""
        for witness in (self.callers, self.phones, *self._talkers):
            witness.end()

    # --- the steps ---

    def prepare(self) -> None:
        self.service.until_ready("pbx-a")
        self._must(self._new_calls_on("a"), "new calls are not answered by pbx-a")
        self.say(
            f"Both nodes are well; pbx-a serves {self.lab.virtual_ip}. pbx-b is the preferred node."
            " A new call every 20 ms begins now, to the end."
        )
        self._standby_is_warm("b")
        self.say(f"   {len(PHONES)} phones registered, once; pbx-b knows and reaches them too.")

    def crash(self) -> None:
        talkers = self._talk("a")
        self.say("1. CRASH: Asterisk on pbx-a, the active node, is killed (kill -9).")
        at = self.lab.node("a").kill()
        self._must(self._new_calls_on("b", at), "pbx-b did not take over")
        gap = self.callers.gap_ms(at)
        self.say(f"   pbx-b answers. Nobody was answered for {gap:.0f} ms.")
        self._must(gap is not None and gap < 5000, "the gap was longer than 5 s")
        self._must(self._trunk_on("b"), "the provider does not send calls to pbx-b")
        self.say("   The provider sends its calls to pbx-b now (registered again there).")
        self._phones_ring("b")
        time.sleep(3.5)  # the talkers' patience: then they know that nobody is there any more
        lost = talkers.end()["cut"]
        self.say(f"   The {lost} calls that were up on pbx-a died with it; nothing can save those.")

    def standby_again(self) -> None:
        self.say("2. The old node comes back: Asterisk on pbx-a is started again.")
        at = self.lab.node("a").start()
        self.service.until_ready("pbx-b")
        time.sleep(2.0)  # Asterisk registers its trunk a second after its start
        off = wait_for(lambda: self.lab.node("a").trunk == "Unregistered", SERVES_WITHIN_S)
        self._must(off, "pbx-a kept its trunk registration")
        asked = time.monotonic()
        self._must(self._trunk_on("b"), "pbx-a took the trunk away from pbx-b")
        waited = time.monotonic() - asked
        self._no_call_lost(at, "b")
        self.say("   It is the standby: no address, no trunk, no call. pbx-b served all the while.")
        if waited > 1.0:  # one contact a customer: a registration at boot displaces the other's
            self.say(f"   The provider sent calls to nobody for about {waited:.0f} s of that.")

    def switchover(self) -> None:
        self.say("3. PLANNED SWITCHOVER to pbx-a, with calls in progress.")
        self._standby_is_warm("a")
        talkers = self._talk("b")
        at = time.time()
        self.service.ask("switchover", "--at-most", "60s", "--reason", "demo")
        self._drain(talkers, at, "b", "a")

    def failback(self) -> None:
        self.say(
            "4. GATED FAILBACK: a rule goes back to the preferred node pbx-b, not before it has "
            f"been well, and pbx-a active, for {GATE_S:.0f} s."
        )
        self._standby_is_warm("b")
        talkers = self._talk("a")
        at = time.time()
        active_since = float(self.service.status()["active_since"])
        moved = wait_for(lambda: self.lab.vip_holder() == "b", GATE_S + MOVES_WITHIN_S)
        self._must(moved, "no rule brought the service back to pbx-b")
        waited = time.time() - active_since
        self._must(waited >= GATE_S, f"the gate did not hold: it went back after {waited:.0f} s")
        self.say(f"   The gate opened after {waited:.0f} s; the service goes home.")
        self._drain(talkers, at, "a", "b")
        kind = self.service.status()["last_move"]["kind"]
        self._must(kind == "failback", f"the move was a {kind}, not a failback")
        self._phones_ring("b")

    # --- what the steps share ---

    def _standby_is_warm(self, place: str) -> None:
        """The standby itself, by its own qualify, reaches every phone."""

        def warm() -> bool:
            standby = self.service.status()["standby"] or {}
            ready = standby.get("phones_ready") == standby.get("phones") == len(PHONES)
            return ready and standby.get("node") == f"pbx-{place}"

        self._must(wait_for(warm, WARM_WITHIN_S), f"pbx-{place} does not reach every phone")

    def _phones_ring(self, place: str) -> None:
        rung = self.phones.rung_by(self.lab.node(place).address)
        silent = sorted(set(PHONES) - set(rung))
        self._must(not silent, f"pbx-{place} does not ring {', '.join(silent)}")
        again = self.phones.registrations() - len(PHONES)
        self._must(again == 0, f"the phones registered {again} times more")
        self.say(
            f"   {len(rung)} of {len(PHONES)} phones ring on pbx-{place}; none registered anew."
        )

    def _talk(self, place: str) -> Talkers:
        talkers = Talkers(self.lab, self.client, HELD)
        self._talkers.append(talkers)
        up, servers = talkers.wait_up(SERVES_WITHIN_S)
        right = up == HELD and servers == [self.lab.node(place).address]
        self._must(right, f"{up} of {HELD} calls are up, on {servers or 'nobody'}")
        self.say(f"   {HELD} calls are up on pbx-{place}.")
        return talkers

    def _drain(self, talkers: Talkers, at: float, old: str, new: str) -> None:
        """New calls go to the new node at once; the old one bleeds off; then the move is over."""
        self._must(self._new_calls_on(new, at), f"new calls do not land on pbx-{new}")
        self.say(f"   New calls land on pbx-{new}; the {HELD} on pbx-{old} go on undisturbed.")
        for left in range(HELD, 0, -1):
            talkers.one_hangs_up()
            time.sleep(HANG_UP_EVERY_S)
            if left % 3 == 1:
                self._show_progress()
        over = self.service.until(
            "the move is over", MOVES_WITHIN_S, phase="steady", active=f"pbx-{new}"
        )
        self._must(self._trunk_on(new), f"the provider does not send calls to pbx-{new}")
        self._must(self.lab.vip_holder() == new, f"pbx-{new} does not have the virtual IP")
        summary = talkers.end()
        self._must(summary["cut"] == 0, f"{summary['cut']} calls were cut")
        self._no_call_lost(at, new)
        gap = self.callers.gap_ms(at)
        took = over["last_move"]["ended_at"] - over["last_move"]["started_at"]
        self.say(
            f"   Done in {took:.1f} s: {HELD} calls ended in peace, 0 cut; "
            f"{self.callers.count('answered', at)} new calls answered, 0 refused; "
            f"the longest time without an answer was {gap:.0f} ms."
        )

    def _show_progress(self) -> None:
        status = self.service.status()
        drain = (status["move"] or {}).get("drain")
        if drain and drain["known"]:
            estimate = drain["estimate_s"]
            rest = f", about {estimate:.0f} s to go" if estimate is not None else ""
            longest = drain["longest_s"]
            self.say(f"   draining: {drain['calls']} calls left, longest {longest:.0f} s{rest}")

    def _new_calls_on(self, place: str, since: float | None = None) -> bool:
        """Calls that begin from now on are answered by that node and by no other."""
        address = self.lab.node(place).address
        wait_for(lambda: address in self.callers.answered_by(since or 0.0), SERVES_WITHIN_S, 0.02)
        time.sleep(1.0)
        return self.callers.answered_by(time.time() - 0.7) == {address}

    def _trunk_on(self, place: str) -> bool:
        address = self.lab.node(place).address
        wanted = (address, self.lab.virtual_ip)
        return wait_for(lambda: self.lab.provider.registered() in wanted, MOVES_WITHIN_S)

    def _no_call_lost(self, since: float, new: str) -> None:
        time.sleep(0.5)
        for result in ("refused", "unanswered"):
            lost = self.callers.count(result, since)
            self._must(lost == 0, f"{lost} new calls were {result}")
        address = self.lab.node(new).address
        last = self.callers.answered_by(time.time() - 0.5)
        self._must(last == {address}, f"new calls are answered by {last or 'nobody'}")

    def _must(self, so: bool, otherwise: str) -> None:
        if not so:
            raise Untrue(otherwise)


def demo_configuration(lab: Any) -> Path:
    """The lab's configuration with pbx-b preferred and the failback rule's gate opened."""
    made = yaml.safe_load(lab.config_path.read_text(encoding="utf-8"))
    made["nodes"]["pbx-a"].pop("preferred", None)
    made["nodes"]["pbx-b"]["preferred"] = True
    made["failback"] = {"hours": "00:00-24:00", "after": f"{GATE_S:g}s"}
    path: Path = lab.config_path.with_name("demo.yaml")
    path.write_text(yaml.safe_dump(made, sort_keys=False), encoding="utf-8")
    return path
