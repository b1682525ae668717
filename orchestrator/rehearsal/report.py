"""What came of the tests: for people only the differences, for CI as JUnit's XML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from orchestrator.rehearsal.judge import Shown, Verdict


def summary(verdicts: Sequence[Verdict]) -> str:
    """``21 tests passed``, or how many did not."""
    failed = sum(1 for verdict in verdicts if verdict.differences)
    count = f"{len(verdicts)} test{'' if len(verdicts) == 1 else 's'}"
    return f"{failed} of {count} failed." if failed else f"{count} passed."


def not_shown(verdicts: Sequence[Verdict]) -> list[str]:
    """What no test shows of a rule, a sentence each."""
    shown: dict[str, set[Shown]] = {}
    for verdict in verdicts:
        for name, found in verdict.shown.items():
            shown.setdefault(name, set()).update(found)
    lacking = {name: [one for one in Shown if one not in found] for name, found in shown.items()}
    return [
        f"No test shows that {name} {', '.join(what)}." for name, what in lacking.items() if what
    ]


def write_junit(path: Path, verdicts: Sequence[Verdict]) -> None:
    """One suite for each test file, as CI systems read it."""
    root = ElementTree.Element("testsuites", name="asterisk-orchestrator rules test")
    files: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        files.setdefault(verdict.case.where.rsplit(":", 2)[0], []).append(verdict)
    for file, found in files.items():
        failures = sum(1 for verdict in found if verdict.differences)
        suite = ElementTree.SubElement(
            root, "testsuite", name=file, tests=str(len(found)), failures=str(failures)
        )
        for verdict in found:
            _case(suite, file, verdict)
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _case(suite: ElementTree.Element, file: str, verdict: Verdict) -> None:
    case, line = verdict.case, verdict.case.where.split(":")[-2]
    element = ElementTree.SubElement(
        suite, "testcase", name=case.name, classname=Path(file).name, file=file, line=line
    )
    if verdict.differences:
        message = verdict.differences[0].splitlines()[0]
        failure = ElementTree.SubElement(element, "failure", message=message)
        failure.text = "\n".join(verdict.differences)
