"""The whole service keeps the standby warm, on the built-in pair."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest_asyncio

from orchestrator.simulator.lab import Lab
from tests.runtime.warm import WarmPair, check, succeeded, until
from tests.simulator.phone import Phone


@pytest_asyncio.fixture
async def pair() -> AsyncIterator[WarmPair]:
    with Lab.up(f"warm-{os.getpid()}") as lab:
        made = WarmPair(lab)
        try:
            await made.status(lambda s: s["phase"] == "steady" and s["active"] == "pbx-a")
            yield made
        finally:
            made.close()


async def call(pair: WarmPair, number: str) -> int:
    """A call through the virtual IP from somebody who is in nobody's list."""
    host = pair.lab.address("client")
    stranger = Phone("stranger", host, 29000 + len(pair.phones), pair.lab.virtual_ip)
    pair.phones.append(stranger)
    _, status = await stranger.call(number)
    return status


async def test_phones_ring_on_the_new_active_without_registering_anew(pair: WarmPair) -> None:
    phones = [await pair.phone(number) for number in ("1001", "1002", "1005")]
    await pair.ready("b", "1001", "1002", "1005")
    warm = (await pair.status(lambda s: check(s, "phones").get("ok")))["standby"]
    assert (warm["phones"], warm["phones_known"], warm["phones_ready"]) == (3, 3, 3)
    pair.lab.node("a").kill()
    await pair.status(lambda s: s["phase"] == "steady" and s["active"] == "pbx-b")
    for phone in phones:
        assert await call(pair, phone.number) == 200
        assert {leg.target[0] for leg in phone.talking()} == {pair.lab.node("b").address}
        assert phone.registrations == 1
    for phone in phones:
        for leg in phone.talking():
            await leg.hang_up()
    assert await call(pair, "700") == 200  # the queue has its agents
    agents = phones[:2]

    async def rings() -> bool:
        return any(agent.talking() for agent in agents)

    await until(rings)


async def test_a_refresh_and_an_end_are_copied(pair: WarmPair) -> None:
    phone = await pair.phone("1005", 60)
    await pair.ready("b", "1005")
    before = int((await pair.contacts("b"))["1005"]["ExpirationTime"])
    assert await phone.register(600) == 200

    async def copied() -> bool:
        expiry = int((await pair.contacts("b"))["1005"]["ExpirationTime"])
        return expiry > before + 400

    await until(copied)
    assert await phone.register(0) == 200

    async def gone() -> bool:
        return "1005" not in await pair.contacts("b")

    await until(gone)


async def test_clocks_that_differ_are_allowed_for_in_the_copies(pair: WarmPair) -> None:
    pair.lab.node("b").set_clock(600.0)
    await pair.status(lambda s: 590 < (s["standby"]["clock_s"] or 0) < 610)
    await pair.phone("1005", 300)
    await pair.ready("b", "1005")

    async def corrected() -> bool:
        expiries = [
            int((await pair.contacts(place))["1005"]["ExpirationTime"]) for place in ("a", "b")
        ]
        return 595 < expiries[1] - expiries[0] < 605

    await until(corrected)


async def test_agents_pauses_forwards_and_states_are_copied(pair: WarmPair) -> None:
    await pair.phone("1009")
    agent = {"Queue": "support", "Interface": "PJSIP/1009"}
    logged_in = {"Penalty": "3", "MemberName": "Bob", "StateInterface": "PJSIP/1009"}
    assert succeeded(await pair.ask("a", "QueueAdd", **agent, **logged_in))
    paused = {"Paused": "true", "Reason": "lunch"}
    assert succeeded(await pair.ask("a", "QueuePause", **agent, **paused))
    static = {"Queue": "support", "Interface": "PJSIP/1001", **paused}
    assert succeeded(await pair.ask("a", "QueuePause", **static))
    assert succeeded(await pair.ask("a", "DBPut", Family="CF", Key="1001", Val="2000"))
    device = {"Variable": "DEVICE_STATE(Custom:DND1001)", "Value": "INUSE"}
    assert succeeded(await pair.ask("a", "Setvar", **device))

    async def copied() -> bool:
        there = await pair.members("b")
        bob, static = there.get("PJSIP/1009", {}), there["PJSIP/1001"]
        seen = [bob.get(key) for key in ("Name", "Penalty", "Paused", "PausedReason")]
        forward = await pair.ask("b", "DBGet", Family="CF", Key="1001")
        state = await pair.ask("b", "Getvar", Variable=device["Variable"])
        return (
            seen == ["Bob", "3", "1", "lunch"]
            and (static["Paused"], static["PausedReason"]) == ("1", "lunch")
            and any(("Val", " 2000") in frame for frame in forward)
            and ("Value", " INUSE") in state[0]
        )

    await until(copied)
    assert succeeded(await pair.ask("a", "QueueRemove", **agent))

    async def gone() -> bool:
        return "PJSIP/1009" not in await pair.members("b")

    await until(gone)


async def test_without_ari_readiness_says_so_and_it_catches_up(pair: WarmPair) -> None:
    pair.lab.node("b").ari_off()
    told = await pair.status(lambda s: check(s, "ARI of pbx-b").get("ok") is False)
    assert "registrations are not mirrored" in check(told, "ARI of pbx-b")["why"]
    assert told["standby"]["ready"]  # it keeps no move from beginning
    await pair.phone("1005")
    told = await pair.status(lambda s: check(s, "phones").get("ok") is False)
    assert "1005" in check(told, "phones")["why"]
    pair.lab.node("b").ari_on()
    await pair.ready("b", "1005")
    await pair.status(lambda s: check(s, "phones").get("ok"))


async def test_a_standby_that_lost_its_data_is_filled_again(pair: WarmPair) -> None:
    numbers = ("1001", "1002", "1005")
    for number in numbers:
        await pair.phone(number)
    await pair.ready("b", *numbers)
    pair.lab.node("b").kill()
    (pair.lab.directory / "b" / "astdb.json").unlink()
    pair.lab.node("b").start()
    await pair.ready("b", *numbers)
    await pair.status(lambda s: check(s, "phones").get("ok"))
    assert set(await pair.contacts("a")) == set(numbers)  # nothing was taken from the active


async def test_a_conversation_goes_on_at_the_other_node(pair: WarmPair) -> None:
    one, two = await pair.phone("1005"), await pair.phone("1006")
    await pair.ready("b", "1005", "1006")
    _, status = await one.call("1006")
    assert status == 200
    await pair.status(lambda s: s["nodes"]["pbx-a"]["calls"] == 1)
    answer = pair.service.ask("switchover", evacuate=True)
    assert answer["ok"], answer

    async def moved() -> bool:
        there = pair.lab.node("b").address
        return all([leg.target[0] for leg in p.talking()] == [there] for p in (one, two))

    await until(moved, 40.0)
    await pair.status(lambda s: s["phase"] == "steady" and s["active"] == "pbx-b")
    assert (one.registrations, two.registrations) == (1, 1)
    await one.talking()[0].hang_up()

    async def over() -> bool:
        return not two.talking()

    await until(over)
