"""The simulated nodes say what a real Asterisk 22 said in the same steps (captured dialogues)."""

from __future__ import annotations

import asyncio

import aiohttp

from tests.simulator.dialogue import (
    assert_same_dialogue,
    assert_same_forms,
    captured,
    name,
    shape,
)
from tests.simulator.phone import Listener
from tests.simulator.site import QUIET_S, Site, about_peer


async def test_login_plain_and_with_challenge(site: Site) -> None:
    assert site.listener.banner == "Asterisk Call Manager/11.0.0\r\n"
    assert_same_dialogue(await site.listener.hear(0.1), "login")
    other = await Listener.login(site.node.settings.address, "hidden", md5=True)
    assert_same_dialogue(await other.hear(0.1), "login")
    wrong = await Listener.login(site.node.settings.address, "wrong")
    assert (
        wrong.text == "Response: Error\r\nActionID: 7-1\r\nMessage: Authentication failed\r\n\r\n"
    )
    assert await wrong.reader.read() == b""


async def test_a_phone_registers_refreshes_and_unregisters(site: Site) -> None:
    site.listener.cut()
    phone = site.new_phone("1005", 21005)
    for section, expires in (("register", 60), ("refresh", 60), ("unregister", 0)):
        phone_known = set(site.node.registrar.nonces)
        assert await phone.register(expires) == 200
        assert site.node.registrar.nonces > phone_known
        heard = await site.listener.hear(QUIET_S)
        site.listener.cut()
        ours = [frame for frame in heard if not about_peer(frame)]
        assert_same_dialogue(ours, section)


async def test_a_call_to_a_service(site: Site) -> None:
    phone = await site.phone("1005", 21005)
    leg, status = await phone.call("600")
    assert status == 200
    await leg.hang_up()
    assert_same_dialogue(await site.heard(), "call a service")


async def test_a_call_from_phone_to_phone(site: Site) -> None:
    caller, callee = await site.phone("1005", 21005), await site.phone("1006", 21006)
    leg, status = await caller.call("1006")
    assert status == 200
    await asyncio.sleep(0.1)
    await leg.hang_up()
    assert_same_dialogue(await site.heard(), "call a phone")
    assert all(other.gone.is_set() for other in callee.legs.values())


async def test_a_call_to_a_phone_that_is_not_registered(site: Site) -> None:
    phone = await site.phone("1005", 21005)
    _, status = await phone.call("1010")
    assert status == 404
    assert_same_dialogue(await site.heard(), "call a phone that is not registered")


async def test_a_call_out_by_the_trunk(site: Site) -> None:
    phone = await site.phone("1005", 21005)
    leg, status = await phone.call("91234")
    assert status == 200
    await asyncio.sleep(0.1)
    await leg.hang_up()
    ours = await site.heard()
    assert sorted(map(shape, ours)) == sorted(map(shape, captured("call out by the trunk")))
    assert_same_forms(ours, captured("call out by the trunk"))


async def test_a_call_that_the_provider_refuses(site: Site) -> None:
    phone = await site.phone("1005", 21005)
    site.provider.pbx.reject = True
    _, status = await phone.call("91234")
    assert status == 503
    assert_same_dialogue(await site.heard(), "call out, the provider answers 503")


async def test_the_trunk_unregisters_and_registers(site: Site) -> None:
    site.listener.cut()
    await site.listener.ask("PJSIPUnregister", Registration="trunk-reg")
    assert_same_dialogue(await site.heard(), "unregister the trunk")
    await site.listener.ask("PJSIPRegister", Registration="trunk-reg")
    assert_same_dialogue(await site.heard(1.3), "register the trunk")
    assert site.node.pbx.registrations["trunk-reg"].status == "Registered"


async def test_snapshot_actions(site: Site) -> None:
    caller, _ = await site.phone("1005", 21005), await site.phone("1006", 21006)
    leg, _ = await caller.call("1006")
    await site.listener.hear(QUIET_S)
    for action in (
        "CoreStatus",
        "CoreSettings",
        "Ping",
        "CoreShowChannels",
        "PJSIPShowEndpoints",
        "PJSIPShowContacts",
        "PJSIPShowRegistrationsOutbound",
        "DeviceStateList",
        "BridgeList",
        "QueueStatus",
        "SIPpeers",
    ):
        ours, theirs = await site.listener.ask(action), captured(f"action {action}")
        assert {shape(f) for f in ours} == {shape(f) for f in theirs}, action
        assert [shape(ours[0]), shape(ours[-1])] == [shape(theirs[0]), shape(theirs[-1])]
        assert_same_forms(ours, theirs)
    await leg.hang_up()


async def test_astdb_and_unknown_names(site: Site) -> None:
    key = {"Family": "orchestrator", "Key": "drain"}
    missing = await site.listener.ask("DBGet", **key)
    assert missing == [[(k, v.replace("9523-107", "7-1")) for k, v in captured("action DBGet")[0]]]
    put = await site.listener.ask("DBPut", **key, Val="redirect")
    assert [shape(frame) for frame in put] == [shape(captured("action DBPut")[0])]
    found = await site.listener.ask("DBGet", **key)
    assert ("Val", " redirect") in found[1]
    gone = await site.listener.ask("DBDel", **key)
    assert name(gone[0]) == "Success"
    assert site.node.pbx.database == {}


async def test_events_can_be_filtered_away(site: Site) -> None:
    plain = await site.listener.ask("Filter", Operation="Add", Filter="!Event: Newexten")
    exact = await site.listener.ask(
        "Filter", Operation="Add", MatchCriteria="action(exclude),name(Newstate),none", Filter="x"
    )
    assert [name(plain[0]), name(exact[0])] == ["Success", "Success"]
    phone = await site.phone("1005", 21005)
    leg, _ = await phone.call("600")
    heard = {name(frame) for frame in await site.listener.hear(QUIET_S)}
    assert "Newchannel" in heard
    assert not heard & {"Newexten", "Newstate"}
    await leg.hang_up()


async def test_maintenance_refuses_new_calls_and_keeps_the_old(site: Site) -> None:
    phone = await site.phone("1005", 21005)
    leg, _ = await phone.call("91234")
    done = await site.listener.ask("PJSIPSetMaintenance", Endpoint="trunk", State="on")
    assert name(done[0]) == "Success"
    _, status = await phone.call("91235")
    assert status == 404
    assert not leg.gone.is_set()
    await leg.hang_up()


async def test_a_queued_caller_reaches_an_agent(site: Site) -> None:
    caller, agent = await site.phone("1005", 21005), await site.phone("1001", 21001)
    leg, status = await caller.call("700")
    assert status == 200
    heard = await site.heard(1.5)
    order = [name(f) for f in heard if name(f).startswith(("Queue", "Agent"))]
    assert [event for event in order if event != "QueueMemberStatus"] == [
        "QueueCallerJoin",
        "QueueCallerLeave",
        "AgentConnect",
    ]
    assert any(other.up for other in agent.legs.values())
    await leg.hang_up()


async def test_draining_sends_phones_to_the_other_node(site: Site) -> None:
    phone = await site.phone("1001", 21001)
    await site.listener.ask("DBPut", Family="orchestrator", Key="drain", Val="redirect")
    _, status = await phone.call("600")
    assert status == 302


async def test_ari_answers_ping_and_info_to_those_who_may(site: Site) -> None:
    base = f"http://{site.node.settings.address}:8088/ari/asterisk"
    login = aiohttp.BasicAuth("orchestrator", "hidden")
    async with aiohttp.ClientSession(auth=login) as session:
        async with session.get(f"{base}/ping") as answer:
            assert (await answer.json())["ping"] == "pong"
        async with session.get(f"{base}/info") as answer:
            assert (await answer.json())["system"]["version"].startswith("22.")
    async with aiohttp.ClientSession() as session, session.get(f"{base}/ping") as answer:
        assert answer.status == 401
