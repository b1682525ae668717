"""A request of a rule in one line."""

from __future__ import annotations

from orchestrator.core.rulebook.types import Request


def say(request: Request) -> str:
    """``trunks-down: switchover: pbx-a has no trunk left``."""
    text = request.args.get("text") or request.args.get("action") or request.reason
    observes = " (only observes)" if request.observed else ""
    return f"{request.rule}: {request.ask}{observes}: {text}"
