"""What the standby lacks, as commands."""

from __future__ import annotations

from orchestrator.core.machine.work import Work


def keep_mirrored(work: Work) -> None:
    """Ask for what brings the standby in step with the node that holds the address."""
