"""``rules``: what authors of rules need before the service reads them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.codes import Exit
from orchestrator.cli.common import DEFAULT_CONFIG, Config, complain, complain_all

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
def check(files: Files = None, config: Config = DEFAULT_CONFIG) -> None:
    """Every error and warning, each with its place, its line and what to write instead.

    Nodes and commands are checked where there is a configuration. Exit code 0: sound; 1: errors;
    6: warnings only.
    """
    checked = _checked(files or [], config)
    complain_all(checked.problems)
    complain_all([f"{warning} (warning)" for warning in checked.warnings])
    if checked.rules is None:
        raise typer.Exit(Exit.FAILED)
    count = len(checked.rules.rules)
    print(f"{count} rule{'' if count == 1 else 's'}, no error, {_count(checked.warnings)}.")
    if checked.warnings:
        raise typer.Exit(Exit.WARNED)


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


@app.command()
def test(
    files: Files = None,
    config: Config = DEFAULT_CONFIG,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit's XML there.")
    ] = None,
) -> None:
    """Play the tests beside the rules (NAME.test.yaml) in virtual time; print what differs.

    Exit code 0: all passed; 1: a test failed, or a file has errors.
    """
    from orchestrator.errors import ConfigError  # heavy: only here
    from orchestrator.rehearsal.cases import read_cases
    from orchestrator.rehearsal.judge import judge
    from orchestrator.rehearsal.report import not_shown, summary, write_junit

    verdicts, wrong = [], False
    for path in _test_files(files or [], config):
        try:
            verdicts += [judge(case) for case in read_cases(path)]
        except ConfigError as error:
            complain_all(error.problems)
            wrong = True
    for verdict in verdicts:
        if verdict.differences:
            print(f"{verdict.case.where}: FAILED {verdict.case.name}")
            print("\n".join(f"    {difference}" for difference in verdict.differences))
    for sentence in not_shown(verdicts):
        print(sentence)
    print(summary(verdicts))
    if junit:
        write_junit(junit, verdicts)
    if wrong or any(verdict.differences for verdict in verdicts):
        raise typer.Exit(Exit.FAILED)


def _test_files(files: list[str], config: Path) -> list[Path]:
    """Test files as given, and those beside the rule files."""
    from orchestrator.config import load
    from orchestrator.config.paths import TESTS_END, matching_files, shipped_rules, tests_beside

    patterns = files or (
        [str(p) for p in load(config).rules] if config.exists() else [shipped_rules()]
    )
    tests = [Path(name) for name in patterns if name.endswith(TESTS_END)]
    for pattern in patterns:
        if not pattern.endswith(TESTS_END):
            beside = [tests_beside(path) for path in matching_files(pattern)]
            tests += [path for path in beside if path.exists()]
    if not tests:
        complain(f"No tests: there is no file {TESTS_END} beside {', '.join(patterns)}.")
        raise typer.Exit(Exit.FAILED)
    return tests
