"""An agent that only watches: beside the one in charge, changing nothing."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

import pytest

from orchestrator.adapters.host import HostClient
from orchestrator.core.events import AddressSeen, Observed
from orchestrator.core.words import Observer, Outcome
from orchestrator.errors import ActionFailed
from tests.adapters.host.conftest import Connect
from tests.adapters.host.places import Cable, Events, FakeAsterisk, ip, needs_root, settings

pytestmark = [pytest.mark.root, needs_root]

Order = Callable[[HostClient], Awaitable[object]]
ORDERS: dict[str, Order] = {
    "add": lambda client: client.address_add(9),
    "remove": lambda client: client.address_remove(9),
    "kill": lambda client: client.process_kill(),
    "run": lambda client: client.run(("ip", "link", "set", "eth0", "down"), 2.0),
}


async def test_the_one_in_charge_stays_and_keeps_its_guard(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect
) -> None:
    charge, watch = Events(), Events()
    client = await connect(settings(asterisk.pidfile), cable.agent(), charge)
    await client.address_add(1)
    await connect(settings(asterisk.pidfile, watch_only=True), cable.agent(), watch)
    await watch.until(lambda e: e == AddressSeen("pbx-a", True, guarded=False))
    charge.clear()
    await asyncio.sleep(0.6)  # longer than an agent that was sent away needs to go
    losses = [e for e in charge if isinstance(e, AddressSeen) and e.holds is None]
    assert losses == []
    assert AddressSeen("pbx-a", True, guarded=True) in charge
    await client.address_remove(1)
    assert not cable.holds()
    await watch.until(lambda e: e == AddressSeen("pbx-a", False))


@pytest.mark.parametrize("order", ORDERS)
async def test_every_change_is_refused(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect, order: str
) -> None:
    ip("-n", cable.node, "addr", "add", "10.77.9.100/24", "dev", "eth0")
    before = cable.addresses()
    client = await connect(settings(asterisk.pidfile, watch_only=True), cable.agent(), Events())
    with pytest.raises(ActionFailed, match="nothing was changed: this agent only watches"):
        await ORDERS[order](client)
    assert await client.address_check()
    assert cable.addresses() == before
    assert asterisk.process.poll() is None


async def test_cut_off_or_paused_it_lets_the_address_be(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect
) -> None:
    """Where a guard, or who looks for rivals, would give it up."""
    ip("-n", cable.node, "addr", "add", "10.77.9.100/24", "dev", "eth0")
    events = Events()
    client = await connect(settings(asterisk.pidfile, watch_only=True), cable.agent(), events)
    cable.freeze(on=True)
    ip("-n", cable.other, "addr", "add", "10.77.9.100/24", "dev", "eth0")
    await asyncio.sleep(0.5)
    cable.freeze(on=False)
    await asyncio.sleep(0.5)
    client._link._send = lambda message: None  # type: ignore[method-assign]  # what we say is lost
    cable.unplug()
    await asyncio.sleep(1.0)  # three leases
    assert cable.holds()


async def test_it_sees_the_process_and_ends_with_its_link(
    cable: Cable, asterisk: FakeAsterisk, connect: Connect
) -> None:
    events = Events()
    await connect(settings(asterisk.pidfile, watch_only=True), cable.agent(), events)
    asterisk.signal(signal.SIGKILL)
    gone = await events.until(
        lambda e: isinstance(e, Observed) and e.observer is Observer.HOST
        and e.outcome is Outcome.GONE
    )  # fmt: skip
    assert gone
