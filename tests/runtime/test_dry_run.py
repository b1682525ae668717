"""The whole service as a dry run on the built-in pair: all is said, nothing is done."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.simulator.lab import Lab
from tests.runtime.test_app import COMMAND, Process, steady


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab.up(f"dry-{os.getpid()}") as lab:
        yield lab


def cli(lab: Lab, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *arguments, "-c", str(lab.config_path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def history(service: Process) -> list[str]:
    return [line["text"] for line in service.ask("history", limit=200)["lines"]]


def test_a_killed_node_is_only_spoken_of(lab: Lab, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        with Process(lab, "--dry-run", NOTIFY_SOCKET=str(tmp_path / "notify")) as service:
            service.until(steady("pbx-a"))
            service.until(lambda s: s["nodes"]["pbx-b"]["verdict"] == "healthy")
            while "STATUS=dry run, nothing is changed; active: pbx-a" not in (
                systemd.recv(4096).decode()
            ):
                pass
            lab.node("a").kill()
            service.until(lambda s: s["nodes"]["pbx-a"]["verdict"] == "dead")
            service.until(lambda s: any("it would begin" in note for note in s["notes"]))
            told = history(service)
            assert any(
                line.startswith("dry run: rule active-dead would ask for a failover: ")
                and line.endswith("; it would begin, from pbx-a to pbx-b")
                for line in told
            ), told
            assert any("active-dead would tell people: " in line for line in told), told
            status = service.status()
            assert (status["dry_run"], status["active"]) == (True, "pbx-a")
            assert (status["move"], status["epoch"]) == (None, 0)
            assert cli(lab, "status").stdout.startswith("DRY RUN: nothing is changed")
            assert "\nasterisk_orchestrator_dry_run 1.0\n" in cli(lab, "metrics").stdout
            refused = cli(lab, "failover")
            assert refused.returncode == 4
            assert "nothing was done: this is a dry run" in refused.stderr
            assert cli(lab, "reload").returncode == 0
    assert lab.vip_holder() == "a"
    assert "To people:" not in service.log.read_text()
    kept = {path.name for path in (lab.directory / "orchestrator").iterdir()}
    assert "dry-run.sqlite" in kept and "journal.sqlite" not in kept


def test_another_dry_run_learns_afresh_who_is_active(lab: Lab) -> None:
    for place in ("a", "b"):
        lab.move_vip(place)
        with Process(lab, "--dry-run") as service:
            service.until(steady(f"pbx-{place}"))
            service.process.terminate()
            assert service.process.wait(15) == 0
            assert not any("call a human" in line for line in service.log.read_text().split("\n"))


def test_beside_the_service_it_wants_a_configuration_of_its_own(lab: Lab) -> None:
    with Process(lab) as service:
        service.until(steady("pbx-a"))
        assert service.status()["dry_run"] is False
        second = cli(lab, "run", "--dry-run")
        assert second.returncode == 1
        assert "configuration file of its own with another state_dir" in second.stderr
        assert steady("pbx-a")(service.status())
