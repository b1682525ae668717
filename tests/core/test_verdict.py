"""Every row of the verdict table, and what must not tip it."""

from __future__ import annotations

import pytest

from orchestrator.core import verdict
from orchestrator.core.commands import ProbeNow
from orchestrator.core.engine import Engine
from orchestrator.core.events import Event, Observed, PictureLost, Tick
from orchestrator.core.rules import RuleSet
from orchestrator.core.state import NodePolicy, Pair, Policy
from orchestrator.core.words import Observer, Outcome, Verdict

A, B = "pbx-a", "pbx-b"
WELL = {
    Observer.AMI: Outcome.ANSWERS, Observer.SIP: Outcome.ANSWERS,
    Observer.ARI: Outcome.ANSWERS, Observer.HOST: Outcome.ANSWERS,
    Observer.PEER: Outcome.ANSWERS,
}  # fmt: skip
SILENT = dict.fromkeys(WELL, Outcome.SILENT)


class Bench:
    """The engine at a pace of 0.1 s; silence deadline 1 s."""

    def __init__(self, has_host: bool = True, has_ari: bool = True) -> None:
        nodes = tuple(
            NodePolicy(name, address, has_host=has_host, has_ari=has_ari)
            for name, address in ((A, "10.0.0.1"), (B, "10.0.0.2"))
        )
        policy = Policy(nodes=(nodes[0], nodes[1]), silence_s=1.0, tick_s=0.1, learning_s=1e9)
        self.engine = Engine(policy, RuleSet())
        self.state: Pair = self.engine.start(0.0)
        self.now = 0.0
        self.looks(1.0, WELL)

    def step(self, *events: Event) -> tuple[object, ...]:
        self.state, commands = self.engine.step(self.state, events, self.now)
        return commands

    def looks(
        self, seconds: float, a: dict[Observer, Outcome], b: dict[Observer, Outcome] = WELL
    ) -> None:
        for _ in range(round(seconds / 0.1)):
            self.now += 0.1
            events = [Observed(name, who, what) for name, seen in ((A, a), (B, b))
                      for who, what in seen.items()]  # fmt: skip
            self.step(Tick(), *events)

    @property
    def verdict(self) -> Verdict:
        return self.state.nodes[A].verdict


def but(base: dict[Observer, Outcome], **changes: Outcome) -> dict[Observer, Outcome]:
    return {**base, **{Observer(name): outcome for name, outcome in changes.items()}}


REFUSED, GONE, STOPPED, ANSWERS = (
    Outcome.REFUSED, Outcome.GONE, Outcome.STOPPED, Outcome.ANSWERS,
)  # fmt: skip


@pytest.mark.parametrize(
    ("a", "expected"),
    [
        (WELL, Verdict.HEALTHY),
        (but(WELL, ami=REFUSED, sip=REFUSED, ari=REFUSED, host=GONE), Verdict.DEAD),
        (but(SILENT, ami=REFUSED, host=GONE), Verdict.DEAD),
        (but(SILENT, sip=REFUSED, host=GONE), Verdict.DEAD),
        (but(SILENT, ami=REFUSED, ari=REFUSED), Verdict.DEAD),  # SIP silent behind a firewall
        (but(WELL, ami=REFUSED), Verdict.IMPAIRED),
        (but(WELL, ami=Outcome.SILENT), Verdict.IMPAIRED),
        (but(WELL, ami=Outcome.DENIED), Verdict.IMPAIRED),
        (but(WELL, ami=REFUSED, ari=REFUSED), Verdict.IMPAIRED),  # both switched off, SIP answers
        (but(WELL, ami=REFUSED, host=GONE), Verdict.IMPAIRED),  # a wrong pidfile is no death
        (but(WELL, sip=REFUSED), Verdict.IMPAIRED),
        (but(WELL, sip=Outcome.SILENT), Verdict.IMPAIRED),
        (but(SILENT, host=ANSWERS), Verdict.HUNG),
        (but(SILENT, host=STOPPED), Verdict.HUNG),
        (but(SILENT, host=STOPPED, peer=ANSWERS), Verdict.UNKNOWN),
        (SILENT, Verdict.UNREACHABLE),
        (but(SILENT, peer=ANSWERS), Verdict.UNKNOWN),
        (but(SILENT, peer=STOPPED), Verdict.UNKNOWN),  # its host answers the peer's ping
        (but(SILENT, peer=REFUSED), Verdict.UNKNOWN),
        (but(SILENT, ami=REFUSED), Verdict.UNKNOWN),
        (but(SILENT, host=GONE), Verdict.UNKNOWN),  # one observer alone
    ],
)
def test_rows(a: dict[Observer, Outcome], expected: Verdict) -> None:
    bench = Bench()
    bench.looks(0.1, a)
    bench.looks(0.1, WELL if expected is Verdict.HEALTHY else a)
    bench.looks(2.0, a)
    assert bench.verdict is expected, bench.state.nodes[A].verdict_why


def test_dead_is_decided_in_the_step_of_the_second_observation() -> None:
    bench = Bench()
    bench.now += 0.01
    bench.step(PictureLost(A, "EOF"), Observed(A, Observer.AMI, REFUSED))
    assert bench.verdict is not Verdict.DEAD
    bench.step(Observed(A, Observer.HOST, GONE))
    assert bench.verdict is Verdict.DEAD


def test_an_answer_after_two_agreed_stands_against_death() -> None:
    bench = Bench()
    bench.now += 0.01
    bench.step(Observed(A, Observer.AMI, REFUSED), Observed(A, Observer.HOST, GONE))
    assert bench.verdict is Verdict.DEAD
    bench.now += 0.01
    bench.step(Observed(A, Observer.SIP, ANSWERS))
    assert bench.verdict is not Verdict.DEAD
    bench.now += 0.01
    bench.step(Observed(A, Observer.AMI, REFUSED))  # said again: nothing new
    assert bench.verdict is not Verdict.DEAD


def test_the_first_refusal_makes_all_observers_look_at_once_and_only_once() -> None:
    bench = Bench()
    commands = bench.step(Observed(A, Observer.AMI, REFUSED))
    assert [c.node for c in commands if isinstance(c, ProbeNow)] == [A]
    assert not bench.step(Observed(A, Observer.SIP, REFUSED))


def test_silence_shorter_than_the_deadline_is_nothing() -> None:
    bench = Bench()
    bench.looks(0.8, SILENT)
    assert bench.verdict is Verdict.HEALTHY


def test_a_stalled_loop_lives_at_most_two_ticks_at_once() -> None:
    bench = Bench()
    bench.now += 3600.0
    bench.step(Tick())
    assert bench.verdict is Verdict.HEALTHY
    assert bench.state.lived_s < 2.0


def test_both_silent_is_our_own_isolation() -> None:
    bench = Bench()
    bench.looks(3.0, SILENT, SILENT)
    assert bench.verdict is Verdict.UNKNOWN
    assert bench.state.nodes[B].verdict is Verdict.UNKNOWN


def test_a_peer_that_just_came_back_is_not_believed_at_once() -> None:
    bench = Bench()
    bench.looks(3.0, SILENT, SILENT)
    bench.looks(0.5, SILENT, WELL)
    assert bench.verdict is Verdict.UNKNOWN
    bench.looks(1.0, SILENT, WELL)
    assert bench.verdict is Verdict.UNREACHABLE


def test_observers_that_are_not_configured_count_neither_way() -> None:
    bench = Bench(has_host=False, has_ari=False)
    only = dict.fromkeys((Observer.AMI, Observer.SIP), Outcome.SILENT)
    well = dict.fromkeys(only, ANSWERS)
    bench.looks(1.0, well, well)
    assert bench.verdict is Verdict.HEALTHY
    bench.looks(2.0, only, well)
    assert bench.verdict is Verdict.UNREACHABLE
    bench.looks(1.0, dict.fromkeys(only, REFUSED), well)
    assert bench.verdict is Verdict.DEAD


def test_why_is_a_sentence_without_holes() -> None:
    bench = Bench()
    bench.looks(0.1, but(WELL, ami=REFUSED, sip=Outcome.SILENT))
    for row in verdict.TABLE:
        assert row.sentence.format(node=A, peer=B, silence="1 s", looks="ami refused")
    assert A in bench.state.nodes[A].verdict_why and "{" not in bench.state.nodes[A].verdict_why
