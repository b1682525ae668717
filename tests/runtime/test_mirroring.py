"""What the mirror asks for reaches the right adapter, and what is read comes back as events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from orchestrator.core.commands import Mirror, Put
from orchestrator.core.events import Compared, CopySeen, Event, Fields
from orchestrator.core.words import MirrorKind
from orchestrator.errors import ActionFailed
from orchestrator.runtime.mirroring import Mirroring
from orchestrator.runtime.ports import NodePorts, Ports
from tests.runtime.world import FakeNode, World

KEY = "1001;@x"
FIELDS: Fields = (("uri", "sip:1001@10.0.0.1"),)


@dataclass
class Written:
    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    shared: list[str] = field(default_factory=list)


@dataclass
class Copies(FakeNode):
    """A node that has one contact and one astdb key, and writes all but ``bad``."""

    written: list[tuple[object, ...]] = field(default_factory=list)
    problem: str = ""

    async def fetch(self, keys: Sequence[str]) -> Mapping[str, Fields | None]:
        return {key: FIELDS if key == KEY else None for key in keys}

    async def write(self, puts: Sequence[Put], removals: Sequence[str]) -> Written:
        return await self.write_items(MirrorKind.CONTACT, puts, removals)

    async def list_items(
        self, kind: MirrorKind, families: Sequence[str]
    ) -> Sequence[tuple[str, Fields]]:
        if self.problem:
            raise ActionFailed(self.problem)
        return [(f"{family}/1001", (("value", kind.value),)) for family in families]

    async def write_items(
        self, kind: MirrorKind, puts: Sequence[Put], removals: Sequence[str]
    ) -> Written:
        keys = [*(put.key for put in puts), *removals]
        self.written.append((kind, *keys))
        failed = {key: "it is bad" for key in keys if key == "bad"}
        return Written([key for key in keys if key not in failed], failed)


@pytest.fixture
def node() -> Copies:
    return Copies()


@pytest.fixture
def events() -> list[Event]:
    return []


def mirroring(node: Copies, events: list[Event], *, ari: bool = True) -> Mirroring:
    ports = World().ports()
    ours = NodePorts(node, None, (), node if ari else None)  # type: ignore[arg-type]
    nodes = {**ports.nodes, "pbx-b": ours}
    parts = (ports.test_service, ports.announcer, ports.hooks, ports.fence_commands)
    return Mirroring(Ports(nodes, *parts), events.append)


def order(kind: MirrorKind, *keys: str, removals: tuple[str, ...] = ()) -> Mirror:
    puts = tuple(Put(key, FIELDS) for key in keys)
    return Mirror(id=1, epoch=1, timeout_s=1, node="pbx-b", kind=kind, puts=puts, removals=removals)


async def test_each_contact_that_is_read_comes_back(node: Copies, events: list[Event]) -> None:
    await mirroring(node, events).fetch("pbx-b", MirrorKind.CONTACT, [KEY, "gone"])
    assert events == [
        CopySeen("pbx-b", MirrorKind.CONTACT, KEY, FIELDS),
        CopySeen("pbx-b", MirrorKind.CONTACT, "gone", None),
    ]


async def test_a_listing_comes_back_as_a_whole_or_with_its_problem(
    node: Copies, events: list[Event]
) -> None:
    ours = mirroring(node, events)
    await ours.compare("pbx-b", MirrorKind.ASTDB, ["CF"])
    node.problem = "no such action"
    with pytest.raises(ActionFailed):
        await ours.compare("pbx-b", MirrorKind.ASTDB, ["CF"])
    items = (("CF/1001", (("value", "astdb"),)),)
    assert events == [
        Compared("pbx-b", MirrorKind.ASTDB, items),
        Compared("pbx-b", MirrorKind.ASTDB, problem="no such action"),
    ]


@pytest.mark.parametrize("kind", list(MirrorKind))
async def test_what_is_written_says_what_was_done_and_what_not(
    kind: MirrorKind, node: Copies, events: list[Event]
) -> None:
    ours = mirroring(node, events)
    ok, says, data = await ours.write(order(kind, KEY, "bad", removals=("old",)))
    assert (ok, says) == (False, "bad: it is bad")
    assert data == {"done": (KEY, "old"), "failed": {"bad": "it is bad"}, "shared": ()}
    assert node.written == [(kind, KEY, "bad", "old")]
    assert await ours.write(order(kind, KEY)) == (
        True,
        "1 done",
        {"done": (KEY,), "failed": {}, "shared": ()},
    )


async def test_without_ari_contacts_are_not_mirrored_and_the_rest_is(
    node: Copies, events: list[Event]
) -> None:
    ours = mirroring(node, events, ari=False)
    with pytest.raises(ActionFailed, match="has no ARI configured"):
        await ours.write(order(MirrorKind.CONTACT, KEY))
    assert (await ours.write(order(MirrorKind.ASTDB, "CF/1")))[0]
