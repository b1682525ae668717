"""Which calls are carried to the other node, how each leg gets there, and how each one fares."""

from __future__ import annotations

from orchestrator.core.events import ProbeRequested
from orchestrator.core.machine.work import Work


def probe(work: Work, order: ProbeRequested) -> tuple[bool, str]:
    """Learn by test calls what these phones do with a REFER."""
    return False, f"{order.by}: calls cannot be carried over yet"
