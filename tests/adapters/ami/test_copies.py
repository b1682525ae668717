"""What is mirrored, listed and written over AMI: answers as Asterisk 16 and 22 give them."""

from __future__ import annotations

import pytest

from orchestrator.adapters.ami.client import AmiClient
from orchestrator.core.commands import Put
from orchestrator.core.events import AuthSeen, BridgeSeen, QueueMemberSeen, Snapshot
from orchestrator.core.words import MirrorKind
from orchestrator.errors import ActionFailed
from tests.adapters.ami.dialogues import NODE, translated
from tests.adapters.ami.fake import FakeAmi, Seen, running

MEMBER = (
    ("name", "Nine"),
    ("pause_reason", "lunch"),
    ("paused", "1"),
    ("penalty", "2"),
    ("state_interface", "PJSIP/1009"),
)
KEY = "support|Local/1009@agents"


@pytest.fixture(params=["16", "22"])
async def fake(request: pytest.FixtureRequest) -> FakeAmi:
    server = FakeAmi(request.param)
    await server.listen()
    return server


def asked(fake: FakeAmi, *names: str) -> list[dict[str, str]]:
    """What was asked besides Pings and lists, without the ActionID."""
    ours = [one for one in fake.received if one["Action"] in names]
    return [{k: v for k, v in one.items() if k != "ActionID"} for one in ours]


async def test_contacts_are_listed_as_ari_gives_them(fake: FakeAmi, client: AmiClient) -> None:
    items = dict(await client.list_items(MirrorKind.CONTACT, ()))
    assert items and all(";@" in key for key in items)
    for key, fields in items.items():
        values = dict(fields)
        assert list(values) == sorted(values)
        assert values["uri"].startswith(f"sip:{key.partition(';')[0]}@")
        assert values["expiration_time"].isdigit()
        assert float(values["qualify_timeout"]) > 0
        assert "qualify_2xx_only" not in values, "false is its default, and 16 has no such thing"
        assert "Status" not in values and "status" not in values


async def test_no_contacts_are_an_empty_list_and_no_pjsip_a_reason(
    fake: FakeAmi, client: AmiClient
) -> None:
    fake.refuse["PJSIPShowContacts"] = "No Contacts found"
    assert await client.list_items(MirrorKind.CONTACT, ()) == []
    fake.refuse["PJSIPShowContacts"] = "Invalid/unknown command"
    with pytest.raises(ActionFailed, match="comes with res_pjsip"):
        await client.list_items(MirrorKind.CONTACT, ())


async def test_astdb_is_listed_family_by_family(fake: FakeAmi, client: AmiClient) -> None:
    fake.lists["DBGetTree"] = [
        b"Response: Success\r\nActionID: x\r\nEventList: start\r\nMessage: Result will follow",
        b'Event: DBGetTreeResponse\r\nActionID: x\r\nKey: /C_F/1001\r\nVal: hello; "x"',
        b"Event: DBGetTreeResponse\r\nActionID: x\r\nKey: /C_F/1001/a b\r\nVal: ",
        b"Event: DBGetTreeResponse\r\nActionID: x\r\nKey: /CXF/1\r\nVal: not asked for",
        b"Event: DBGetTreeComplete\r\nActionID: x\r\nEventList: Complete\r\nListItems: 1",
    ]
    assert await client.list_items(MirrorKind.ASTDB, ["C_F"]) == [
        ("C_F/1001", (("value", 'hello; "x"'),)),
        ("C_F/1001/a b", (("value", ""),)),
    ]
    fake.refuse["DBGetTree"] = "Invalid/unknown command: DBGetTree."
    with pytest.raises(ActionFailed, match=r"16\.27"):
        await client.list_items(MirrorKind.ASTDB, ["C_F"])


async def test_a_new_member_comes_with_its_pause_and_the_reason(
    fake: FakeAmi, client: AmiClient
) -> None:
    written = await client.write_items(MirrorKind.MEMBER, [Put(KEY, MEMBER)], [])
    assert (written.done, written.failed) == ([KEY], {})
    add, pause = asked(fake, "QueueAdd", "QueuePause", "QueuePenalty")
    assert add == {
        "Action": "QueueAdd",
        "Queue": "support",
        "Interface": "Local/1009@agents",
        "Penalty": "2",
        "Paused": "true",
        "MemberName": "Nine",
        "StateInterface": "PJSIP/1009",
    }
    assert (pause["Paused"], pause["Reason"]) == ("true", "lunch")


async def test_a_member_that_is_there_is_brought_in_step(fake: FakeAmi, client: AmiClient) -> None:
    fake.refuse["QueueAdd"] = "Unable to add interface: Already there"
    awake = tuple((k, "0" if k == "paused" else v) for k, v in MEMBER)
    assert (await client.write_items(MirrorKind.MEMBER, [Put(KEY, awake)], [])).done == [KEY]
    penalty, pause = asked(fake, "QueuePause", "QueuePenalty")
    assert (penalty["Penalty"], pause["Paused"]) == ("2", "false")


async def test_members_that_cannot_be_written_say_why(fake: FakeAmi, client: AmiClient) -> None:
    fake.refuse |= {
        "QueueAdd": "Unable to add interface to queue: No such queue",
        "QueueRemove": "Member not dynamic",
    }
    written = await client.write_items(MirrorKind.MEMBER, [Put(KEY, MEMBER)], ["support|PJSIP/1"])
    assert written.done == []
    assert "No such queue" in written.failed[KEY]
    assert "Member not dynamic" in written.failed["support|PJSIP/1"]
    fake.refuse["QueueRemove"] = "Unable to remove interface: Not there"
    assert (await client.write_items(MirrorKind.MEMBER, [], ["q|PJSIP/1"])).done == ["q|PJSIP/1"]


async def test_pausing(fake: FakeAmi, client: AmiClient) -> None:
    await client.pause_member("support", "PJSIP/1001", True, "in a call on pbx-a")
    [pause] = asked(fake, "QueuePause")
    assert (pause["Paused"], pause["Reason"]) == ("true", "in a call on pbx-a")
    fake.refuse["QueuePause"] = "Interface not found"
    with pytest.raises(ActionFailed, match=r"was not unpaused: .*Interface not found"):
        await client.pause_member("support", "PJSIP/1001", False, "")


async def test_astdb_keys_are_put_and_removed(fake: FakeAmi, client: AmiClient) -> None:
    puts = [Put("AMPUSER/1001/cfb", (("value", "2000"),)), Put("CF/1", (("value", "v" * 1018),))]
    written = await client.write_items(MirrorKind.ASTDB, puts, ["CF/2"])
    assert written.done == ["AMPUSER/1001/cfb", "CF/2"]
    assert "1018 bytes" in written.failed["CF/1"]
    put, delete = asked(fake, "DBPut", "DBDel")
    assert (put["Family"], put["Key"], put["Val"]) == ("AMPUSER", "1001/cfb", "2000")
    assert (delete["Family"], delete["Key"]) == ("CF", "2")


async def test_custom_device_states_only(fake: FakeAmi, client: AmiClient) -> None:
    puts = [Put("Custom:DND1", (("state", "busy"),)), Put("PJSIP/1001", (("state", "busy"),))]
    written = await client.write_items(MirrorKind.DEVICE, puts, ["Custom:old"])
    assert written.done == ["Custom:DND1", "Custom:old"]
    assert "no custom device state" in written.failed["PJSIP/1001"]
    sets = [(one["Variable"], one["Value"]) for one in asked(fake, "Setvar")]
    assert sets == [
        ("DEVICE_STATE(Custom:DND1)", "BUSY"),
        ("DEVICE_STATE(Custom:old)", "NOT_INUSE"),
    ]
    assert [one["Key"] for one in asked(fake, "DBDel")] == ["old"]


def test_a_phones_authentication_is_told_and_a_managers_is_not() -> None:
    auth = (
        "Event: SuccessfulAuth\r\nPrivilege: security,all\r\nSystemName: pbx-a\r\n"
        "EventTV: 2026-11-22T21:01:03.413+0000\r\nSeverity: Informational\r\n"
        "Service: {}\r\nEventVersion: 1\r\nAccountID: {}\r\nSessionID: 3ec0d742d05dc290"
    )
    frames = [auth.format("AMI", "orchestrator").encode(), auth.format("PJSIP", "1004").encode()]
    assert translated(frames) == [AuthSeen(NODE, "1004")]


async def test_a_snapshot_tells_the_kinds_of_bridges_and_members() -> None:
    fake, seen = FakeAmi("22"), Seen()
    await fake.listen()
    async with running(fake, seen):
        await seen.until(lambda: bool(seen.all(Snapshot)))
    [found, *_] = seen.all(Snapshot)
    assert isinstance(found, Snapshot)
    assert {one.kind for one in found.content if isinstance(one, BridgeSeen)} == {"base"}
    members = [one for one in found.content if isinstance(one, QueueMemberSeen)]
    assert members and all(one.membership for one in members)
    assert all(one.state_interface.startswith("PJSIP/") for one in members)
