"""The whole service as a process, on the built-in pair: fails over, goes on after a crash, ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.cli.client import Client, NotRunning, control_socket
from orchestrator.core.rulebook.traces import What
from orchestrator.runtime.recorded import RecordReader
from orchestrator.simulator.lab import Lab

COMMAND = [sys.executable, "-m", "orchestrator"]


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab.up(f"app-{os.getpid()}") as lab:
        yield lab


class Process:
    """The service, started as systemd starts it."""

    def __init__(self, lab: Lab, *options: str, **environment: str) -> None:
        self.lab = lab
        self.log = lab.directory / "service.log"
        with self.log.open("a") as stderr:
            self.process = subprocess.Popen(
                [*COMMAND, "run", "-c", str(lab.config_path), *options],
                stderr=stderr,
                env={**os.environ, **environment},
            )

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *args: object) -> None:
        self.process.kill()
        self.process.wait()

    def status(self) -> dict[str, Any]:
        try:
            status: dict[str, Any] = self.ask("status")["status"]
        except NotRunning:
            return {}
        return status

    def ask(self, do: str, **arguments: object) -> dict[str, Any]:
        return Client(control_socket(self.lab.config_path)).ask(do, **arguments)

    def until(self, condition: Callable[[dict[str, Any]], bool], seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while not ((seen := self.status()) and condition(seen)):
            assert time.monotonic() < end, f"{json.dumps(seen)}\n{self.log.read_text()}"
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)


def steady(node: str) -> Callable[[dict[str, Any]], bool]:
    return lambda s: s["active"] == node and s["phase"] == "steady"


def test_a_killed_node_is_failed_over_and_nothing_secret_is_written(lab: Lab) -> None:
    with Process(lab) as service:
        service.until(steady("pbx-a"))
        lab.node("a").kill()
        service.until(steady("pbx-b"))
        assert lab.vip_holder() == "b"
        texts = [line["text"] for line in service.ask("history", limit=100)["lines"]]
        assert any("pbx-a is dead" in text for text in texts), texts
        status = service.status()
        assert status["epoch"] == 1
        assert status["last_move"]["outcome"] == "active"
    written = [service.log, *(lab.directory / "orchestrator").iterdir()]
    for path in written:
        for name in ("ami.secret", "ari.secret"):
            secret = (lab.directory / name).read_bytes().strip()
            assert path.is_socket() or secret not in path.read_bytes(), path


def test_killed_in_the_middle_of_a_move_it_goes_on_from_its_journal(lab: Lab) -> None:
    with Process(lab) as service:
        service.until(steady("pbx-a"))
        assert service.ask("switchover")["ok"]
        service.until(lambda s: s["phase"] == "taking-trunks")
        service.process.send_signal(signal.SIGKILL)
        service.process.wait()
    with Process(lab) as service:
        service.until(lambda s: s["phase"] == "steady" and s["move"] is None)
        status = service.status()
        holder = lab.vip_holder()
        assert status["active"] == f"pbx-{holder}", "what it believes is what is"
        assert status["last_move"]["number"] == 1, "the move was not forgotten"
        assert "ended while this was under way" in service.log.read_text()


def test_a_stop_moves_nothing_and_the_next_start_remembers(lab: Lab) -> None:
    with Process(lab) as service:
        service.until(steady("pbx-a"))
        assert service.ask("hold", reason="cabling")["ok"]
        service.process.terminate()
        assert service.process.wait(15) == 0
        assert lab.vip_holder() == "a"
        assert not control_socket(lab.config_path).exists()
    with Process(lab) as service:
        service.until(lambda s: s["hold"] is not None and s["hold"]["reason"] == "cabling")


def test_a_second_service_on_the_same_pair_is_refused(lab: Lab) -> None:
    with Process(lab) as service:
        service.until(steady("pbx-a"))
        second = subprocess.run(
            [*COMMAND, "run", "-c", str(lab.config_path)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert second.returncode == 1
        assert "Another orchestrator is running" in second.stderr
        assert steady("pbx-a")(service.status())


def test_systemd_is_told_that_it_runs_and_lives(lab: Lab, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
        with Process(lab, **environment):
            told = ""
            while not all(word in told for word in ("READY=1", "WATCHDOG=1", "STATUS=active:")):
                told += systemd.recv(4096).decode() + "\n"


def test_a_wrong_configuration_is_said_in_full(tmp_path: Path) -> None:
    path = tmp_path / "orchestrator.yaml"
    path.write_text("pair: x\nnodez: {}\n")
    for command in ("check", "run"):
        done = subprocess.run(
            [*COMMAND, command, "-c", str(path)],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert f"{path}:2:1: unknown key 'nodez'" in done.stderr
        assert "missing key 'service'" in done.stderr


def test_a_sound_configuration_is_said_to_be(lab: Lab) -> None:
    done = subprocess.run(
        [*COMMAND, "check", "-c", str(lab.config_path)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "is sound" in done.stdout


def test_rules_are_read_anew_all_or_none(lab: Lab, tmp_path: Path) -> None:
    rules = tmp_path / "mine.yaml"
    kept = "  kept: {when: active.calls >= 0, for: 1h, do: [notify]}\n"
    rules.write_text(f"rules:\n{kept}  other: {{when: pair.held, do: [notify]}}\n")
    settings = yaml.safe_load(lab.config_path.read_text())
    lab.config_path.write_text(yaml.safe_dump({**settings, "rules": [str(rules)]}))
    with Process(lab) as service:
        service.until(steady("pbx-a"))
        pending = [
            line for line in service.ask("explain", rule="kept")["lines"] if "of 1 h" in line
        ]
        assert pending, "its timer runs"

        rules.write_text(f"rules:\n{kept}  other: {{whn: pair.held, do: [notify]}}\n")
        refused = service.ask("reload")
        assert not refused["ok"] and "stay in force" in refused["says"]
        assert any(f"{rules}:3:11: unknown key 'whn'" in line for line in refused["problems"])
        assert "does not fire" in service.ask("explain", rule="other")["lines"][0]

        time.sleep(1)
        rules.write_text(f"rules:\n{kept}  third: {{when: pair.held, do: [notify]}}\n")
        changed = {**settings, "rules": [str(rules)], "silence": "3s"}
        lab.config_path.write_text(yaml.safe_dump(changed))
        service.process.send_signal(signal.SIGHUP)
        told = (
            "rules reloaded by SIGHUP: new: third; gone: other; 1 as before."
            " Not used before a restart: what was changed in silence"
        )
        service.until(lambda s: told in s["notes"])
        assert told in [line["text"] for line in service.ask("history", limit=100)["lines"]]
        assert "does not fire" in service.ask("explain", rule="third")["lines"][0]
        line = service.ask("explain", rule="kept")["lines"][0]
        assert "held for 0" not in line and " ms of 1 h" not in line, "its timer went on"
        service.process.terminate()
        assert service.process.wait(15) == 0
    record = RecordReader(lab.directory / "orchestrator" / "record.sqlite")
    begin = record.begin(None)
    facts = dict(change for _, found in record.moments(begin, None) for change in found)
    assert facts["pair.active"] == "pbx-a" and facts["pbx-a.verdict"] == "healthy"
    assert told in [text for _, text in record.told(begin, None)]
    assert [(t.rule, t.what) for t in record.traces(begin, None)] == [("kept", What.BEGAN)]
