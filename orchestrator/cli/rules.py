"""``rules``: what authors of rules need before the service reads them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.codes import Exit
from orchestrator.cli.common import DEFAULT_CONFIG, Config, ask, complain, complain_all, service

if TYPE_CHECKING:
    from orchestrator.config import Checked

app = typer.Typer(help="Rules: check them before the service reads them.", no_args_is_help=True)

Files = Annotated[
    list[str] | None, typer.Argument(help="Rule files; default: those of the configuration.")
]


@app.callback()
def group() -> None:
    """Rules: check them before the service reads them."""


@app.command()
def check(
    files: Files = None,
    config: Config = DEFAULT_CONFIG,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="RUNNING",
            help="Configuration or control socket of a running service: are the trunks, phones and "
            "queues that rules name there?",
        ),
    ] = None,
) -> None:
    """Every error and warning, each with its place, its line and what to write instead.

    Nodes and commands are checked where there is a configuration. Exit code 0: sound; 1: errors;
    6: warnings only.
    """
    checked = _checked(files or [], config)
    missed, untold = _strangers(checked, against) if against else ([], [])
    warnings = checked.warnings + missed
    complain_all(checked.problems)
    complain_all([f"{warning} (warning)" for warning in warnings])
    complain_all([f"{name} (not checked)" for name in untold])
    if checked.rules is None:
        raise typer.Exit(Exit.FAILED)
    count = len(checked.rules.rules)
    unsaid = f"; {len(untold)} not checked against the pair" if untold else ""
    print(f"{count} rule{'' if count == 1 else 's'}, no error, {_count(warnings)}{unsaid}.")
    if warnings:
        raise typer.Exit(Exit.WARNED)


def _strangers(checked: Checked, running: Path) -> tuple[list[str], list[str]]:
    """Names in the rules that the live pair has not, and those it can't tell of now."""
    from orchestrator.core.facts.names import strangers

    with service(running) as client:
        return strangers(checked.mentions, ask(client, "names", "names")["names"])


@app.command(name="try")
def try_(
    expression: Annotated[str, typer.Argument(help="As in when: 'active.verdict == \"dead\"'.")],
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Evaluate an expression on the live pair; show the value of each of its terms."""
    with service(config) as client:
        answer = ask(client, "try", "problems", expression=expression)
    line = re.sub(r"\s", " ", expression)  # one line, so that the caret stands below its place
    for offset, says in answer["problems"]:
        complain(f"{says}\n    {line}\n    {' ' * offset}^")
    if not answer["ok"]:
        raise typer.Exit(Exit.FAILED)
    print("\n".join(answer["lines"]))


@app.command()
def reference() -> None:
    """Every fact and function of conditions, as a page in Markdown."""
    from orchestrator.core.facts.schema import make_schema  # heavy: only here
    from orchestrator.core.language.reference import reference as page

    print(page(make_schema()), end="")


@app.command()
def schema(
    tests: Annotated[bool, typer.Option("--tests", help="Of test files instead.")] = False,
) -> None:
    """JSON Schema of rule files, for editors: they complete and check while you write."""
    from orchestrator.config.rule_schema import rule_file_schema  # heavy: only here
    from orchestrator.rehearsal.schema import schema_of_tests

    print(json.dumps(schema_of_tests() if tests else rule_file_schema(), indent=2))


def _checked(files: list[str], config: Path) -> Checked:
    from orchestrator.config import check_rules, load  # heavy: only here
    from orchestrator.config.paths import shipped_rules
    from orchestrator.errors import ConfigError

    if not config.exists():
        return check_rules(files or [shipped_rules()])
    try:
        settings = load(config)
    except ConfigError as error:
        complain_all(error.problems)
        raise typer.Exit(Exit.FAILED) from error
    return check_rules(files or settings.rules, settings.nodes, settings.commands)


def _count(warnings: list[str]) -> str:
    many = {0: "no warning", 1: "1 warning"}
    return many.get(len(warnings), f"{len(warnings)} warnings")
