"""Orders to Asterisk: done when the node says so, safe to repeat, and never guessed."""

from __future__ import annotations

import pytest

from orchestrator.adapters.ami.client import AmiClient
from orchestrator.errors import ActionFailed, ActionTimeout
from tests.adapters.ami.fake import FakeAmi
from tests.adapters.ami.test_snapshot import registry


def listed(fake: FakeAmi, status: bytes) -> None:
    """What PJSIPShowRegistrationsOutbound says from now on."""
    frames = fake.lists["PJSIPShowRegistrationsOutbound"]
    frames[1] = b"\r\n".join(
        b"Status: " + status if line.startswith(b"Status: ") else line
        for line in frames[1].split(b"\r\n")
    )


async def test_a_registered_trunk_is_left_alone(fake: FakeAmi, client: AmiClient) -> None:
    await client.register_trunk("trunk-reg", 5)
    assert fake.count("PJSIPRegister") == 0


async def test_registering_afresh_is_ordered_even_when_it_looks_registered(
    fake: FakeAmi, client: AmiClient
) -> None:
    fake.during["PJSIPRegister"] = lambda: fake.send(
        registry("Unregistered"), registry("Registered")
    )
    await client.register_trunk("trunk-reg", 5, afresh=True)
    assert fake.count("PJSIPRegister") == 1


async def test_registering_waits_past_the_first_unregistered(
    fake: FakeAmi, client: AmiClient
) -> None:
    listed(fake, b"Unregistered")
    fake.during["PJSIPRegister"] = lambda: fake.send(
        registry("Unregistered"), registry("Registered")
    )
    await client.register_trunk("trunk-reg", 5)
    assert fake.count("PJSIPRegister") == 1


async def test_registering_looks_for_itself_when_no_event_comes(
    fake: FakeAmi, client: AmiClient
) -> None:
    listed(fake, b"Unregistered")
    fake.during["PJSIPRegister"] = lambda: listed(fake, b"Registered")
    await client.register_trunk("trunk-reg", 5)


async def test_a_rejection_is_tried_again_until_the_deadline(
    fake: FakeAmi, client: AmiClient
) -> None:
    listed(fake, b"Rejected")
    fake.during["PJSIPRegister"] = lambda: fake.send(registry("Rejected"))
    with pytest.raises(ActionTimeout, match="trunk-reg on pbx-a is rejected"):
        await client.register_trunk("trunk-reg", 1.5)
    assert fake.count("PJSIPRegister") == 2


async def test_unregistering_is_ordered_even_when_it_looks_unregistered(
    fake: FakeAmi, client: AmiClient
) -> None:
    listed(fake, b"Unregistered")
    await client.unregister_trunk("trunk-reg", 5)
    assert fake.count("PJSIPUnregister") == 1


async def test_unregistering_waits_for_the_node_to_say_so(fake: FakeAmi, client: AmiClient) -> None:
    with pytest.raises(ActionTimeout, match="is registered, not unregistered"):
        await client.unregister_trunk("trunk-reg", 0.8)
    fake.during["PJSIPUnregister"] = lambda: fake.send(registry("Unregistered"))
    await client.unregister_trunk("trunk-reg", 5)


async def test_a_trunk_that_is_not_there_is_said(client: AmiClient) -> None:
    with pytest.raises(ActionFailed, match="no outbound registration 'nope'"):
        await client.register_trunk("nope", 5)


async def test_the_drain_flag_is_what_the_dialplan_tests(fake: FakeAmi, client: AmiClient) -> None:
    await client.set_drain_flag(True)
    assert {"Family": "orchestrator", "Key": "drain", "Val": "redirect"}.items() <= (
        fake.received[-1].items()
    )
    await client.set_drain_flag(False)
    assert fake.received[-1]["Action"] == "DBDel"
    fake.refuse |= {
        "DBDel": "Database entry could not be deleted",
        "DBGet": "Database entry not found",
    }
    await client.set_drain_flag(False)
    fake.refuse |= {"DBDel": "Permission denied", "DBGet": "Permission denied"}
    with pytest.raises(ActionFailed, match="Permission denied"):
        await client.set_drain_flag(False)


async def test_maintenance(fake: FakeAmi, client: AmiClient) -> None:
    await client.set_maintenance("trunk", True)
    assert (fake.received[-1]["Endpoint"], fake.received[-1]["State"]) == ("trunk", "on")
    fake.refuse["PJSIPSetMaintenance"] = "Invalid/unknown command"
    with pytest.raises(ActionFailed, match="was not set to off"):
        await client.set_maintenance("trunk", False)


async def test_hanging_up_goes_on_past_one_that_is_gone(fake: FakeAmi, client: AmiClient) -> None:
    fake.refuse["Hangup"] = "No such channel"
    await client.hang_up(["PJSIP/1001-1", "PJSIP/1002-2"])
    assert fake.count("Hangup") == 2
    fake.refuse["Hangup"] = "Permission denied"
    with pytest.raises(ActionFailed, match="PJSIP/1001-1"):
        await client.hang_up(["PJSIP/1001-1"])


async def test_what_is_listed_but_over_is_told_as_gone(fake: FakeAmi, client: AmiClient) -> None:
    assert await client.ghosts() == []
    over = fake.lists["Status"].pop(1)
    [gone] = await client.ghosts()
    assert f"Uniqueid: {gone.uniqueid}".encode() in over and gone.cause == 0


async def test_without_a_look_at_the_channels_none_is_told_as_gone(
    fake: FakeAmi, client: AmiClient
) -> None:
    fake.refuse["Status"] = "Permission denied"
    with pytest.raises(ActionFailed, match="look at the channels on pbx-a"):
        await client.ghosts()
