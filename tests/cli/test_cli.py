"""The command line against a running service: what it prints and how it exits."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from immutables import Map
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.cli.codes import Exit
from orchestrator.core.events import (
    ExtendRequested,
    HoldRequested,
    MoveRequested,
    ProbeRequested,
)
from orchestrator.core.rulebook.traces import Trace, What
from orchestrator.core.state import Pair
from orchestrator.core.words import MoveKind
from tests.cli.warm_pair import warm_pair
from tests.runtime.service import ORDERS, MovingCore, Service


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "orchestrator.yaml"
    path.write_text("state_dir: .\n")
    return path


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path) as running:
        yield running


@pytest.fixture
def warm(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path, state=warm_pair(time.time())) as running:
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


class TracingCore(MovingCore):
    """With an order come the changes of a rule."""

    def _order(self, state: Pair, event: ORDERS, now: float) -> Pair:
        began = Trace(now - 7, "trunks", What.BEGAN, "its condition began to hold", ("x is true",))
        ended = Trace(now, "trunks", What.ENDED, "its condition ended", ("x is false (x is 2)",))
        state = replace(state, rules=Map(traces=(began, ended)))
        return super()._order(state, event, now)


def test_explain_says_why_a_rule_did_not_also_after_a_restart(config: Path, tmp_path: Path) -> None:
    with Service(tmp_path, TracingCore()):
        cli(config, "hold")
    with Service(tmp_path):
        lines = cli(config, "explain", "trunks").stdout.splitlines()
        assert lines[1] == "  it has not fired as far back as the journal goes"
        assert re.fullmatch(
            r"  why it did not: \d\d:\d\d:\d\d its condition ended: x is now false", lines[2]
        )
        assert lines[3:5] == ["    x is false (x is 2)", "  its changes, the newest last:"]
        assert len(lines) == 7
        assert len(cli(config, "explain").stdout.splitlines()) == 1, "without a name it is short"


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


def test_now_asks_for_the_calls_to_be_carried_over(config: Path, service: Service) -> None:
    assert cli(config, "switchover", "--now").returncode == Exit.OK
    (event,) = service.core.seen
    assert isinstance(event, MoveRequested) and event.evacuate
    assert "carry them over" in cli(config, "switchover", "--help").stdout


def test_phones_in_a_table(config: Path, warm: Service) -> None:
    lines = cli(config, "phones").stdout.splitlines()
    assert lines[0].split() == ["phone", "User-Agent", "pbx-a", "pbx-b", "expires", "REFER"]
    assert "honours (seen: 1002)" in lines[1] and "in 1" in lines[1].replace("in 9", "in 1")
    assert lines[3].startswith("1003") and "Phone [2]" in lines[3]
    assert "of 4 phones 2 are ready on pbx-b" in lines[-1]


def test_missing_phones_only(config: Path, warm: Service) -> None:
    lines = cli(config, "phones", "--missing").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == ["1003", "1004"]
    answer = json.loads(cli(config, "phones", "--missing", "--json").stdout)
    assert [row["phone"] for row in answer["phones"]] == ["1003", "1004"]
    assert all(row["why"] for row in answer["phones"])


def test_probe_asks_first(config: Path, warm: Service) -> None:
    done = cli(config, "phones", "probe", "1001")
    assert done.returncode != Exit.OK and warm.core.seen == []
    assert "quiet time" in done.stdout


def test_probe_tells_what_came_out(config: Path, warm: Service) -> None:
    done = cli(config, "phones", "probe", "--yes", "1001", "1004")
    assert done.returncode == Exit.OK, done.stderr
    assert "Test calls begin." in done.stdout
    assert "follows a REFER" in done.stdout.splitlines()[-1]
    (event,) = warm.core.seen
    assert isinstance(event, ProbeRequested) and event.endpoints == ("1001", "1004")


def test_probe_all_takes_one_phone_of_each_kind_not_known(config: Path, warm: Service) -> None:
    assert cli(config, "phones", "probe", "--all", "--yes").returncode == Exit.OK
    (event,) = warm.core.seen
    assert isinstance(event, ProbeRequested) and event.endpoints == ("1003", "1004")


def test_probe_wants_to_know_whom(config: Path, warm: Service) -> None:
    for arguments in ((), ("1001", "--all")):
        assert cli(config, "phones", "probe", *arguments).returncode == Exit.USAGE
    assert warm.core.seen == []


def test_metrics_are_what_prometheus_reads(config: Path, warm: Service) -> None:
    text = cli(config, "metrics").stdout
    families = {family.name: family for family in text_string_to_metric_families(text)}
    active = families["asterisk_orchestrator_node_active"].samples
    assert {s.labels["node"]: s.value for s in active} == {"pbx-a": 1.0, "pbx-b": 0.0}
    ready = families["asterisk_orchestrator_standby_phones_ready"].samples
    assert [(s.labels["standby"], s.value) for s in ready] == [("pbx-b", 2.0)]


def test_reload_says_what_changed(config: Path, service: Service) -> None:
    done = cli(config, "reload")
    assert (done.returncode, done.stderr) == (Exit.OK, "")
    assert "rules reloaded by " in done.stdout and "7 as before" in done.stdout


def test_a_refused_reload_names_every_problem(config: Path, service: Service) -> None:
    service.problems = ["rules.yaml:1:1: unknown key 'whn'", "rules.yaml:2:1: empty"]
    done = cli(config, "reload")
    assert (done.returncode, done.stdout) == (Exit.REFUSED, "")
    assert done.stderr.splitlines() == [*service.problems, "Nothing was changed."]
