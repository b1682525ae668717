"""Pictures of nodes with calls, for the tables of the evacuation's tests."""

from __future__ import annotations

from immutables import Map

from orchestrator.core.state import (
    Channel,
    Contact,
    EvacuationPolicy,
    Node,
    NodePolicy,
    Policy,
    Queue,
    QueueCaller,
    QueueMember,
    TrunkPolicy,
)
from orchestrator.core.words import ChannelState, ContactStatus

POLICY = Policy(
    nodes=(NodePolicy("pbx-a", "10.0.0.1"), NodePolicy("pbx-b", "10.0.0.2")),
    trunks=(TrunkPolicy("trunk-reg", "trunk"),),
)
EVACUATION = EvacuationPolicy(user_agents=("Good *",))


def channel(name: str, linkedid: str = "1", bridge: str = "", **more: object) -> Channel:
    values: dict[str, object] = {
        "uniqueid": name.rpartition("-")[2], "name": name, "state": ChannelState.UP,
        "created_at": 0.0, "linkedid": linkedid, "bridge": bridge,
        "bridge_kind": "basic" if bridge else "",
    }  # fmt: skip
    return Channel(**{**values, **more})  # type: ignore[arg-type]


def contact(aor: str, user_agent: str = "Good 1.0", **more: object) -> Contact:
    values: dict[str, object] = {
        "aor": aor, "uri": f"sip:{aor}@10.0.0.9", "status": ContactStatus.REACHABLE, "since": 0.0,
        "user_agent": user_agent,
    }  # fmt: skip
    return Contact(**{**values, **more})  # type: ignore[arg-type]


def node(
    *channels: Channel, contacts: tuple[Contact, ...] = (), queues: tuple[Queue, ...] = ()
) -> Node:
    """A node with these channels; phones 1001 to 1009 have a Good one unless told otherwise."""
    named = {one.aor for one in contacts}
    usual = [contact(str(n)) for n in range(1001, 1010) if str(n) not in named]
    return Node(
        "pbx-a",
        channels=Map({one.uniqueid: one for one in channels}),
        contacts=Map({f"{one.aor}/{one.uri}": one for one in (*usual, *contacts)}),
        queues=Map({queue.name: queue for queue in queues}),
    )


def queue(name: str, callers: dict[str, int], *agents: str) -> Queue:
    return Queue(
        name,
        Map({agent: QueueMember(agent, "Budi", 0, False, "", False, "") for agent in agents}),
        Map({one: QueueCaller(one, place, "", float(place)) for one, place in callers.items()}),
    )
