"""The orchestrator is killed in the middle of a move and started again: one holder, no call cut."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from contrib.lab import Lab
from contrib.lab.service import Service
from tests.lab.rig import (
    afresh,
    held,
    none_lost,
    reconfigure,
    trunk_is_only_on,
    wait_for,
)
from tests.lab.watching import never_two

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
    ordering = threading.Thread(target=service.ask, args=(order,), kwargs={"check": False})
    ordering.start()  # it would answer too late to hit a short phase
    try:
        wait_for(lambda: words in _text_since(service, seen), f"it says '{words}'", 15, 0.001)
    finally:
        service.end(signal.SIGKILL)
        ordering.join()


def _text_since(service: Service, seen: int) -> str:
    return service.log.read_bytes()[seen:].decode()


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
    with never_two(lab):
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
                    service.until("it answers", ENDS_WITHIN_S)["phase"] in ("steady", "draining")
                ),
                "it goes on or goes back",
                ENDS_WITHIN_S,
            )
            time.sleep(0.3)
            none_lost(talking)
            ends_well(lab, service)


@pytest.mark.parametrize("phase", UNPLANNED)
def test_killed_in_a_failover(lab: Lab, phase: str) -> None:
    with never_two(lab):
        with Service(lab) as service:
            service.until_ready()
            kill_at(service, UNPLANNED[phase], "failover")
        with Service(lab) as service:
            service.until("it answers", ENDS_WITHIN_S)
            ends_well(lab, service)
            assert service.status()["active"] == "pbx-b"
