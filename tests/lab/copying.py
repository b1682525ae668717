"""Lists, copies and removes as the mirror does, with the service's own adapters.

Run in the control namespace: python -m tests.lab.copying CONFIG {copy|remove|listen}; it prints a
line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from orchestrator.config import load
from orchestrator.core.commands import Put
from orchestrator.core.events import AuthSeen, ClockSeen, Event, Snapshot
from orchestrator.core.words import MirrorKind
from orchestrator.runtime.ports import NodePorts
from orchestrator.runtime.wiring import wire

AGENT = (("name", "Nine"), ("pause_reason", "lunch"), ("paused", "1"), ("penalty", "2"))
MEMBERS = {
    "support|PJSIP/1009": (*AGENT, ("state_interface", "PJSIP/1009")),
    "support|PJSIP/1003": AGENT,  # is there by configuration: brought in step
}
LONG = "v" * 1000
KEYS = {"CF/1001": (("value", "2000"),), "CF/1002/long": (("value", LONG),)}
STATES = {"Custom:DND1001": (("state", "busy"),)}


def puts(items: dict[str, Any], *, fresh: bool = False) -> list[Put]:
    return [Put(key, fields, fresh) for key, fields in items.items()]


async def copy(source: NodePorts, target: NodePorts) -> dict[str, Any]:
    assert source.contacts is not None and target.contacts is not None
    kind = MirrorKind.CONTACT
    listed = dict(await source.manager.list_items(kind, ()))
    fetched = await source.contacts.fetch(list(listed))
    first = await target.contacts.write(puts(listed, fresh=True), ())
    again = await target.contacts.write(puts(listed, fresh=True), ())
    refreshed = await target.contacts.write(puts(listed), ())
    there = dict(await target.manager.list_items(kind, ()))
    told: dict[str, Any] = {
        "contacts": len(listed),
        "ari_equals_ami": fetched == listed,
        "copied": len(first.done),
        "shared": len(again.shared),
        "refreshed": len(refreshed.done),
        "there_equals_here": all(there.get(key) == fields for key, fields in listed.items()),
    }
    for part, items in ((MirrorKind.MEMBER, MEMBERS), (MirrorKind.ASTDB, KEYS),
                        (MirrorKind.DEVICE, STATES)):  # fmt: skip
        for _ in range(2):  # every write can be repeated
            written = await target.manager.write_items(part, puts(items), ())
            told[part] = dict(written.failed) or "done"
    told["keys_equal"] = dict(await target.manager.list_items(MirrorKind.ASTDB, ["CF"])) == KEYS
    await target.manager.pause_member("support", "PJSIP/1001", True, "talks on pbx-a")
    return told


async def remove(source: NodePorts, target: NodePorts) -> dict[str, Any]:
    assert source.contacts is not None and target.contacts is not None
    keys = [key for key, _ in await source.manager.list_items(MirrorKind.CONTACT, ())]
    gone = await target.contacts.write((), [*keys, "1099;@nobody"])
    told: dict[str, Any] = {"removed": len(gone.done), "failed": dict(gone.failed)}
    members = [*MEMBERS, "support|PJSIP/1055"]
    for part, names in ((MirrorKind.MEMBER, members), (MirrorKind.ASTDB, [*KEYS, "CF/none"]),
                        (MirrorKind.DEVICE, list(STATES))):  # fmt: skip
        written = await target.manager.write_items(part, (), names)
        told[part] = dict(written.failed) or "done"
    return told


async def listen(seen: list[Event]) -> dict[str, Any]:
    """Until three phones proved who they are."""
    print(json.dumps("listening"), flush=True)
    async with asyncio.timeout(20):
        while len({one.endpoint for one in seen if isinstance(one, AuthSeen)}) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return {}


async def main(config: str, what: str) -> None:
    settings = load(Path(config))
    seen: list[Event] = []
    wired = wire(settings, settings.policy(), seen.append)
    ours = [one for name, one in wired.sources if name.startswith(("AMI", "contacts"))]
    tasks = [asyncio.create_task(one.run()) for one in ours]
    async with asyncio.timeout(20):
        while sum(isinstance(one, Snapshot) for one in seen) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    nodes = wired.ports.nodes
    if what == "listen":
        told = await listen(seen)
    else:
        told = await (copy if what == "copy" else remove)(nodes["pbx-a"], nodes["pbx-b"])
    clocks = [one for one in seen if isinstance(one, ClockSeen)]
    told["clock_ahead_s"] = max(abs(one.ahead_s) for one in clocks)
    told["authenticated"] = [one.endpoint for one in seen if isinstance(one, AuthSeen)]
    print(json.dumps(told))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
