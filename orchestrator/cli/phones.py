"""``phones``: which ones the standby could call now, and what they do with a REFER."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from orchestrator.cli.client import Client
from orchestrator.cli.codes import Exit
from orchestrator.cli.common import DEFAULT_CONFIG, Config, Json, complain, console, service
from orchestrator.cli.words import lasting

app = typer.Typer(help="The phones: which of them the standby could call now.")
_STATUS = {"reachable": "green", "unreachable": "red", "not known": "red"}
_HABITS = {
    "honours": ("honours (seen: {refer_seen})", "green"),
    "declines": ("declines (seen: {refer_seen})", "yellow"),
    "ignores": ("ignores (seen: {refer_seen})", "red"),
    "listed": ("honours (listed)", ""),
    "unknown": ("not known", "dim"),
}
WARNING = (
    "A test call goes to each of these phones, one after another: it rings, or picks up by itself "
    "for a second, and is referred to its own node. Do it at a quiet time. Phones in a call are "
    "left alone."
)


@app.callback(invoke_without_command=True)
def phones(
    context: typer.Context,
    config: Config = DEFAULT_CONFIG,
    missing: Annotated[
        bool, typer.Option("--missing", help="Only those not known to be ready on the standby.")
    ] = False,
    as_json: Json = False,
) -> None:
    """The phones: which of them the standby could call now, and what they do with a REFER."""
    if context.invoked_subcommand:
        return
    with service(config) as client:
        answer = client.ask("phones")
    rows = [row for row in answer["phones"] if not (missing and row["ready"])]
    if as_json:
        print(json.dumps({**answer, "phones": rows}, indent=2))
        return
    if rows:
        console.print(table(rows, answer))
    print(answer["says"])


def table(rows: Iterable[dict[str, Any]], answer: dict[str, Any]) -> Table:
    """One line a phone."""
    drawn = Table(show_edge=False, pad_edge=False, box=None, padding=(0, 2, 0, 0))
    for head in ("phone", "User-Agent", answer["active"], answer["standby"], "expires", "REFER"):
        drawn.add_column(head)
    for row in rows:
        left = row["expires_in_s"]
        drawn.add_row(
            Text(row["phone"]),
            Text(row["user_agent"]),
            _status(row["active"]),
            Text(row["why"], "yellow") if row["why"] else _status(row["standby"]),
            "" if left is None else f"in {lasting(left)}" if left > 0 else "[red]expired[/]",
            _habit(row),
        )
    return drawn


def _habit(row: dict[str, Any]) -> Text:
    words, style = _HABITS[row["refer"]]
    return Text(words.format(**row), style)


def _status(word: str) -> Text:
    return Text(word, _STATUS.get(word, "yellow"))


@app.command()
def probe(
    numbers: Annotated[
        list[str] | None, typer.Argument(help="Phones, by their endpoints' names.")
    ] = None,
    config: Config = DEFAULT_CONFIG,
    everyone: Annotated[
        bool, typer.Option("--all", help="One phone of every User-Agent that is not known yet.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; it is quiet.")] = False,
) -> None:
    """Learn by a short test call what phones do with a REFER."""
    if bool(numbers) == everyone:
        raise typer.BadParameter("name phones, or --all")
    with service(config) as client:
        chosen = list(numbers or one_of_each(client.ask("phones")["phones"]))
        if not chosen:
            print("Of every User-Agent it is known already what it does; nothing was called.")
            return
        print(f"{WARNING}\n{', '.join(chosen)}", flush=True)
        if not yes and not typer.confirm("Call them now?"):
            print("Nothing was called.")
            raise typer.Exit(Exit.OK)
        answer = client.ask("probe", endpoints=chosen)
        if not answer["ok"]:
            complain(answer["says"])
            raise typer.Exit(Exit.REFUSED)
        print(answer["says"], flush=True)
        _follow(client)


def one_of_each(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Of each User-Agent of which nothing was seen, one phone that answers."""
    chosen: dict[str, str] = {}
    for row in rows:
        seen = row["refer"] not in ("unknown", "listed")
        if row["user_agent"] and not seen and row["active"] == "reachable":
            chosen.setdefault(row["user_agent"], row["phone"])
    return list(chosen.values())


def _follow(client: Client) -> None:
    """What comes out, as it comes out, until the last phone was tried."""
    for update in client.watch():
        for line in update["lines"]:
            print(line["text"], flush=True)
        if update["status"]["probing"] is None:
            return
