"""What a lab with many phones has beside the usual: phones 2001…, queues q1 to q5, conference 800.

Each queue has eight agents: five by its configuration, three who log in (`Fleet.staff`).
"""

from __future__ import annotations

from collections.abc import Mapping

from contrib.lab.filling import OWN, fill

FIRST_PHONE = 2001
MOST_PHONES = 999
QUEUES = range(1, 6)
AGENTS_PER_QUEUE = 8
STATIC_AGENTS = 5


def phone_numbers(phones: int) -> range:
    """The numbers of so many phones."""
    return range(FIRST_PHONE, FIRST_PHONE + phones)


def agents_of(queue: int) -> list[int]:
    """The numbers of a queue's agents, those of the configuration first."""
    first = FIRST_PHONE + (queue - 1) * AGENTS_PER_QUEUE
    return list(range(first, first + AGENTS_PER_QUEUE))


def fleet_files(values: Mapping[str, object], phones: int, *, chan_sip: bool) -> dict[str, str]:
    """The files of a node's configuration by name, empty where there are no such phones."""
    node = OWN / "node"
    if not phones:
        dialplan = fill(node / "extensions-chan-sip.conf", values) if chan_sip else _NO_PHONES
        return {"extensions-fleet.conf": dialplan, "queues-fleet.conf": "", "pjsip-fleet.conf": ""}
    queues = [
        fill(node / "queue.conf", {"queue": queue, "members": _members(queue)}) for queue in QUEUES
    ]
    each = [fill(node / "phone.conf", {**values, "phone": one}) for one in phone_numbers(phones)]
    return {
        "extensions-fleet.conf": fill(node / "extensions-fleet.conf", values),
        "queues-fleet.conf": "\n".join(queues),
        "pjsip-fleet.conf": "".join(each),
    }


_NO_PHONES = "[fleet]\n\n[fleet-did]\n"


def _members(queue: int) -> str:
    static = agents_of(queue)[:STATIC_AGENTS]
    return "\n".join(f"member => PJSIP/{one},0,Agent {one}" for one in static)
