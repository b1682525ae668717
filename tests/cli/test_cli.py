"""The command line against a running service: what it prints and how it exits."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli.codes import Exit
from orchestrator.core.events import ExtendRequested, HoldRequested, MoveRequested
from orchestrator.core.words import MoveKind
from tests.runtime.service import MovingCore, Service


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "orchestrator.yaml"
    path.write_text("state_dir: .\n")
    return path


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path) as running:
        yield running


def cli(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "orchestrator", *arguments],
        env={"ASTERISK_ORCHESTRATOR_CONFIG": str(config), "COLUMNS": "120", "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_not_running_says_so_and_what_to_do(config: Path) -> None:
    done = cli(config, "switchover")
    assert done.returncode == Exit.NOT_RUNNING
    assert "not running" in done.stderr
    assert "systemctl status asterisk-orchestrator" in done.stderr
    assert "Nothing was done" in done.stderr


def test_no_configuration_says_how_to_name_it(tmp_path: Path) -> None:
    done = cli(tmp_path / "nowhere.yaml", "status")
    assert done.returncode == Exit.NOT_RUNNING
    assert "--config" in done.stderr


def test_status_for_people_shows_both_nodes(config: Path, service: Service) -> None:
    done = cli(config, "status")
    assert done.returncode == Exit.OK, done.stderr
    assert "pbx-a (preferred, unknown)" in done.stdout
    assert "pbx-b" in done.stdout
    assert "nothing heard yet" in done.stdout
    assert "it is not known who is active" in done.stdout


def test_status_for_scripts_is_json(config: Path, service: Service) -> None:
    picture = json.loads(cli(config, "status", "--json").stdout)
    assert picture["nodes"]["pbx-a"]["verdict"] == "unknown"
    assert picture["pair"] == "lab"


def test_switchover_passes_everything_on(config: Path, service: Service) -> None:
    done = cli(config, "switchover", "--at-most", "10m", "--reason", "kernel", "--to", "pbx-b")
    assert done.returncode == Exit.OK, done.stderr
    assert done.stdout == "It begins.\n"
    (event,) = service.core.seen
    assert isinstance(event, MoveRequested)
    assert (event.kind, event.at_most_s, event.reason, event.to_node, event.force) == (
        MoveKind.SWITCHOVER, 600.0, "kernel", "pbx-b", False,
    )  # fmt: skip


def test_wait_follows_the_move_to_its_end(config: Path, service: Service) -> None:
    done = cli(config, "switchover", "--wait")
    assert done.returncode == Exit.OK, done.stderr
    assert "active: so it ended" in done.stdout
    assert "cut off: Bob with 600" in done.stdout


def test_wait_tells_by_the_exit_code_that_it_did_not_move(config: Path, tmp_path: Path) -> None:
    with Service(tmp_path, MovingCore(outcome="rolled-back")):
        done = cli(config, "failover", "--force", "--wait")
    assert done.returncode == Exit.NOT_MOVED
    assert "rolled-back: so it ended" in done.stdout


def test_a_refusal_is_an_exit_code_and_a_sentence(config: Path, service: Service) -> None:
    done = cli(config, "abort")
    assert done.returncode == Exit.REFUSED
    assert done.stderr == "There is no move.\n"


def test_hold_and_extend_take_durations(config: Path, service: Service) -> None:
    assert cli(config, "hold", "--reason", "cabling", "--for", "1h30m").returncode == Exit.OK
    assert cli(config, "extend", "5m").returncode == Exit.REFUSED
    hold, extend = service.core.seen
    assert isinstance(hold, HoldRequested)
    assert isinstance(extend, ExtendRequested)
    assert hold.until is not None
    assert extend.seconds == 300.0
    assert "HELD" in cli(config, "status").stdout


def test_a_wrong_duration_is_a_usage_error(config: Path, service: Service) -> None:
    done = cli(config, "switchover", "--at-most", "soon")
    assert done.returncode == Exit.USAGE
    assert "15m" in done.stderr
    assert service.core.seen == []


def test_history_and_explain(config: Path, service: Service) -> None:
    cli(config, "hold", "--reason", "cabling")
    history = cli(config, "history", "-n", "5")
    assert history.returncode == Exit.OK, history.stderr
    assert "cabling" in history.stdout
    assert "rule any: active.verdict is unknown" in cli(config, "explain").stdout
    assert "rule active-dead" in cli(config, "explain", "active-dead").stdout


def test_watch_shows_what_happens_as_it_happens(config: Path, service: Service) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "status", "--watch", "--json", "-c", str(config)],
        stdout=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stdout is not None
        first = json.loads(watching.stdout.readline())
        assert first["status"]["move"] is None
        assert cli(config, "failover", "--to", "pbx-b").returncode == Exit.OK
        updates = [first]
        while "so it ended" not in str(updates[-1]["lines"]):
            updates.append(json.loads(watching.stdout.readline()))
        watching.terminate()
    assert updates[-1]["status"]["active"] == "pbx-b"
