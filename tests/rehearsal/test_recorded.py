"""Rules replayed over the service's own record and over a capture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from orchestrator.cli.codes import Exit
from orchestrator.config.rule_files import check_rules
from orchestrator.core.rulebook.traces import Trace, What
from orchestrator.core.rules import Request, RuleSet
from orchestrator.core.words import Verdict
from orchestrator.rehearsal.recorded import by_record, is_record
from orchestrator.rehearsal.replay import Line, by_captures, replay
from orchestrator.rehearsal.stated import stated_schema
from orchestrator.runtime.journal import Entry, Intent, Result
from orchestrator.runtime.journal import Line as Told
from orchestrator.runtime.recorder import Recorder
from tests.cli.test_cli import cli
from tests.core.rule_lab import POLICY, Play, phones, rules_of, trunk, write_rules

CAPTURE = Path(__file__).parents[1] / "fixtures" / "captures" / "provider-lost-22.txt"
RULES = """
trunks:
  when: count(active.trunks) > 0 and not any(t.reachable for t in active.trunks)
  for: 10s
  clear_for: 5s
  messages: {fired: "{active.name} reaches no provider", cleared: "again"}
  do: [failover, notify]
phones: {when: count(c for c in active.contacts if not c.reachable) > 5, do: [notify]}
dead: {when: active.verdict == "dead" and active.verdict_for > 20s, do: [notify]}
lost: {when: 'increase(active.contacts_lost, 1m) >= 30', do: [notify]}
stale: {when: not known(active.calls), for: 5s, do: [notify]}
"""


def stated(folder: Path) -> RuleSet:
    nodes = tuple(node.name for node in POLICY.nodes)
    rules = check_rules([write_rules(folder, RULES)], nodes, schema=stated_schema(nodes)).rules
    assert rules
    return rules


class Recorded(Play):
    """A pair whose course is recorded as the service does."""

    def __init__(self, folder: Path) -> None:
        super().__init__(rules_of(folder, RULES))
        self.path = folder / "record.sqlite"
        self.recorder = Recorder(self.path, POLICY, lambda: self.state)
        self.asked: list[tuple[float, Request]] = []

    def live(self, seconds: float, stale: frozenset[str] = frozenset()) -> None:
        for _ in range(round(seconds * 2)):
            requests = self.run(0.5, 0.5, stale)
            self.asked += [(self.now, request) for request in requests]
            self.pair(now=self.now)
            lines = tuple(Told("info", f"asked {r.rule}") for r in requests)
            self.recorder.listen(Entry(1, lines=lines))

    def end(self) -> None:
        self.recorder.close(self.now)


def would(path: Path, rules: RuleSet) -> tuple[list[Line], list[Line]]:
    course = by_record(path, POLICY, None)
    return list(replay(rules, course.world, course.happenings)), list(course.done)


def lose_trunk(play: Play) -> None:
    down = trunk(reachable=False, registered=True)
    play.node("pbx-a", **{**down, "contacts": phones(50, keep=down["contacts"])})  # type: ignore[arg-type]


def test_the_same_rules_ask_for_the_same_at_the_same_times(tmp_path: Path) -> None:
    play = Recorded(tmp_path)
    play.live(5)
    lose_trunk(play)
    play.live(15)
    up = trunk(reachable=True, registered=True)
    play.node("pbx-a", **{**up, "contacts": phones(50, lost=30, keep=up["contacts"])})  # type: ignore[arg-type]
    play.count("pbx-a", contacts_lost=30)
    play.live(20)
    play.verdict("pbx-a", Verdict.DEAD)
    play.live(30)
    play.node("pbx-a", confirmed_at=play.now - 60)
    play.live(20, stale=frozenset({"pbx-a"}))
    play.end()
    lines, done = would(play.path, stated(tmp_path))
    asked = [(f"{request.rule}: {request.ask}", at) for at, request in play.asked]
    assert {"trunks", "phones", "dead", "lost", "stale"} == {r.rule for _, r in play.asked}
    found = [(line.text.rpartition(": ")[0], line.at) for line in lines]
    assert [text for text, _ in sorted(found)] == [text for text, _ in sorted(asked)]
    for (_, then), (_, replayed) in zip(sorted(asked), sorted(found), strict=True):
        assert abs(then - replayed) <= 2, "a second between looks, half a second of pace"
    assert [line.text for line in done] == [f"asked {r.rule}" for _, r in play.asked]


def test_another_active_node_is_another_active_node(tmp_path: Path) -> None:
    play = Recorded(tmp_path)
    play.live(3)
    play.pair(active="pbx-b", active_since=play.now)
    lose_trunk(play)  # of the standby now
    play.live(20)
    play.count("pbx-a", reloads=1)  # the record goes on for longer than the rule waits
    play.live(2)
    play.end()
    assert would(play.path, stated(tmp_path))[0] == []


def test_what_a_node_could_not_be_asked_for_stays_unknown(tmp_path: Path) -> None:
    play = Recorded(tmp_path)
    play.live(3)
    play.node("pbx-a", missing=frozenset({"registrations"}))
    lose_trunk(play)
    play.live(20)
    play.count("pbx-a", reloads=1)  # the record goes on for longer than the rule waits
    play.live(2)
    play.end()
    asked = [request for _, request in play.asked if request.rule == "trunks"]
    lines = would(play.path, stated(tmp_path))[0]
    assert asked == [] and not [line for line in lines if line.text.startswith("trunks")]


def test_commands_and_rules_are_among_what_was_done(tmp_path: Path) -> None:
    play = Recorded(tmp_path)
    play.live(2)
    trace = Trace(play.now, "trunks", What.FIRED, "it fired", ("x is true",))
    began = Trace(play.now, "trunks", What.BEGAN, "its condition began to hold")
    play.recorder.listen(Entry(1, intents=[Intent(7, 1, "add the address on pbx-b")]))
    play.recorder.listen(Entry(1, results=[Result(7, 1, True, "done")], traces=[began, trace]))
    play.end()
    texts = [line.text for line in would(play.path, stated(tmp_path))[1]]
    assert texts == ["add the address on pbx-b: done", "rule trunks: it fired"]


def test_a_capture_of_a_real_provider_that_was_lost(tmp_path: Path) -> None:
    course = by_captures({"pbx-a": CAPTURE}, replace(POLICY))
    lines = [line.text for line in replay(stated(tmp_path), course.world, course.happenings)]
    assert lines == [
        "trunks: failover: pbx-a reaches no provider",
        "trunks: notify: pbx-a reaches no provider",
        "trunks: notify: again",
    ]
    assert not is_record(CAPTURE)


def test_the_command_plays_a_record(tmp_path: Path) -> None:
    play = Recorded(tmp_path)
    play.live(5)
    lose_trunk(play)
    play.live(15)
    play.end()
    rules = str(write_rules(tmp_path, RULES))
    done = cli(Path("/nowhere.yaml"), "rules", "replay", str(play.path), "--rules", rules)
    assert done.returncode == Exit.OK, done.stderr
    lines = done.stdout.splitlines()
    assert any("would     trunks: failover: pbx-a reaches no provider" in line for line in lines)
    assert any("was done  asked trunks" in line for line in lines)
    assert "trunks: 2 requests" in lines
    missing = cli(Path("/nowhere.yaml"), "rules", "replay", str(tmp_path / "no.sqlite"))
    assert missing.returncode == Exit.FAILED and "no.sqlite" in missing.stderr


def test_captures_are_of_the_nodes_of_the_pair() -> None:
    def said(*sources: str) -> str:
        done = cli(Path("/nowhere.yaml"), "rules", "replay", *sources)
        assert done.returncode == Exit.FAILED
        return done.stderr

    assert "the pair has no node 'pbx-c'; did you mean" in said(f"pbx-c={CAPTURE}")
    assert "one capture for each node is expected: pbx-a and pbx-b" in said(*[str(CAPTURE)] * 3)
    assert "one capture for each node" in said(f"pbx-a={CAPTURE}", f"pbx-a={CAPTURE}")
