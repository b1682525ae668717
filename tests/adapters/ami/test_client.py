"""The AMI client against a small real server: every fault has a report, nothing is sent twice."""

from __future__ import annotations

import asyncio
import logging
import ssl
import subprocess
from pathlib import Path

import pytest

from orchestrator.adapters.ami.vocabulary import CONTACT
from orchestrator.core.events import (
    ChannelSeen,
    ContactSeen,
    EventsDropped,
    Observed,
    PictureLost,
    Reloaded,
    ShuttingDown,
    Snapshot,
)
from orchestrator.core.words import ContactStatus, Observer, Outcome
from orchestrator.errors import ActionFailed, ActionTimeout, AnswerLost, NotConnected
from tests.adapters.ami.dialogues import NODE, sections
from tests.adapters.ami.fake import SECRET, FakeAmi, Seen, running

CALL = [f for f in sections("22", "calls")["phone 1001 -> 1002"] if f.startswith(b"Event: ")]


def outcomes(seen: Seen) -> list[Outcome]:
    return [e.outcome for e in seen.events if isinstance(e, Observed)]


def snapshots(seen: Seen) -> int:
    return len(seen.all(Snapshot))


def contact(uri: str, status: str) -> bytes:
    return (
        "Event: ContactStatus\r\nPrivilege: system,all\r\n"
        f"URI: {uri}\r\nContactStatus: {status}\r\nAOR: 1001\r\nEndpointName: 1001"
    ).encode()


@pytest.fixture
async def fake() -> FakeAmi:
    server = FakeAmi()
    await server.listen()
    return server


async def test_login_by_challenge_never_sends_the_secret(fake: FakeAmi) -> None:
    seen = Seen()
    async with running(fake, seen):
        await seen.until(lambda: snapshots(seen) == 1)
    assert not any(SECRET in str(fields) for fields in fake.received)
    assert outcomes(seen)[0] is Outcome.ANSWERS


async def test_plain_login_where_the_peer_has_no_challenge(fake: FakeAmi) -> None:
    fake.challenge = False
    seen = Seen()
    async with running(fake, seen):
        await seen.until(lambda: snapshots(seen) == 1)


async def test_a_refused_challenge_does_not_lead_to_the_secret_in_clear(fake: FakeAmi) -> None:
    fake.refuse["Challenge"] = "Asterisk is shutting down"
    seen = Seen()
    async with running(fake, seen):
        await seen.until(lambda: Outcome.DENIED in outcomes(seen))
    assert fake.count("Login") == 0


async def test_a_wrong_secret_is_denied_with_asterisks_words(
    fake: FakeAmi, caplog: pytest.LogCaptureFixture
) -> None:
    seen = Seen()
    with caplog.at_level(logging.DEBUG):
        async with running(fake, seen, secret="wrong-one"):
            await seen.until(lambda: bool(seen.events))
            await asyncio.sleep(0.3)
    assert seen.events == [
        Observed(NODE, Observer.AMI, Outcome.DENIED, "AMI login refused: Authentication failed")
    ], "and it is not tried again at once"
    assert "wrong-one" not in caplog.text


async def test_tls(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    await asyncio.to_thread(
        subprocess.run,
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=pbx", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    there = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    there.load_cert_chain(certificate, key)
    fake, seen, stranger = FakeAmi(), Seen(), Seen()
    await fake.listen(there)
    trusted = ssl.create_default_context(cafile=str(certificate))
    async with running(fake, stranger, tls=ssl.create_default_context()):
        await stranger.until(lambda: Outcome.DENIED in outcomes(stranger))
    await fake.listen(there)
    async with running(fake, seen, tls=trusted):
        await seen.until(lambda: snapshots(seen) == 1)


async def test_nobody_listens() -> None:
    fake, seen = FakeAmi(), Seen()
    await fake.listen()
    fake.deaf()
    async with running(fake, seen):
        await seen.until(lambda: len(seen.events) >= 3)
        assert set(outcomes(seen)) == {Outcome.REFUSED}
        await fake.listen()
        await seen.until(lambda: snapshots(seen) == 1)


async def test_what_is_no_manager_is_denied(fake: FakeAmi) -> None:
    fake.banner = b"SSH-2.0-OpenSSH_9.2\r\n"
    seen = Seen()
    async with running(fake, seen):
        await seen.until(lambda: outcomes(seen) == [Outcome.DENIED])


async def test_death_is_lost_and_refused_at_once(fake: FakeAmi) -> None:
    seen = Seen()
    async with running(fake, seen):
        await seen.until(lambda: snapshots(seen) == 1)
        fake.deaf()
        begun = asyncio.get_running_loop().time()
        fake.cut()
        await seen.until(lambda: Outcome.REFUSED in outcomes(seen))
        took_s = asyncio.get_running_loop().time() - begun
    kinds = [type(e).__name__ for e in seen.events if not isinstance(e, ContactSeen)]
    assert kinds.index("PictureLost") < len(kinds) - 1
    assert outcomes(seen).count(Outcome.SILENT) == 0
    assert took_s < 0.5, "measured: 2 ms; generous for a busy machine"


async def test_a_cut_session_is_remade_with_a_new_snapshot(fake: FakeAmi) -> None:
    seen = Seen()
    async with running(fake, seen):
        await seen.until(lambda: snapshots(seen) == 1)
        fake.cut()
        await seen.until(lambda: snapshots(seen) == 2)
    kinds = [type(e) for e in seen.events if isinstance(e, Snapshot | PictureLost)]
    assert kinds == [Snapshot, PictureLost, Snapshot]


async def test_a_hung_node_is_silent_and_comes_back_on_its_session(fake: FakeAmi) -> None:
    seen = Seen()
    async with running(fake, seen):
        await seen.until(lambda: snapshots(seen) == 1)
        fake.hung = True
        await seen.until(lambda: outcomes(seen).count(Outcome.SILENT) >= 3)
        fake.hung = False
        count = len(seen.events)
        await seen.until(lambda: Outcome.ANSWERS in outcomes(seen)[-1:])
        assert len(seen.events) > count
    assert fake.sessions == 1 and not seen.all(PictureLost)


async def test_a_node_that_stays_hung_is_given_up_and_connected_anew(fake: FakeAmi) -> None:
    seen = Seen()
    async with running(fake, seen):
        await seen.until(lambda: snapshots(seen) == 1)
        fake.hung = True
        await seen.until(lambda: bool(seen.all(PictureLost)))
        await seen.until(lambda: fake.sessions > 1)
        assert Outcome.REFUSED not in outcomes(seen)
        fake.hung = False
        await seen.until(lambda: snapshots(seen) == 2)


async def test_pings_are_not_heaped_up_on_a_hung_node(fake: FakeAmi) -> None:
    seen = Seen()
    async with running(fake, seen):
        await seen.until(lambda: snapshots(seen) == 1)
        fake.mute.add("Ping")
        before = fake.count("Ping")
        await seen.until(lambda: outcomes(seen).count(Outcome.SILENT) >= 5)
        assert fake.count("Ping") <= before + 1


async def test_probe_now_asks_at_once(fake: FakeAmi) -> None:
    seen = Seen()
    async with running(fake, seen, silence_s=400) as client:
        await seen.until(lambda: snapshots(seen) == 1)
        before = fake.count("Ping")
        client.probe_now()
        await seen.until(lambda: fake.count("Ping") == before + 1, within_s=5)


# --- actions ---


async def test_an_unanswered_action_times_out_and_is_never_sent_again(fake: FakeAmi) -> None:
    fake.mute.add("Originate")
    seen = Seen()
    async with running(fake, seen) as client:
        await seen.until(lambda: snapshots(seen) == 1)
        with pytest.raises(ActionTimeout):
            await client.action({"Action": "Originate"}, 0.05)
        lost = asyncio.create_task(client.action({"Action": "Originate"}, 30))
        await seen.until(lambda: fake.count("Originate") == 2)
        fake.cut()
        with pytest.raises(AnswerLost, match="not sent again"):
            await lost
        await seen.until(lambda: snapshots(seen) == 2)
        await asyncio.sleep(0.2)
    assert fake.count("Originate") == 2


async def test_nothing_is_sent_while_there_is_no_connection() -> None:
    fake, seen = FakeAmi(), Seen()
    await fake.listen()
    fake.deaf()
    async with running(fake, seen) as client:
        await seen.until(lambda: bool(seen.events))
        with pytest.raises(NotConnected):
            await client.action({"Action": "Ping"})


async def test_a_second_action_in_a_value_is_refused(fake: FakeAmi) -> None:
    seen = Seen()
    async with running(fake, seen) as client:
        await seen.until(lambda: snapshots(seen) == 1)
        with pytest.raises(ActionFailed):
            await client.action({"Action": "Setvar", "Value": "1\r\n\r\nAction: Originate"})
    assert fake.count("Setvar") == fake.count("Originate") == 0


async def test_answers_lists_and_output(fake: FakeAmi) -> None:
    seen = Seen()
    async with running(fake, seen) as client:
        await seen.until(lambda: snapshots(seen) == 1)
        listed = await client.action_list({"Action": "QueueStatus"})
        assert [item.split(b"\r\n")[0] for item in listed.items] == [
            b"Event: QueueParams",
            b"Event: QueueMember",
            b"Event: QueueMember",
        ]
        assert (await client.command("core show channels count")).startswith("8 active channels")
        fake.endless.add("QueueStatus")
        with pytest.raises(ActionTimeout, match="not completed"):
            await client.action_list({"Action": "QueueStatus"}, 0.1)
        fake.refuse["Command"] = "Permission denied"
        with pytest.raises(ActionFailed, match="Permission denied"):
            await client.command("core show channels count")


# --- events ---


async def test_floods_garbage_and_broken_text_do_no_harm(fake: FakeAmi) -> None:
    seen = Seen()
    async with running(fake, seen):
        await seen.until(lambda: snapshots(seen) == 1)
        fake.send(
            b"\xff\xfe\x00garbage without a colon",
            b"Event: Newchannel",
            b"Event: Hangup\r\nUniqueid: \xc3\x28\r\nCause: many",
            b"Event: " + b"x" * 2_000_000,
            b"Response: Success\r\nActionID: never-sent",
            contact("sip:after@x", "Reachable"),
        )
        await seen.until(lambda: "sip:after@x" in str(seen.events[-50:]))
        fake.send(*CALL * 300)
        await seen.until(lambda: len(seen.all(ChannelSeen)) > 300 * 6)
        await seen.until(lambda: outcomes(seen)[-1] is Outcome.ANSWERS)
    assert fake.sessions == 1


async def test_reload_shutdown_and_restart_are_told(fake: FakeAmi) -> None:
    seen = Seen()
    async with running(fake, seen):
        await seen.until(lambda: snapshots(seen) == 1)
        fake.send(b"Event: Reload\r\nModule: res_pjsip.so\r\nStatus: 0")
        await seen.until(lambda: snapshots(seen) == 2)
        fake.send(b"Event: Shutdown\r\nShutdown: Cleanly\r\nRestart: True")
        await seen.until(lambda: bool(seen.all(ShuttingDown)))
    assert seen.all(Reloaded) == [Reloaded(NODE, "res_pjsip.so")]
    assert seen.all(ShuttingDown) == [ShuttingDown(NODE, restart=True)]


async def test_a_graceful_stop_that_is_called_off(fake: FakeAmi) -> None:
    seen = Seen()
    async with running(fake, seen):
        await seen.until(lambda: snapshots(seen) == 1)
        fake.refuse["Ping"] = "Asterisk is shutting down"
        await seen.until(lambda: bool(seen.all(ShuttingDown)))
        await asyncio.sleep(0.3)
        del fake.refuse["Ping"]
        await seen.until(lambda: snapshots(seen) == 2)
    assert seen.all(ShuttingDown) == [ShuttingDown(NODE, restart=False)], "said once"


async def test_fully_booted_that_comes_late_asks_for_another_snapshot(fake: FakeAmi) -> None:
    fake.booted = False
    seen = Seen()
    async with running(fake, seen):
        await seen.until(lambda: snapshots(seen) == 1)
        fake.send(b"Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 0")
        await seen.until(lambda: snapshots(seen) == 2)


async def test_what_the_sink_had_no_room_for_is_made_good_by_a_snapshot(fake: FakeAmi) -> None:
    seen = Seen()
    async with running(fake, seen):
        await seen.until(lambda: snapshots(seen) == 1)
        seen.full = True
        fake.send(contact("sip:lost@x", "Reachable"))
        await asyncio.sleep(0.1)
        seen.full = False
        await seen.until(lambda: snapshots(seen) == 2)
    assert not seen.all(EventsDropped), "the sink counts what it drops"


def test_every_word_of_a_contact_is_known() -> None:
    assert set(CONTACT.values()) == set(ContactStatus)
