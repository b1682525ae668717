"""A mistake in a shipped pack is refused with its place, or a test of the pack fails.

What survives is shown with the seed: a test is missing, or the mistake changes nothing. Only what
has the same meaning by its words is left out (``meaning``).
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from dataclasses import fields, is_dataclass, replace
from difflib import unified_diff
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from orchestrator.config import check_rules
from orchestrator.config.paths import matching_files, path_of_tests, shipped_rules
from orchestrator.config.yaml_source import read
from orchestrator.core.language.parts import Condition
from orchestrator.core.language.text import parse_expression
from orchestrator.core.rulebook.types import OnUnknown, Rule, Template
from orchestrator.core.rules import RuleSet
from orchestrator.rehearsal.cases import Case, read_cases
from orchestrator.rehearsal.judge import judge
from orchestrator.rehearsal.stated import stated_schema
from tests.rules.mutants import Mutant, as_text, mutants

SEED: Final = 20270113
FEWEST: Final = 500
PACKS: Final = matching_files(shipped_rules())
NODES: Final = ("pbx-a", "pbx-b")
SCHEMA: Final = stated_schema(NODES)


def compiled(path: Path) -> RuleSet | list[str]:
    """The rules, or why they are refused."""
    checked = check_rules([path], NODES, schema=SCHEMA)
    return checked.rules if checked.rules is not None else checked.problems


def outcome(mutant: Mutant, cases: list[Case], folder: Path) -> str:
    """How the mistake is found; ``survived``: it is not."""
    path = folder / mutant.pack.name
    path.write_text(mutant.text, encoding="utf-8")
    rules = compiled(path)
    if isinstance(rules, list):
        placed = all(re.match(rf"{re.escape(str(path))}:\d+:\d+: ", one) for one in rules)
        return "refused" if placed else "refused without a place"
    if meaning(rules) == meaning(cases[0].rules):
        return "no change"
    if names(rules) != names(cases[0].rules):
        return "failed"  # the test file names a rule that is not there, or a rule lacks tests
    for case in cases:
        if judge(replace(case, rules=rules)).differences:
            cases.remove(case)
            cases.insert(0, case)  # the next mistake is much alike: mostly this test finds it too
            return "failed"
    return "survived"


def names(rules: RuleSet) -> set[str]:
    return {rule.name for rule in rules.rules}


# --- the same meaning -----------------------------------------------------------------------------


def meaning(rules: RuleSet) -> list[Any]:
    """The rules without what says nothing: places, hashes, defaults, how a thing is written."""
    return [_meaning(replace(rule, content="", where=""), rule) for rule in rules.rules]


def _meaning(part: Any, rule: Rule) -> Any:
    if isinstance(part, Condition):
        return _tree(part.text)
    if isinstance(part, Template):
        return [_in_text(one, rule) for one in part.parts]
    if isinstance(part, tuple):
        return [_meaning(one, rule) for one in part]
    if is_dataclass(part):
        return type(part), [_meaning(getattr(part, one.name), rule) for one in fields(part)]
    return part


def _tree(text: str) -> str:
    """The same for ``5m`` and ``300s``, and whatever the blanks and brackets."""
    parsed = parse_expression(text, [])
    assert parsed
    shape = re.sub(r"'_+'", "'_'", ast.dump(parsed.tree))
    return f"{shape} {[seconds for _, seconds in sorted(parsed.durations.items())]}"


def _in_text(part: str | Condition, rule: Rule) -> str:
    """A text is read while the condition holds. One that asks for ``preferred.role == "standby"``
    makes ``preferred`` and ``standby`` the same node."""
    if isinstance(part, str):
        return part
    same = re.search(r'(\w+)\.role == "(\w+)"(?! or)', rule.when.text)
    if same and " or " not in rule.when.text and rule.unknown is not OnUnknown.FIRE:
        return _tree(re.sub(rf"\b{same[1]}\.", f"{same[2]}.", part.text))
    return _tree(part.text)


# --- the test -------------------------------------------------------------------------------------


def shown(mutant: Mutant) -> str:
    before = as_text(read(mutant.pack).value)
    lines = unified_diff(before.splitlines(), mutant.text.splitlines(), n=0, lineterm="")
    return "\n".join([f"{mutant.pack.name}: {mutant.kind}", *list(lines)[2:]])


def mutants_of(pack: Path) -> list[Mutant]:
    return list(mutants(pack, Random(f"{SEED} {pack.name}")))


@pytest.mark.parametrize("pack", PACKS, ids=lambda path: path.stem)
def test_every_mistake_in_a_pack_is_found(pack: Path, tmp_path: Path) -> None:
    cases = read_cases(path_of_tests(pack))
    found: Counter[str] = Counter()
    survivors = []
    for mutant in mutants_of(pack):
        what = outcome(mutant, cases, tmp_path)
        found[what] += 1
        if what not in ("refused", "failed", "no change"):
            survivors.append(f"{what}: {shown(mutant)}")
    assert not survivors, "\n".join([f"seed {SEED}, {dict(found)}", *survivors])
    assert found["failed"] > 50 and found["refused"] > 50
    assert found["no change"] < 0.05 * found.total()


def test_there_are_many_mistakes_of_every_kind() -> None:
    kinds = Counter(mutant.kind for pack in PACKS for mutant in mutants_of(pack))
    assert kinds.total() >= FEWEST and len(kinds) >= 10
    assert min(kinds.values()) >= 5, kinds


def test_a_pack_with_fewer_tests_lets_mistakes_survive(tmp_path: Path) -> None:
    pack = next(path for path in PACKS if path.stem == "active-dead")
    cases = read_cases(path_of_tests(pack))[:1]
    outcomes = {outcome(mutant, cases, tmp_path) for mutant in mutants_of(pack)}
    assert outcomes == {"refused", "failed", "no change", "survived"}


def test_another_way_to_write_the_same_is_no_change(tmp_path: Path) -> None:
    pack = next(path for path in PACKS if path.stem == "failback")
    cases = read_cases(path_of_tests(pack))
    text = as_text(read(pack).value)
    for before, after in (("10s", "10000ms"), ("and not", "and  (not"), ("severity: info", "x")):
        assert before in text
        changed = text.replace(before, after)
        if after == "and  (not":
            changed = changed.replace("pair.moving", "pair.moving)")
        what = outcome(Mutant(pack, before, changed), cases, tmp_path)
        assert what == ("refused" if after == "x" else "no change")
