"""The story of the pair, told from the difference between two pictures of it.

These lines are the operator's log, the journal's history and what ``--watch`` shows.
"""

from __future__ import annotations

from orchestrator.core.language.durations import say_duration
from orchestrator.core.machine.learning import WAITING
from orchestrator.core.state import MoveReport, Pair
from orchestrator.core.words import Severity, Verdict
from orchestrator.runtime.journal import Line

_VERDICT_SEVERITY = {
    Verdict.HEALTHY: Severity.INFO,
    Verdict.IMPAIRED: Severity.WARNING,
    Verdict.UNKNOWN: Severity.WARNING,
}
_OUTCOME_SEVERITY = {"active": Severity.INFO, "held": Severity.CRITICAL}


def tell(before: Pair, after: Pair) -> tuple[Line, ...]:
    """What happened between them, in the order a reader wants it; usually nothing."""
    if before is after:
        return ()
    lines = _verdicts(before, after) if before.nodes is not after.nodes else []
    if before.move is not after.move:
        lines += _failures(before, after)
    if before.notes is not after.notes:
        lines += [Line(Severity.INFO, note) for note in _worth_telling(before, after)]
    if before.history is not after.history:
        lines += _ended(before, after)
    if before.active != after.active:
        lines.append(_active(before, after))
    return tuple(lines)


def _new(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[str, ...]:
    """What was appended. The core lets the oldest go, and says a repeated sentence last."""
    known = iter(before)
    for index, note in enumerate(after):
        if note not in known:  # looks further from where the last one stood
            return after[index:]
    return ()


def _worth_telling(before: Pair, after: Pair) -> tuple[str, ...]:
    """While it learns, the list of what is lacking shrinks in the status; here it is told once."""
    new = _new(before.notes, after.notes)
    if not before.notes or not before.notes[-1].startswith(WAITING):
        return new
    return tuple(note for note in new if not note.startswith(WAITING))


def _verdicts(before: Pair, after: Pair) -> list[Line]:
    lines = []
    for name, node in after.nodes.items():
        old = before.nodes.get(name)
        if old is None or old.verdict is not node.verdict:
            severity = _VERDICT_SEVERITY.get(node.verdict, Severity.CRITICAL)
            lines.append(
                Line(
                    severity,
                    f"{name} is {node.verdict}: {node.verdict_why.removeprefix(f'{name}: ')}",
                )
            )
    return lines


def _failures(before: Pair, after: Pair) -> list[Line]:
    """What went wrong within a move that goes on."""
    if after.move is None:
        return []
    same = before.move is not None and before.move.number == after.move.number
    known = len(before.move.failures) if same and before.move else 0
    return [Line(Severity.WARNING, failure) for failure in after.move.failures[known:]]


def _ended(before: Pair, after: Pair) -> list[Line]:
    known = {report.number for report in before.history}
    return [_report(report) for report in after.history if report.number not in known]


def _report(report: MoveReport) -> Line:
    severity = _OUTCOME_SEVERITY.get(report.outcome, Severity.WARNING)
    took_s = report.ended_at - report.started_at
    counts = ((report.carried, "carried over"), (len(report.linked), "linked"),
              (len(report.stayed), "stayed"))  # fmt: skip
    calls = ", ".join(f"{number} {word}" for number, word in counts if number)
    went = f" Calls: {calls}." if calls else ""
    lost = f" Ended on the way: {'; '.join(report.lost)}." if report.lost else ""
    cut = f" Cut off: {'; '.join(report.cut)}." if report.cut else ""
    return Line(
        severity,
        f"{report.kind} {report.number} {report.from_node} → {report.to_node} ended after "
        f"{say_duration(took_s)}: {report.outcome}.{went}{lost}{cut}",
    )


def _active(before: Pair, after: Pair) -> Line:
    if not after.active:
        return Line(Severity.WARNING, f"It is no longer known who is active (was {before.active}).")
    was = f" (was {before.active})" if before.active else ""
    return Line(Severity.INFO, f"{after.active} is active{was}, epoch {after.epoch}.")
