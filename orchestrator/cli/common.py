"""What every command of the command line shares: its options, the way to the service."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from orchestrator.cli.client import Client, NotRunning, control_socket
from orchestrator.cli.codes import Exit

DEFAULT_CONFIG = Path("/etc/asterisk-orchestrator.yaml")
console = Console(highlight=False)

Config = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="ASTERISK_ORCHESTRATOR_CONFIG", help="The YAML file."),
]
Json = Annotated[bool, typer.Option("--json", help="For scripts; with --watch, one a line.")]


@contextmanager
def service(config: Path) -> Iterator[Client]:
    """The running service; without one, a sentence and its exit code."""
    try:
        with Client(control_socket(config)) as client:
            yield client
    except NotRunning as error:
        complain(str(error))
        raise typer.Exit(Exit.NOT_RUNNING) from error
    except (BrokenPipeError, KeyboardInterrupt):
        raise typer.Exit(130) from None


def ask(client: Client, do: str, key: str, **arguments: object) -> dict[str, Any]:
    """An answer that has this key; a service that does not know the request is too old."""
    answer = client.ask(do, **arguments)
    if key not in answer:
        complain(
            f"The running service cannot tell ({answer.get('says', 'no reason given')}) It is"
            " older than this command: restart it, which moves nothing."
        )
        raise typer.Exit(Exit.REFUSED)
    return answer


def complain_all(problems: list[str]) -> None:
    """Each problem of a file with its line and a caret."""
    from orchestrator.config.problems import with_excerpt  # heavy: only here

    for problem in problems:
        complain(with_excerpt(problem))


def complain(text: str) -> None:
    """To stderr: standard output is for what was asked."""
    print(text, file=sys.stderr)
