"""``rules test`` and ``rules replay``: rules without a pair."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.codes import Exit
from orchestrator.cli.common import DEFAULT_CONFIG, Config, complain, complain_all
from orchestrator.cli.rules import Files
from orchestrator.cli.words import duration

if TYPE_CHECKING:
    from orchestrator.core.rules import RuleSet
    from orchestrator.core.state import Policy
    from orchestrator.rehearsal.replay import Course


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
    failed = any(verdict.differences for verdict in verdicts)
    for sentence in [] if failed else not_shown(verdicts):
        print(sentence)
    if verdicts:
        print(summary(verdicts))
    if junit:
        write_junit(junit, verdicts)
    if wrong or failed:
        raise typer.Exit(Exit.FAILED)


def _test_files(files: list[str], config: Path) -> list[Path]:
    """Test files as given, and those beside the rule files."""
    from orchestrator.config import load
    from orchestrator.config.paths import TESTS_END, matching_files, path_of_tests, shipped_rules
    from orchestrator.errors import ConfigError

    try:
        patterns = files or (
            [str(p) for p in load(config).rules] if config.exists() else [shipped_rules()]
        )
    except ConfigError as error:
        complain_all(error.problems)
        raise typer.Exit(Exit.FAILED) from error
    tests = [Path(name) for name in patterns if name.endswith(TESTS_END)]
    for pattern in patterns:
        if not pattern.endswith(TESTS_END):
            beside = [path_of_tests(path) for path in matching_files(pattern)]
            tests += [path for path in beside if path.exists()]
    if not tests:
        complain(f"No tests: there is no NAME{TESTS_END} beside {', '.join(patterns)}.")
        raise typer.Exit(Exit.FAILED)
    return tests


Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[RECORD | [NODE=]CAPTURE...]",
        help="The service's record.sqlite, or captures of AMI, one for each node; default: the "
        "record of the configuration's service.",
    ),
]


def replay(
    sources: Sources = None,
    config: Config = DEFAULT_CONFIG,
    rules: Annotated[
        list[str] | None, typer.Option("--rules", help="Rule files; default: the configuration's.")
    ] = None,
    last: Annotated[
        float | None,
        typer.Option("--last", parser=duration, metavar="DURATION", help="Of a record, as 24h."),
    ] = None,
) -> None:
    """Play the rules over what really happened; print what they would have asked for."""
    from orchestrator.core.language.durations import say_duration
    from orchestrator.errors import ConfigError, JournalError
    from orchestrator.rehearsal.replay import beside, replay, summary

    try:
        policy, ruleset = _site(config, rules or [])
        course = _course(sources or [], config, policy, last)
        began = course.world.now
        would = list(replay(ruleset, course.world, course.happenings, course.until))
    except ConfigError as error:
        complain_all(error.problems)
        raise typer.Exit(Exit.FAILED) from error
    except JournalError as error:
        complain(str(error))
        raise typer.Exit(Exit.FAILED) from error
    would = [line for line in would if line.at >= course.since]
    for line in beside(would, course.done):
        print(f"{stamp(line.at, policy)}  {'was done' if line.done else 'would   '}  {line.text}")
    took = say_duration(course.world.now - max(began, course.since))
    print(f"{took} replayed, {len(ruleset.rules)} rules.")
    print("\n".join(summary(ruleset, would)))


def _course(sources: list[str], config: Path, policy: Policy, last: float | None) -> Course:
    """What happened, by the record or by captures."""
    from orchestrator.config import load
    from orchestrator.rehearsal.recorded import by_record, is_record
    from orchestrator.rehearsal.replay import by_captures
    from orchestrator.runtime.record_file import NAME

    if not sources:
        return by_record(load(config).state_dir / NAME, policy, last)
    if len(sources) == 1 and is_record(Path(sources[0])):
        return by_record(Path(sources[0]), policy, last)
    return by_captures(_captures(sources, [node.name for node in policy.nodes]), policy)


def _captures(sources: list[str], names: list[str]) -> dict[str, Path]:
    """The captures by node; one without a node's name is of the next node that has none."""
    from orchestrator.core.language.suggest import did_you_mean
    from orchestrator.errors import ConfigError

    files: dict[str, Path] = {}
    for source in sources:
        node, sign, path = source.partition("=")
        if not sign:
            node, path = next((name for name in names if name not in files), ""), source
        if not node or node in files:
            raise ConfigError(
                [f"{source}: one capture for each node is expected: {' and '.join(names)}"]
            )
        if node not in names:
            raise ConfigError(
                [f"{source}: the pair has no node '{node}'{did_you_mean(node, names)}"]
            )
        files[node] = Path(path)
    return files


def stamp(at: float, policy: Policy) -> str:
    """Local to the site, to a tenth of a second."""
    moment = datetime.fromtimestamp(at, policy.timezone)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 100_000}"


def _site(config: Path, rules: list[str]) -> tuple[Policy, RuleSet]:
    """The pair of the configuration, or one of which nothing is known, and the rules."""
    from orchestrator.config import check_rules, load
    from orchestrator.config.paths import shipped_rules
    from orchestrator.errors import ConfigError
    from orchestrator.rehearsal.stated import stated_schema
    from orchestrator.rehearsal.world import policy_of

    if config.exists():
        settings = load(config)
        policy, files = settings.policy(), rules or settings.rules
        nodes, commands = tuple(settings.nodes), settings.commands
    else:
        nodes, commands, files = ("pbx-a", "pbx-b"), None, rules or [shipped_rules()]
        policy = policy_of(("pbx-a", "pbx-b"))
    checked = check_rules(files, nodes, commands, stated_schema(nodes))
    if checked.rules is None:
        raise ConfigError(checked.problems)
    return policy, checked.rules
