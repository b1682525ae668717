"""The orchestrator is killed in the middle of a move and started again: one holder, no call cut."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from contrib.lab import Lab
from contrib.lab.service import Service
from tests.lab.rig import (
    OneHolder,
    afresh,
    held,
    none_lost,
    reconfigure,
    trunk_is_only_on,
    wait_for,
)

PLANNED = {
    "preparing": "begun by",
    "taking-trunks": "it takes the trunks first",
    "moving-address": "now the address moves",
    "releasing-trunks": "every new call lands there",
    "verifying": "has let the trunks go",
    "draining": "may end in peace",
    "rolling-back": "drain aborted",
    "completing": "is drained",
}
UNPLANNED = {
    "fencing": "begun by",
    "moving-address": "certainly serves nothing",
    "verifying": "a test call must show",
    "taking-trunks": "registrations are awaited",
}
ENDS_WITHIN_S = 30.0


@pytest.fixture(autouse=True)
def tidy(lab: Lab) -> Iterator[None]:
    yield
    afresh(lab)


def kill_at(service: Service, words: str, order: str) -> None:
    """Gives the order and kills the orchestrator the moment its log has these words."""
    seen = service.log.stat().st_size
    service.ask(order)
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        with service.log.open(encoding="utf-8") as log:
            log.seek(seen)
            text = log.read()
        if words in text:
            service.end(signal.SIGKILL)
            return
    raise AssertionError(f"'{words}' was never said: {text}")


def ends_well(lab: Lab, service: Service) -> None:
    """In finite time one node serves, alone, and the trunk is there; no human is needed."""

    def steady() -> bool:
        status = service.status()
        return status["phase"] == "steady" and status["active"] != "" and status["move"] is None

    wait_for(steady, "the move has ended", ENDS_WITHIN_S)
    status = service.status()
    assert status["hold"] is None, status["hold"]
    place = status["active"].removeprefix("pbx-")
    assert lab.vip_holders() == (place,)
    wait_for(lambda: trunk_is_only_on(lab, place), "the trunk is with the active", ENDS_WITHIN_S)
    assert "0 results" in lab.node(place).cli("database show orchestrator")


@pytest.mark.parametrize("phase", PLANNED)
def test_killed_in_a_switchover(lab: Lab, phase: str) -> None:
    reconfigure(lab, drain={"mode": "overlap"})
    with OneHolder(lab):
        with Service(lab) as service:
            service.until_ready()
            talking = held(lab, 0 if phase == "completing" else 3)
            if phase == "rolling-back":
                service.ask("switchover")
                service.until("it drains", 20, phase="draining")
            kill_at(service, PLANNED[phase], "abort" if phase == "rolling-back" else "switchover")
        with Service(lab) as service:
            wait_for(
                lambda: (
                    service.ask("status", check=False).returncode == 0
                    and service.status()["phase"] in ("steady", "draining")
                ),
                "it goes on or goes back",
                ENDS_WITHIN_S,
            )
            time.sleep(0.3)
            none_lost(talking)
            ends_well(lab, service)


@pytest.mark.parametrize("phase", UNPLANNED)
def test_killed_in_a_failover(lab: Lab, phase: str) -> None:
    with OneHolder(lab):
        with Service(lab) as service:
            service.until_ready()
            kill_at(service, UNPLANNED[phase], "failover")
        with Service(lab) as service:
            wait_for(lambda: service.ask("status", check=False).returncode == 0, "it answers")
            ends_well(lab, service)
            assert service.status()["active"] == "pbx-b"
