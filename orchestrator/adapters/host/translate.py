"""The agent's lines as domain events."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from orchestrator.adapters.host.settings import HostSettings
from orchestrator.core.events import AddressSeen, Event, Observed
from orchestrator.core.words import Observer, Outcome

log = logging.getLogger("orchestrator.host")

PROCESS = {"running": Outcome.ANSWERS, "stopped": Outcome.STOPPED, "gone": Outcome.GONE}
PEER = {
    "answers": Outcome.ANSWERS,
    "refused": Outcome.REFUSED,
    "host_only": Outcome.STOPPED,  # its host answers ping, its SIP nothing
    "silent": Outcome.SILENT,
}


def events_of(settings: HostSettings, message: dict[str, Any]) -> Iterator[Event]:
    """What a line of the agent tells; unknown words of a newer agent tell nothing."""
    match message.get("event"):
        case "alive":
            yield from _process(settings, message.get("process"), message)
            yield from _peer(settings, message.get("peer"))
            yield from _address(settings, message)
        case "process":
            yield from _process(settings, message.get("state"), message)
        case "peer":
            yield from _peer(settings, message.get("outcome"))
        case "address":
            yield from _address(settings, message)
        case "gave_up_address":
            yield from _gave_up(settings, message)
        case "protocol_error":
            log.warning("%s: the host agent says: %s", settings.node, message.get("error"))


def _process(settings: HostSettings, state: object, message: dict[str, Any]) -> Iterator[Event]:
    if state in PROCESS:
        detail = str(message.get("detail", ""))
        yield Observed(settings.node, Observer.HOST, PROCESS[str(state)], detail)


def _peer(settings: HostSettings, outcome: object) -> Iterator[Event]:
    if outcome in PEER and settings.peer_node:
        seen_from = f"SIP OPTIONS and ping from the host of {settings.node}"
        yield Observed(settings.peer_node, Observer.PEER, PEER[str(outcome)], seen_from)


def _address(settings: HostSettings, message: dict[str, Any]) -> Iterator[Event]:
    holds = message.get("address")
    if holds is None or isinstance(holds, bool):
        yield AddressSeen(settings.node, holds, guarded=bool(message.get("guarded")))


def _gave_up(settings: HostSettings, message: dict[str, Any]) -> Iterator[Event]:
    why = message.get("why")
    if message.get("error"):
        log.error(
            "%s: must give the virtual IP up (%s), but cannot: %s",
            settings.node,
            why,
            message["error"],
        )
        return
    log.warning("%s: gave the virtual IP up by itself: %s", settings.node, why)
    yield AddressSeen(settings.node, False, gave_up=True)
