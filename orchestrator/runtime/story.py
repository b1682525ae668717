"""The story of the pair, told from the difference between two pictures of it.

These lines are the operator's log, the journal's history and what ``--watch`` shows.
"""

from __future__ import annotations

from orchestrator.core.state import MoveReport, Pair
from orchestrator.core.words import Severity, Verdict
from orchestrator.runtime.journal import Line

_VERDICT_SEVERITY = {
    Verdict.HEALTHY: Severity.INFO,
    Verdict.IMPAIRED: Severity.WARNING,
    Verdict.UNKNOWN: Severity.WARNING,
}


def tell(before: Pair, after: Pair) -> tuple[Line, ...]:
    """What happened between them, in the order a reader wants it; usually nothing."""
    if before is after:
        return ()
    lines = _verdicts(before, after) if before.nodes is not after.nodes else []
    if before.move is not after.move or before.phase is not after.phase:
        lines += _move(before, after)
    if before.history is not after.history:
        lines += _ended(before, after)
    if before.active != after.active:
        lines.append(_active(before, after))
    if before.hold is not after.hold:
        lines += _hold(before, after)
    if before.notes is not after.notes:
        lines += [Line(Severity.INFO, note) for note in _new(before.notes, after.notes)]
    return tuple(lines)


def _new(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[str, ...]:
    """What was appended; the oldest may have been let go meanwhile."""
    for gone in range(len(before) + 1):
        kept = before[gone:]
        if kept == after[: len(kept)]:
            return after[len(kept) :]
    return after


def _verdicts(before: Pair, after: Pair) -> list[Line]:
    lines = []
    for name, node in after.nodes.items():
        old = before.nodes.get(name)
        if old is None or old.verdict is not node.verdict:
            severity = _VERDICT_SEVERITY.get(node.verdict, Severity.CRITICAL)
            lines.append(Line(severity, f"{name} is {node.verdict}: {node.verdict_why}"))
    return lines


def _move(before: Pair, after: Pair) -> list[Line]:
    move = after.move
    if move is None:
        return []
    lines = []
    title = f"{move.kind} {move.number} {move.from_node} → {move.to_node}"
    if before.move is None or before.move.number != move.number:
        lines.append(Line(Severity.WARNING, f"{title} began, asked by {move.by}: {move.reason}"))
    old_failures = before.move.failures if before.move else ()
    lines += [
        Line(Severity.WARNING, f"{title}: {failure}")
        for failure in move.failures[len(old_failures) :]
    ]
    if before.phase is not after.phase:
        lines.append(Line(Severity.INFO, f"{title}: {after.phase}"))
    return lines


def _ended(before: Pair, after: Pair) -> list[Line]:
    known = {report.number for report in before.history}
    return [_report(report) for report in after.history if report.number not in known]


def _report(report: MoveReport) -> Line:
    severity = Severity.INFO if report.outcome == "active" else Severity.CRITICAL
    took_s = report.ended_at - report.started_at
    cut = f" Cut off: {'; '.join(report.cut)}." if report.cut else ""
    return Line(
        severity,
        f"{report.kind} {report.number} {report.from_node} → {report.to_node} ended after "
        f"{took_s:.1f} s, {report.outcome}: {report.sentence}{cut}",
    )


def _active(before: Pair, after: Pair) -> Line:
    if not after.active:
        return Line(Severity.WARNING, f"It is no longer known who is active (was {before.active}).")
    was = f" (was {before.active})" if before.active else ""
    return Line(Severity.INFO, f"{after.active} is active{was}, epoch {after.epoch}.")


def _hold(before: Pair, after: Pair) -> list[Line]:
    if after.hold is None:
        return [Line(Severity.INFO, "The hold is released; automatic decisions are made again.")]
    if before.hold is not None and before.hold.reason == after.hold.reason:
        return []
    hold = after.hold
    return [Line(Severity.WARNING, f"Held by {hold.by}: {hold.reason}. Nothing is decided now.")]
