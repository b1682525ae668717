"""Virtual time: every timer at its moment, and as exact as looking at every step."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from orchestrator.config import check_rules
from orchestrator.core.rules import RuleSet
from orchestrator.rehearsal.play import Play
from orchestrator.rehearsal.stated import stated_schema
from orchestrator.rehearsal.world import World, policy_of

NODES = ("pbx-a", "pbx-b")
START = 1_800_000_000.0
RULES = """\
rules:
  long: {when: active.calls > 10, for: 90s, repeat: 7m, do: [notify]}
  waits: {when: active.calls > 5, for: 10s, inhibited_by: [long], do: [notify]}
  old: {when: active.verdict_for > 20m, for: 1m, clear_for: 3s, repeat: 1h, do: [notify]}
  rises: {when: 'increase(active.reloads, 1m) > 2', clear_for: 30s, do: [notify], messages: TEXTS}
"""
TEXTS = '{fired: "{increase(active.reloads, 2m)} reloads", cleared: over}'


def rules_of(tmp_path: Path, *names: str) -> RuleSet:
    path = tmp_path / "rules.yaml"
    lines = RULES.splitlines(keepends=True)
    wanted = [line for line in lines[1:] if line.strip().startswith(names)]
    text = "".join([lines[0], *(wanted if names else lines[1:])])
    path.write_text(text.replace("TEXTS", TEXTS))
    rules = check_rules([path], NODES, schema=stated_schema(NODES)).rules
    assert rules
    return rules


def play(rules: RuleSet, kind: type[Play] = Play) -> Play:
    play = kind(rules, World(policy_of(NODES), START))
    play.look()
    return play


def asked(play: Play) -> list[tuple[float, str, str]]:
    return [(at - START, one.rule, str(one.args["text"])) for at, one in play.asked]


class Patient(Play):
    """Looks at the rules at every step, whether anything can have changed or not."""

    def pass_time(self, seconds: float) -> None:
        world, end, pace_s = self.world, self.world.now + seconds, self._pace_s(seconds)
        pace_s = min(pace_s, 60.0)
        while world.now < end:
            world.now = max(min(world.now + pace_s, self._due(), end), world.now + 1e-6)
            world.confirm()
            self.look()


def live(play: Play) -> None:
    world = play.world
    for calls, reloads, minutes in itertools.zip_longest(
        (3, 11, 12, 3, 7, 11), (3, 0, 1, 2, 5), (1, 5, 20, 0.5, 3, 30, 100), fillvalue=0
    ):
        world.set("pbx-a", "calls", calls)
        world.rise("pbx-a", "reloads", reloads)
        play.look()
        play.pass_time(60 * minutes)


def test_timers_are_met_to_the_moment(tmp_path: Path) -> None:
    one = play(rules_of(tmp_path, "long"))
    one.world.set("pbx-a", "calls", 11.0)
    one.look()
    one.pass_time(86_400)
    assert asked(one)[:2] == [(90.0, "long", "long"), (510.0, "long", "long")]
    assert len(asked(one)) == 1 + (86_400 - 90) // 420


def test_a_stretch_is_the_sum_of_its_parts(tmp_path: Path) -> None:
    whole, parts = play(rules_of(tmp_path, "long")), play(rules_of(tmp_path, "long"))
    for one, seconds in ((whole, [600.0]), (parts, [1.0] * 600)):
        one.world.set("pbx-a", "calls", 11.0)
        one.look()
        for part in seconds:
            one.pass_time(part)
    assert asked(whole) == asked(parts)


@pytest.mark.parametrize("names", [("long", "waits"), ("rises",), ()])
def test_looking_only_when_something_can_change_makes_no_difference(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    rules = rules_of(tmp_path, *names)
    quick, patient = play(rules), play(rules, Patient)
    live(quick)
    live(patient)
    assert asked(quick) == asked(patient)
    assert len(asked(quick)) > 3


def test_rules_that_read_no_time_are_not_looked_at_in_between(tmp_path: Path) -> None:
    looks = 0

    class Counting(Play):
        def look(self) -> None:
            nonlocal looks
            looks += 1
            super().look()

    one = play(rules_of(tmp_path, "long"), Counting)
    one.world.set("pbx-a", "calls", 11.0)
    one.look()
    one.pass_time(3600)
    assert looks < 15
