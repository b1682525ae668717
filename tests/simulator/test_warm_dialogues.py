"""What the mirror reads and writes: the simulated node answers as Asterisk 22 did (captured)."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import time
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from orchestrator.simulator.node import Node
from tests.simulator.dialogue import (
    Frame,
    assert_same_dialogue,
    captured,
    frames,
    name,
    sections,
)
from tests.simulator.phone import Phone
from tests.simulator.site import NOISE, QUIET_S, Site, about_peer, settings

WARM = "asterisk-22-warm"
TIMES = re.compile(r"^((?:LastPause|LoginTime|Value): )[1-9]\d{9}$", re.MULTILINE)
CONTACT = "/asterisk/config/dynamic/res_pjsip/contact/"
ACTIONS = re.compile(r"(Queue|DB|Getvar|Setvar)")


class Web:
    """ARI of the site's node."""

    def __init__(self, site: Site, password: str = "hidden") -> None:
        self.base = f"http://{site.node.settings.address}:8088/ari"
        self.login = aiohttp.encode_basic_auth("orchestrator", password)

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, object]:
        headers = {"Authorization": self.login}
        url = URL(self.base + path, encoded=True)
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, url, json=body) as answer,
        ):
            text = await answer.text()
            return answer.status, json.loads(text) if text else None


def place(object_id: str) -> str:
    return CONTACT + quote(object_id, safe="")


def said(section: str) -> tuple[int, object]:
    """Status and body of a captured ARI answer."""
    status, _, body = dict(sections(WARM))[section].strip().partition("\n")
    return int(status), json.loads(body) if body else None


def fields(phone: Phone, expires_at: float) -> list[dict[str, str]]:
    """The captured contact, as this phone's."""
    host, port = phone.stack.address
    made = {f["attribute"]: f["value"] for f in said("ARI get")[1]}  # type: ignore[attr-defined]
    made |= {"uri": f"sip:{phone.number}@{host}:{port}", "endpoint": phone.number}
    made |= {"expiration_time": str(int(expires_at))}
    return [{"attribute": key, "value": value} for key, value in made.items()]


def texts(heard: list[Frame]) -> list[str]:
    """Whole frames, values too; the site's name, ids and times taken out."""
    lines = [
        "\n".join(f"{k}:{v}" for k, v in frame if k not in ("SystemName", "ActionID", "Timestamp"))
        for frame in heard
    ]
    return sorted(TIMES.sub(r"\1then", text) for text in lines)


async def heard(site: Site) -> list[Frame]:
    """Without time stamps and hints: the captured node had none."""
    told = [frame for frame in await site.heard() if name(frame) != "ExtensionStatus"]
    return [[header for header in frame if header[0] != "Timestamp"] for frame in told]


async def test_queues_database_and_variables_answer_word_for_word(site: Site) -> None:
    site.listener.cut()
    for title, text in sections(WARM):
        if not ACTIONS.match(title):
            continue
        action, *given = shlex.split(title)
        await site.listener.ask(action, **dict(one.split("=", 1) for one in given))
        ours = frames(site.listener.text)
        ours = [f for f in ours if name(f) not in NOISE and not about_peer(f)]
        assert texts(ours) == texts(frames(text)), title


async def test_a_contact_that_is_put_is_qualified_and_can_be_called(site: Site) -> None:
    web, agent = Web(site), site.new_phone("1001", 21001)
    key = "1001;@7a1e10f28aca62be0320cbf258b89ad3"
    body = {"fields": fields(agent, time.time() + 60)}
    site.listener.cut()
    status, shown = await web.ask("PUT", place(key), body)
    assert (status, shown) == (200, body["fields"])  # the same attributes in the same order
    assert_same_dialogue(await heard(site), "contact is put", WARM)
    members = await site.listener.ask("QueueStatus")
    assert ("Status", " 1") in next(f for f in members if ("Location", " PJSIP/1001") in f)

    caller = await site.phone("1005", 21005)
    leg, status = await caller.call("1001")
    assert status == 200
    assert any(other.up for other in agent.legs.values())
    await leg.hang_up()
    await site.heard()

    body["fields"] = fields(agent, time.time() + 120)  # a refresh says nothing
    assert (await web.ask("PUT", place(key), body))[0] == 200
    assert await site.heard() == []
    assert await web.ask("GET", place(key)) == (200, body["fields"])
    assert (await web.ask("DELETE", place(key)))[0] == said("ARI delete")[0]
    assert_same_dialogue(await heard(site), "contact is deleted", WARM)
    assert (await web.ask("GET", place(key)))[0] == 404


async def test_a_node_that_is_told_to_looks_at_a_phone_at_once(site: Site) -> None:
    ask, phone = site.listener.ask, await site.phone("1001", 21001)
    contact = next(c for c in site.node.pbx.contacts.values() if c.aor == "1001")
    contact.status = "NonQualified"  # as after a start
    site.listener.cut()
    said = await ask("PJSIPQualify", Endpoint="1001")
    assert dict(said[0])["Message"].strip() == "Endpoint found, will qualify"
    told = [dict(frame) for frame in await site.heard() if name(frame) == "ContactStatus"]
    assert [(one["AOR"].strip(), one["ContactStatus"].strip()) for one in told] == [
        (phone.number, "Reachable")
    ]
    assert name((await ask("PJSIPQualify", Endpoint="nobody"))[0]) == "Error"


async def test_what_ari_refuses_it_refuses_in_the_same_words(site: Site) -> None:
    web, phone = Web(site), site.new_phone("1001", 21001)
    key = "1001;@7a1e10f28aca62be0320cbf258b89ad3"
    good = fields(phone, time.time() + 60)
    assert await web.ask("GET", place(key)) == said("ARI get, gone")
    assert await web.ask("DELETE", place(key)) == said("ARI delete, gone")
    assert (await web.ask("PUT", place(key), {"fields": good}))[0] == 200
    more = {"fields": [*good, {"attribute": "nonsense", "value": "1"}]}
    refused = said("ARI put, an attribute it does not have")
    assert await web.ask("PUT", place(key), more) == refused
    late = [f for f in good if f["attribute"] == "expiration_time"]
    wrong = [{**f, "value": "abc"} if f in late else f for f in good]
    for section, other, body in (
        ("ARI put, no uri", "1005;@abc", {"fields": late}),
        ("ARI put, not a number", "1005;@abd", {"fields": wrong}),
        ("ARI put, no body", "1005;@abe", None),
    ):
        assert await web.ask("PUT", place(other), body) == said(section), section
    nonsense = place(key).replace("/contact/", "/nonsense/")
    assert await web.ask("GET", nonsense) == said("ARI get, no such type")
    assert await web.ask("GET", "/asterisk/nonsense") == said("ARI get, no such path")
    denied = await Web(site, "wrong").ask("GET", place(key))
    assert denied == said("ARI get, wrong password")


async def test_few_fields_are_enough_and_the_rest_is_by_default(site: Site) -> None:
    phone = site.new_phone("1004", 21004)
    few = [f for f in fields(phone, 1e9) if f["attribute"] in ("uri", "expiration_time")]
    status, shown = await Web(site).ask("PUT", place("1004;@abc"), {"fields": few})
    theirs = said("ARI put, few fields")
    given = {f["attribute"]: f["value"] for f in few}
    expected = [{**f, "value": given.get(f["attribute"], f["value"])} for f in theirs[1]]  # type: ignore[attr-defined]
    assert (status, shown) == (theirs[0], expected)


async def test_a_put_contact_ends_by_itself_and_gives_way_to_the_phones_own(site: Site) -> None:
    web, phone = Web(site), site.new_phone("1001", 21001)
    old = site.new_phone("1001", 21002)
    body = {"fields": fields(old, time.time() + 60)}
    assert (await web.ask("PUT", place("1001;@abc"), body))[0] == 200
    assert await phone.register(60) == 200
    listed = await site.listener.ask("PJSIPShowContacts")
    uris = [dict(f)["Uri"].strip() for f in listed if name(f) == "ContactList"]
    assert [uri.rpartition(":")[2] for uri in uris] == ["21001"]

    body = {"fields": fields(phone, time.time() - 1)}
    assert (await web.ask("PUT", place("1002;@abc"), body))[0] == 200
    end = time.monotonic() + 15
    while "1002;@abc" in site.node.pbx.contacts:
        assert time.monotonic() < end, "an expired contact was not swept"
        await asyncio.sleep(0.1)


async def test_every_registration_and_call_of_a_phone_is_told_to_those_who_may_know(
    site: Site,
) -> None:
    site.listener.cut()
    phone = site.new_phone("1005", 21005)
    for _ in range(2):
        assert await phone.register(60) == 200
    leg, _ = await phone.call("600")
    heard = await site.listener.hear(QUIET_S)
    told = [dict(f)["AccountID"].strip() for f in heard if name(f) == "SuccessfulAuth"]
    assert told == ["1005"] * 3
    await leg.hang_up()


async def test_a_node_may_have_a_clock_of_its_own(site: Site) -> None:
    site.node.pbx.clock_ahead_s = 3600.0
    told = dict((await site.listener.ask("Ping"))[0])["Timestamp"]
    assert float(told) - time.time() == pytest.approx(3600, abs=5)
    phone = await site.phone("1005", 21005)
    listed = dict((await site.listener.ask("PJSIPShowContacts"))[1])
    assert float(listed["ExpirationTime"]) - time.time() == pytest.approx(3660, abs=5)
    assert name(captured("action Ping")[0]) == "Success"
    assert phone.number in listed["Endpoint"]


async def test_contacts_members_and_states_outlive_a_crash(site: Site) -> None:
    await site.phone("1001", 21001)
    ask = site.listener.ask
    await ask("QueueAdd", Queue="support", Interface="PJSIP/1009", Penalty="2", Paused="1")
    await ask("QueuePause", Queue="support", Interface="PJSIP/1001", Paused="true", Reason="x")
    await ask("Setvar", Variable="DEVICE_STATE(Custom:DND1001)", Value="BUSY")
    again = Node(settings("node", 13, Path(site.node.settings.directory)))
    await again.start()
    try:
        assert [c.aor for c in again.pbx.contacts.values() if c.expires_at] == ["1001"]
        queue = again.pbx.queues["support"]
        kept = queue.member("PJSIP/1009")
        assert kept is not None and (kept.penalty, kept.paused, kept.dynamic) == (2, True, True)
        configured = queue.member("PJSIP/1001")
        assert configured is not None and not configured.paused  # Asterisk forgets these pauses
        assert again.pbx.state_of("Custom:DND1001") == "BUSY"
    finally:
        await again.shut_down()
