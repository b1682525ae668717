"""The command line: ``asterisk-orchestrator COMMAND``; exit codes are in ``codes``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.live import Live

from orchestrator.cli.client import Client
from orchestrator.cli.codes import Exit
from orchestrator.cli.common import (
    DEFAULT_CONFIG,
    Config,
    Json,
    complain,
    complain_all,
    console,
    service,
)
from orchestrator.cli.follow import follow
from orchestrator.cli.phones import app as phones_app
from orchestrator.cli.rehearse import replay, test
from orchestrator.cli.rules import app as rules_app
from orchestrator.cli.view import render
from orchestrator.cli.words import clock_time, duration

NEWEST_LINES = 8

app = typer.Typer(
    name="asterisk-orchestrator",
    help="Keeps an Asterisk pair in service: watches, decides by rules, moves without cutting.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(phones_app, name="phones")
rules_app.command()(test)
rules_app.command()(replay)
app.add_typer(rules_app, name="rules")

AtMost = Annotated[
    float | None,
    typer.Option("--at-most", parser=duration, metavar="DURATION", help="Drain deadline, as 10m."),
]
To = Annotated[str, typer.Option(help="The node to move to; default: the other one.")]
Reason = Annotated[str, typer.Option(help="Why; it goes into the history.")]
Wait = Annotated[bool, typer.Option("--wait", help="Follow the move until it ends.")]
Force = Annotated[bool, typer.Option("--force", help="Go on although readiness or gates say no.")]
Now = Annotated[
    bool,
    typer.Option(
        "--now",
        help="Do not wait for the calls: carry them over. Phones known to honour REFER go to the "
        "other node within the call; what cannot be carried is linked through or waits, by "
        "'evacuation' in the configuration. Ringing calls and calls in between (a transfer under "
        "way) are looked at again when they are answered.",
    ),
]


def main() -> None:
    """The entry point of the ``asterisk-orchestrator`` command."""
    app()


def _order(config: Path, do: str, *, wait: bool = False, **arguments: object) -> None:
    with service(config) as client:
        answer = client.ask(do, **arguments)
        if not answer["ok"]:
            complain(answer["says"])
            raise typer.Exit(Exit.REFUSED)
        print(answer["says"], flush=True)
        if wait and answer.get("move") is not None:
            raise typer.Exit(follow(client, answer["move"], console))


@app.command()
def run(
    config: Config = DEFAULT_CONFIG,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Watch, evaluate all rules and say what would be done; change nothing, tell "
            "nobody. Beside the real service it needs a configuration file of its own with another "
            "state_dir (and socket, where set).",
        ),
    ] = False,
) -> None:
    """Run the service in the foreground; systemd starts this."""
    from orchestrator.runtime.app import serve  # heavy: only here

    raise typer.Exit(Exit.OK if serve(config, dry_run=dry_run) else Exit.FAILED)


@app.command()
def check(config: Config = DEFAULT_CONFIG) -> None:
    """Read the configuration and all rules; print every problem."""
    from orchestrator.runtime.app import check as check_all

    problems, summary = check_all(config)
    complain_all(problems)
    if problems:
        raise typer.Exit(Exit.FAILED)
    print(summary)


@app.command()
def reload(config: Config = DEFAULT_CONFIG) -> None:
    """Let the service read the rules anew: all of them, or none when there is any problem."""
    with service(config) as client:
        answer = client.ask("reload")
        complain_all(answer.get("problems", []))
        if not answer["ok"]:
            complain(answer["says"])
            raise typer.Exit(Exit.REFUSED)
        print(answer["says"])


@app.command()
def status(
    config: Config = DEFAULT_CONFIG,
    watch: Annotated[bool, typer.Option("--watch", help="Live, until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Both nodes, who is active and why, calls, trunks, and the move in progress."""
    with service(config) as client:
        if watch:
            _watch(client, as_json)
            return
        picture = client.ask("status")["status"]
        if as_json:
            print(json.dumps(picture, indent=2))
        else:
            console.print(render(picture))


def _watch(client: Client, as_json: bool) -> None:
    if as_json:
        for update in client.watch():
            print(json.dumps(update), flush=True)
        return
    lines: list[dict[str, Any]] = []
    with Live(console=console, auto_refresh=False) as live:
        for update in client.watch():
            lines = [*lines, *update["lines"]][-NEWEST_LINES:]
            live.update(render(update["status"], lines), refresh=True)


@app.command()
def switchover(
    config: Config = DEFAULT_CONFIG,
    to: To = "",
    at_most: AtMost = None,
    reason: Reason = "",
    wait: Wait = False,
    force: Force = False,
    now: Now = False,
) -> None:
    """Planned move: new calls land on the other node; calls end in peace, or are carried over."""
    _order(
        config, "switchover", wait=wait,
        to=to, at_most_s=at_most, reason=reason, force=force, evacuate=now,
    )  # fmt: skip


@app.command()
def drain(
    config: Config = DEFAULT_CONFIG,
    at_most: AtMost = None,
    reason: Reason = "",
    wait: Wait = False,
) -> None:
    """Empty the active node: the same as switchover."""
    _order(config, "drain", wait=wait, at_most_s=at_most, reason=reason)


@app.command()
def failover(
    config: Config = DEFAULT_CONFIG,
    to: To = "",
    reason: Reason = "",
    wait: Wait = False,
    force: Force = False,
) -> None:
    """Unplanned move: fence the active node and promote the standby now; calls are cut."""
    _order(config, "failover", wait=wait, to=to, reason=reason, force=force)


@app.command()
def failback(
    config: Config = DEFAULT_CONFIG,
    at_most: AtMost = None,
    reason: Reason = "",
    wait: Wait = False,
    force: Force = False,
) -> None:
    """Planned move back to the preferred node, when it is well and the gates allow it."""
    _order(config, "failback", wait=wait, at_most_s=at_most, reason=reason, force=force)


@app.command()
def abort(config: Config = DEFAULT_CONFIG) -> None:
    """Abort the move in progress and go back."""
    _order(config, "abort")


@app.command()
def extend(
    by: Annotated[float, typer.Argument(parser=duration, metavar="DURATION", help="As 10m.")],
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Give the drain in progress more time."""
    _order(config, "extend", seconds=by)


@app.command()
def hold(
    config: Config = DEFAULT_CONFIG,
    reason: Reason = "",
    for_: Annotated[
        float | None,
        typer.Option("--for", parser=duration, metavar="DURATION", help="Release by itself then."),
    ] = None,
) -> None:
    """Maintenance: decide nothing by yourself; watching goes on."""
    _order(config, "hold", reason=reason, for_s=for_)


@app.command()
def release(config: Config = DEFAULT_CONFIG) -> None:
    """End a hold."""
    _order(config, "release")


@app.command()
def history(
    config: Config = DEFAULT_CONFIG,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many lines.")] = 50,
) -> None:
    """What happened, oldest first."""
    with service(config) as client:
        for line in client.ask("history", limit=limit)["lines"]:
            mark = {"info": " ", "warning": "!", "critical": "!!"}[line["severity"]]
            print(f"{clock_time(line['at'])} {mark:2} {line['text']}")


@app.command()
def explain(
    rule: Annotated[str, typer.Argument(help="Only this rule.")] = "",
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Why the last decision was, or was not, taken: term by term."""
    with service(config) as client:
        for line in client.ask("explain", rule=rule)["lines"]:
            print(line)


@app.command()
def metrics(config: Config = DEFAULT_CONFIG) -> None:
    """The figures in Prometheus' text format, for node_exporter's textfile collector."""
    with service(config) as client:
        print(client.ask("metrics")["text"], end="")
