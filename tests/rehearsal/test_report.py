"""What is said of many tests, and what CI reads."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from orchestrator.rehearsal.judge import judge
from orchestrator.rehearsal.report import not_shown, summary, write_junit
from tests.rehearsal.lab import Lab

TESTS = """\
tests:
  it fires:
    steps:
      - set: {active.calls: 11}
      - after: 10s
        asks: [busy: switchover, busy: notify]
  it is <wrong>:
    steps:
      - set: {active.calls: 11}
        expect: {busy: firing}
"""


def test_the_summary_counts(lab: Lab) -> None:
    verdicts = [judge(case) for case in lab.cases(TESTS)]
    assert summary(verdicts) == "1 of 2 tests failed."
    assert summary(verdicts[:1]) == "1 test passed."
    assert summary([verdicts[0]] * 2) == "2 tests passed."


def test_what_no_test_shows_is_said_for_each_rule(lab: Lab) -> None:
    lab.rules += "  other: {when: active.calls > 20, do: [notify]}\n"
    verdicts = [judge(case) for case in lab.cases(TESTS)]
    assert not_shown(verdicts[:1]) == [
        "No test shows that busy does not fire, clears, meets the unknown, goes through a restart.",
        "No test shows that other fires, clears, meets the unknown, goes through a restart.",
    ]
    assert not_shown(verdicts)[0].startswith("No test shows that busy clears,")


def test_the_file_for_ci_has_every_test_and_why_it_failed(lab: Lab, tmp_path: Path) -> None:
    write_junit(tmp_path / "out.xml", [judge(case) for case in lab.cases(TESTS)])
    root = ElementTree.parse(tmp_path / "out.xml").getroot()
    (suite,) = root
    assert root.tag == "testsuites" and suite.tag == "testsuite"
    path = str(tmp_path / "pack.test.yaml")
    assert suite.attrib == {"name": path, "tests": "2", "failures": "1"}
    passed, failed = suite
    assert passed.attrib == {
        "name": "it fires", "classname": "pack.test.yaml", "file": path, "line": "2"
    }  # fmt: skip
    assert list(passed) == [] and failed.attrib["name"] == "it is <wrong>"
    (failure,) = failed
    assert failure.attrib["message"] == f"{path}:10:24: busy is pending, expected firing"
    assert failure.text and "active.calls > 10 is true (active.calls is 11)" in failure.text


def test_each_test_file_is_a_suite(lab: Lab, tmp_path: Path) -> None:
    first = [judge(case) for case in lab.cases(TESTS)]
    tmp_path.joinpath("more").mkdir()
    second = [judge(case) for case in Lab(tmp_path / "more").cases(TESTS)]
    write_junit(tmp_path / "out.xml", [*first, *second])
    root = ElementTree.parse(tmp_path / "out.xml").getroot()
    assert [suite.attrib["tests"] for suite in root] == ["2", "2"]
