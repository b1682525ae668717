"""The status as a person reads it: both nodes side by side, the move with its progress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.align import Align
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.cli.warmth import carried, warmth
from orchestrator.cli.words import ago, clock_time, lasting

_COLOURS = {
    "healthy": "green",
    "impaired": "yellow",
    "unknown": "yellow",
    "hung": "bold red",
    "dead": "bold red",
    "unreachable": "bold red",
    "registered": "green",
    "rejected": "red",
    "unregistered": "dim",
    "info": "",
    "warning": "yellow",
    "critical": "bold red",
}
BAR_WIDTH = 40


def render(status: dict[str, Any], lines: Sequence[dict[str, Any]] = ()) -> RenderableType:
    """The whole picture; ``lines`` are the newest of the story, for the live view."""
    parts: list[RenderableType] = []
    if status["dry_run"]:
        parts.append(Text("DRY RUN: nothing is changed, nobody is told", "bold yellow"))
    parts.append(_headline(status))
    if status["service"]["trouble"]:
        parts.append(Text(f"DECIDES NOTHING: {status['service']['trouble']}", "bold red"))
    if status["hold"]:
        parts.append(_hold(status["hold"], status["now"]))
    parts.append(_nodes(status))
    if status["standby"]:
        parts.append(warmth(status["standby"]))
    if status["move"]:
        parts.append(_move(status))
    elif status["last_move"]:
        parts.append(_last(status["last_move"]))
    parts += [Text(f"• {note}") for note in status["notes"]]
    if lines:
        parts.append(Text("\n".join(_told(line) for line in lines), "dim"))
    return Group(*parts)


def _headline(status: dict[str, Any]) -> Text:
    text = Text(f"{status['pair']}: ", "bold")
    now = status["now"]
    if status["active"]:
        text.append(f"{status['active']} is active", "bold green")
        text.append(f" for {ago(status['active_since'], now)}")
    else:
        text.append("it is not known who is active", "bold yellow")
    text.append(f", {status['phase']} for {ago(status['phase_since'], now)}")
    return text.append(f", epoch {status['epoch']}")


def _hold(hold: dict[str, Any], now: float) -> Text:
    until = f" for another {lasting(hold['until'] - now)}" if hold["until"] else ""
    return Text(
        f"HELD{until} by {hold['by']}: {hold['reason'] or 'no reason given'}. Nothing is decided "
        "by itself; end it with: asterisk-orchestrator release",
        "bold yellow",
    )


def _nodes(status: dict[str, Any]) -> Table:
    table = Table(show_edge=False, pad_edge=False, box=None, padding=(0, 3, 0, 0))
    table.add_column("")
    nodes = list(status["nodes"].items())
    for name, node in nodes:
        table.add_column(f"{name} ({'preferred, ' if node['preferred'] else ''}{node['role']})")
    rows = [(label, [cell(node, status["now"]) for _, node in nodes]) for label, cell in _ROWS]
    for label, cells in rows:
        if any(cells):
            table.add_row(f"[dim]{label}[/]", *cells)
    return table


def _verdict(node: dict[str, Any], now: float) -> str:
    word = node["verdict"]
    return f"[{_COLOURS[word]}]{word}[/] for {ago(node['verdict_since'], now)}"


def _why(node: dict[str, Any], now: float) -> str:
    return escape(node["why"])


def _observers(node: dict[str, Any], now: float) -> str:
    return ", ".join(f"{name} {seen['outcome']}" for name, seen in node["observers"].items())


def _address(node: dict[str, Any], now: float) -> str:
    words = {True: "[green]here[/]", False: "not here", None: "[yellow]not known[/]"}
    guard = ", guarded" if node["guarded"] else ""
    gave_up = ", given up by its guard" if node["gave_up_address"] else ""
    return words[node["address"]] + (gave_up or guard)


def _trunks(node: dict[str, Any], now: float) -> str:
    return "\n".join(
        f"{escape(t['name'])} [{_COLOURS.get(t['registration'], '') or 'default'}]"
        f"{t['registration']}[/], provider {t['contact']}"
        for t in node["trunks"]
    )


def _phones(node: dict[str, Any], now: float) -> str:
    return f"{node['phones_reachable']} reachable of {node['phones_known']}" + _stale(node, now)


def _calls(node: dict[str, Any], now: float) -> str:
    waiting = f", {node['waiting']} waiting in queues" if node["waiting"] else ""
    return f"{node['calls']} ({node['channels']} channels){waiting}" + _stale(node, now)


def _stale(node: dict[str, Any], now: float) -> str:
    if node["fresh"]:
        return ""
    age = f"{ago(node['confirmed_at'], now)} old" if node["confirmed_at"] else "never heard"
    return f" [yellow]({age})[/]"


def _version(node: dict[str, Any], now: float) -> str:
    up = f", up {ago(node['booted_at'], now)}" if node["booted_at"] else ""
    return escape(node["version"]) + up if node["version"] else ""


_ROWS = (
    ("verdict", _verdict),
    ("why", _why),
    ("seen by", _observers),
    ("virtual IP", _address),
    ("trunks", _trunks),
    ("phones", _phones),
    ("calls", _calls),
    ("Asterisk", _version),
)


def _move(status: dict[str, Any]) -> Panel:
    move, now = status["move"], status["now"]
    parts: list[RenderableType] = [
        Text(f"asked by {move['by']}" + (f": {move['reason']}" if move["reason"] else "")),
        Text(f"{status['phase']} for {ago(status['phase_since'], now)}", "bold"),
    ]
    if move["aborting"]:
        parts.append(Text(f"aborted by {move['aborting']}", "yellow"))
    if move["drain"]:
        parts += _drain(move, now)
    if move["evacuation"]:
        parts.append(Text(carried(move, move["evacuation"])))
    parts += [Text(failure, "red") for failure in move["failures"]]
    title = f"{move['kind']} {move['number']}: {move['from']} → {move['to']}"
    return Panel(Group(*parts), title=title, title_align="left", expand=False)


def _drain(move: dict[str, Any], now: float) -> list[RenderableType]:
    drain = move["drain"]
    start = max(drain["calls_at_start"], drain["calls"], 1)
    bar = ProgressBar(total=start, completed=start - drain["calls"], width=BAR_WIDTH)
    words = f"{drain['calls']} of {drain['calls_at_start']} calls left on {move['from']}"
    if drain["calls"]:
        words += f", longest {lasting(drain['longest_s'])}"
    if drain["estimate_s"] is not None:
        words += f", empty in about {lasting(drain['estimate_s'])}"
    if drain["stuck"]:
        words += f", {drain['stuck']} stuck channels not counted"
    if move["deadline_at"]:
        left = f"{lasting(move['deadline_at'] - now)} until the deadline"
        words += f"; {left}, then: {move['at_deadline']}"
    if not drain["known"]:
        words += f" (not sure: no news from {move['from']})"
    return [Align.left(bar), Text(words)]  # a bar by itself does not end its line


def _last(report: dict[str, Any]) -> Text:
    colour = "green" if report["outcome"] == "active" else "yellow"
    return Text(
        f"last: {report['kind']} {report['number']} {report['from']} → {report['to']} at "
        f"{clock_time(report['ended_at'])[:19]}, {report['outcome']}: {report['sentence']}",
        colour,
    )


def _told(line: dict[str, Any]) -> str:
    return str(line["text"])
