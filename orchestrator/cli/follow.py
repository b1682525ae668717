"""``--wait``: follow one move until it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.live import Live

from orchestrator.cli.client import Client
from orchestrator.cli.codes import Exit
from orchestrator.cli.view import render
from orchestrator.cli.warmth import carried

_BECAME = (
    ("linked", "linked"),
    ("stayed on the old node", "stayed"),
    ("ended on the way", "lost"),
    ("cut off", "cut"),
)
Show = Callable[[dict[str, Any]], None]


def follow(client: Client, number: int, console: Console) -> Exit:
    """Show progress (live on a terminal, a line a change elsewhere); tell how it ended."""
    if not console.is_terminal:
        return _follow(client, number, _printer())
    with Live(console=console, auto_refresh=False, transient=True) as live:
        return _follow(client, number, lambda s: live.update(render(s), refresh=True))


def _printer() -> Show:
    """For logs and scripts: a line when the phase or the number of calls changes."""
    last = ""

    def show(status: dict[str, Any]) -> None:
        nonlocal last
        move = status["move"] or {}
        drain, calls = move.get("drain"), move.get("evacuation")
        line = status["phase"] + (f", {drain['calls']} calls left" if drain else "")
        line += f", {carried(move, calls)}" if calls else ""
        if line != last:
            print(line, flush=True)
        last = line

    return show


def _follow(client: Client, number: int, show: Show) -> Exit:
    for update in client.watch():
        status = update["status"]
        report = status["last_move"]
        if report and report["number"] >= number and not _going_on(status, number):
            print(f"{report['outcome']}: {report['sentence']}", flush=True)
            for word, key in _BECAME:
                for call in report[key]:
                    print(f"{word}: {call}")
            return Exit.OK if report["outcome"] == "active" else Exit.NOT_MOVED
        show(status)
    return Exit.NOT_RUNNING


def _going_on(status: dict[str, Any], number: int) -> bool:
    return status["move"] is not None and status["move"]["number"] == number
