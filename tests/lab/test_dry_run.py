"""A dry run on a real pair: alone, and beside the orchestrator that is in charge."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from contrib.lab import Lab
from contrib.lab.service import Service
from tests.lab.mirrored import Told, registrations
from tests.lab.rig import afresh, phones, story, wait_for
from tests.lab.watching import Holders, watched

READING = {
    *("Challenge", "Login", "Ping", "ListCommands", "CoreSettings", "CoreStatus"),
    *("CoreShowChannels", "BridgeList", "Status", "QueueStatus", "DeviceStateList", "DBGetTree"),
    *("PJSIPShowContacts", "PJSIPShowEndpoint", "PJSIPShowEndpoints"),
    *("PJSIPShowRegistrationsOutbound", "SIPpeers", "SIPshowregistry", "Filter"),
}
WOULD = "dry run: rule active-dead would ask for a failover: "
ANSWER = "; it would begin, from pbx-a to pbx-b"


class DryRun(Service):
    """With a configuration file, a state directory and a log of its own."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab, "--dry-run")
        state = lab.directory / "dry-run"
        shutil.rmtree(state, ignore_errors=True)
        settings = yaml.safe_load(lab.config_path.read_text(encoding="utf-8"))
        self.config = Path(lab.directory, "dry-run.yaml")
        self.config.write_text(yaml.safe_dump({**settings, "state_dir": str(state)}), "utf-8")
        self.journal = state / "dry-run.sqlite"
        self.log = lab.directory / "dry-run.log"
        self.log.unlink(missing_ok=True)

    def would_have_failed_over(self) -> bool:
        lines = story(self).splitlines()
        return any(WOULD in line and line.endswith(ANSWER) for line in lines)

    def commands(self) -> list[str]:
        """What its journal knows of commands; the service must have ended."""
        with sqlite3.connect(self.journal) as base:
            return [what for (what,) in base.execute("SELECT what FROM command")]


@pytest.fixture
def quiet_lab(lab: Lab) -> Iterator[Lab]:
    afresh(lab)
    yield lab
    afresh(lab)


def astdb(lab: Lab, place: str) -> list[str]:
    return sorted(lab.node(place).cli("database show").splitlines())


def test_alone_it_only_reads_and_says_what_it_would_do(quiet_lab: Lab) -> None:
    lab = quiet_lab
    people = phones(lab)  # pbx-b does not know them: a mirror would have something to write
    holders, told = Holders(lab), Told(lab, everything=True)
    before = {place: astdb(lab, place) for place in ("a", "b")}
    trunks = {place: lab.node(place).trunk for place in ("a", "b")}
    try:
        with DryRun(lab) as dry:
            dry.until_ready()
            assert dry.status()["dry_run"] is True
            refused = dry.ask("switchover", check=False)
            assert refused.returncode == 4 and "this is a dry run" in refused.stderr
            time.sleep(12)  # more than a comparison
            assert {place: astdb(lab, place) for place in ("a", "b")} == before
            assert len(registrations(lab, "a")) == 3 and not registrations(lab, "b")
            assert {place: lab.node(place).trunk for place in ("a", "b")} == trunks
            lab.node("a").kill()
            wait_for(dry.would_have_failed_over, "it says what it would do", 15)
            time.sleep(1)
            assert dry.status()["active"] == "pbx-a"
            assert astdb(lab, "b") == before["b"]
            assert lab.node("b").trunk == trunks["b"]
        assert dry.commands() == []
    finally:
        told.end()
        holders.end()
        people.kill()
    asked = {says for _, _, says in told.changes}
    assert {"Login", "Ping", "DBGetTree", "PJSIPShowContacts"} <= asked, "the tap hears it"
    assert {one for one in asked if not one.startswith("GET /ari/")} <= READING
    assert holders.sequence() == ["a"]
    assert not (dry.journal.parent / "journal.sqlite").exists()


def test_beside_the_one_in_charge_it_disturbs_nothing(quiet_lab: Lab) -> None:
    lab = quiet_lab
    with watched(lab) as seen, DryRun(lab) as dry:
        assert seen.callers
        dry.until_ready()
        time.sleep(2)
        assert sum("host agent is up" in line for line in seen.log()) == 2, "nobody was sent away"
        guards = [line for line in seen.log() if "host agent is up" in line]
        assert all("guard: on" in line for line in guards)
        assert seen.service.status()["nodes"]["pbx-a"]["guarded"] is True
        assert dry.status()["nodes"]["pbx-a"]["guarded"] is False
        at = lab.node("a").kill()
        seen.until_served_by("b", at)
        gap = seen.callers.gap_ms(at)
        assert gap is not None and gap < 1000
        moved = seen.until_moved("pbx-b")
        assert moved["last_move"]["kind"] == "failover"
        seen.trunk_serves("b")
        assert dry.would_have_failed_over(), story(dry)
        dry.until("follows the address", 10, active="pbx-b", phase="steady", move=None)
        assert "pbx-b holds the address and not pbx-a any more" in story(dry)
        assert dry.status()["epoch"] == 0
        lab.node("a").start()
        seen.until_verdict("pbx-a", "healthy")
        seen.wait(lambda: lab.node("a").trunk == "Unregistered", "a lets the trunk go", 15)
        assert seen.holders.sequence() == ["a", "b"]
        assert not any("connecting again" in line for line in seen.log() if "pbx-b" in line)
        dry.end()
        assert dry.commands() == []
        assert seen.service.status()["dry_run"] is False
