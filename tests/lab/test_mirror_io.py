"""What the mirror reads and writes, on real Asterisk: a copied contact is as good as its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from contrib.lab import Lab
from tests.lab.rig import Peer, afresh, phones, wait_for


@pytest.fixture
def quiet_lab(lab: Lab) -> Iterator[Lab]:
    afresh(lab)
    yield lab
    _copying(lab, "remove")
    afresh(lab)


def _copying(lab: Lab, what: str) -> dict[str, Any]:
    told, _ = lab.popen_python(
        "ctl", ["-m", "tests.lab.copying", str(lab.config_path), what], stdout=-1
    ).communicate(timeout=60)
    return dict(json.loads(told))


def _contacts(lab: Lab, place: str) -> list[str]:
    """The dynamic contacts, one line each: aor/uri, status."""
    lines = lab.node(place).cli("pjsip show contacts").splitlines()
    return [line.strip() for line in lines if re.search(r"Contact: +1\d{3}/sip:", line)]


def _member(lab: Lab, interface: str) -> str:
    lines = lab.node("b").cli("queue show support").splitlines()
    return next((line for line in lines if interface in line), "")


def test_a_copied_contact_serves_and_the_rest_is_in_step(quiet_lab: Lab) -> None:
    lab = quiet_lab
    phones(lab)
    told = _copying(lab, "copy")
    assert told["clock_ahead_s"] < 0.05
    del told["clock_ahead_s"], told["authenticated"]
    assert told == {
        "contacts": 3,
        "ari_equals_ami": True,
        "copied": 3,
        "shared": 3,
        "refreshed": 3,
        "there_equals_here": True,
        "member": "done",
        "astdb": "done",
        "device": "done",
        "keys_equal": True,
    }
    wait_for(
        lambda: sum("Avail" in line for line in _contacts(lab, "b")) == 3,
        "pbx-b reaches the three phones itself",
    )
    b = lab.node("b")
    wait_for(lambda: "Not in use" in b.cli("pjsip show endpoint 1001"), "1001 is ready on pbx-b")
    assert "paused:talks on pbx-a" in _member(lab, "PJSIP/1001")
    assert "Not in use" in _member(lab, "PJSIP/1002")
    for interface in ("PJSIP/1003", "PJSIP/1009"):
        assert "penalty 2" in _member(lab, interface)
        assert "paused:lunch" in _member(lab, interface)
    assert "BUSY" in b.cli("database show CustomDevstate")
    told = _copying(lab, "remove")
    assert (told["removed"], told["failed"], told["astdb"], told["device"]) == (
        4,
        {},
        "done",
        "done",
    )
    assert told["member"] == {
        "support|PJSIP/1003": "PJSIP/1003 was not taken out of queue support on pbx-b: Asterisk "
        "answered 'Member not dynamic'. Nothing was changed."
    }
    assert _contacts(lab, "b") == []
    assert "PJSIP/1009" not in b.cli("queue show support")


def test_the_phones_own_registration_takes_the_place_of_the_copy(quiet_lab: Lab) -> None:
    lab = quiet_lab
    phones(lab)
    assert _copying(lab, "copy")["copied"] == 3
    before = _contacts(lab, "b")
    lab.move_vip("b")
    Peer(lab, "phones", 22, "--numbers", "1001", "--no-audio").until("registered")
    after = _contacts(lab, "b")
    assert len(after) == len(before) == 3, "one contact each, as max_contacts says"
    uris = [{line.split()[1] for line in lines} for lines in (before, after)]
    assert len(uris[1] - uris[0]) == 1


def test_a_phone_that_refreshes_is_told_by_its_authentication(quiet_lab: Lab) -> None:
    lab = quiet_lab
    copying = lab.popen_python(
        "ctl", ["-m", "tests.lab.copying", str(lab.config_path), "listen"], stdout=-1
    )
    assert copying.stdout is not None
    assert json.loads(copying.stdout.readline()) == "listening"
    phones(lab)
    told, _ = copying.communicate(timeout=60)
    assert set(json.loads(told)["authenticated"]) == {"1001", "1002", "1003"}
