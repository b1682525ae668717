"""Planned moves of a real pair: nobody is cut off, nobody is refused, and what the site decided."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from contrib.lab import Lab
from contrib.lab.service import Service
from tests.lab.rig import (
    afresh,
    held,
    held_from_trunk,
    none_lost,
    phones,
    reconfigure,
    story,
    straggler,
    stream,
    stream_from_trunk,
    trunk_is_only_on,
    wait_for,
)

LISTENER = """
import http.server
class Take(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        print(self.rfile.read(int(self.headers["Content-Length"])).decode(), flush=True)
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", 8099), Take).serve_forever()
"""


@pytest.fixture(scope="module", params=[22, 16], ids=["asterisk22", "asterisk16"])
def single(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A pair whose calls live on the virtual IP."""
    with Lab.up(
        name=f"single{request.param}-{os.getpid()}", asterisk=request.param, mode="single"
    ) as lab:
        yield lab


@pytest.fixture(autouse=True)
def tidy(request: pytest.FixtureRequest) -> Iterator[None]:
    lab: Lab = request.getfixturevalue("single" if "single" in request.fixturenames else "lab")
    yield
    afresh(lab)


def drain_of(service: Service) -> dict[str, object]:
    move = service.status()["move"] or {}
    return dict(move.get("drain") or {})


def test_drain_first_sends_new_calls_to_the_other_node_and_cuts_nobody(single: Lab) -> None:
    lab = single
    reconfigure(lab, drain={"mode": None})
    with Service(lab) as service:
        service.until_ready()
        talking, customers = held(lab, 3), held_from_trunk(lab, 2)
        new, incoming = stream(lab), stream_from_trunk(lab)
        service.ask("switchover", "--at-most", "60s")
        status = service.until("it drains", 20, phase="draining")
        assert status["move"]["mode"] == "drain-first", "found out by the test call's Contact"
        began = time.time()
        assert drain_of(service)["calls_at_start"] >= 5
        assert straggler(lab, "a"), "the provider's straggler is bridged to pbx-b"
        time.sleep(1)
        assert new.servers_since(began) == {lab.node("b").address}, "phones are sent there by 302"
        lab.node("a").cli("database put orchestrator drain bridge")
        deaf = time.time()
        time.sleep(1)
        assert new.servers_since(deaf + 0.2) == {lab.virtual_ip}, "pbx-a bridges them to pbx-b"
        lab.node("a").cli("database put orchestrator drain redirect")
        none_lost(customers)
        three = wait_for(lambda: drain_of(service).get("calls") == 3, "only the phone's calls")
        assert three and lab.vip_holder() == "a"
        none_lost(talking)
        service.until("the move is over", 20, phase="steady", active="pbx-b")
        assert lab.vip_holder() == "b"
        time.sleep(0.5)
        none_lost(new)
        none_lost(incoming)
        assert trunk_is_only_on(lab, "b")
        assert "not found" in lab.node("a").cli("database get orchestrator drain")
        report = service.status()["last_move"]
        assert (report["outcome"], report["cut"]) == ("active", [])


def test_overlap_keeps_queues_served_and_an_abort_cuts_nobody(lab: Lab) -> None:
    reconfigure(lab, drain={"mode": None})
    with Service(lab) as service:
        service.until_ready()
        agents, customers = phones(lab), held_from_trunk(lab, 2)
        talking = held(lab, 3, phone="1007", host=24, number="700")
        waiting = held(lab, 2, phone="1008", host=25, number="700")
        new = stream(lab)
        service.ask("switchover", "--at-most", "60s")
        status = service.until("it drains", 20, phase="draining")
        assert status["move"]["mode"] == "overlap"
        assert lab.vip_holder() == "b"
        incoming = stream_from_trunk(lab)
        wait_for(
            lambda: service.status()["nodes"]["pbx-a"]["waiting"] == 2, "two wait for an agent"
        )
        can_close = lab.plan.asterisk == 22
        wait_for(lambda: straggler(lab, "a") is not can_close, "503 where the version can")
        talked = sum(line["event"] == "call" for line in agents.said)
        none_lost(talking)
        agents.until("call", talked + 2)
        drain = wait_for(lambda: drain_of(service).get("estimate_s") and drain_of(service), "pace")
        assert drain["known"] and drain["longest_s"] > 1
        before = service.status()["move"]["deadline_at"]
        said = service.ask("extend", "5m").stdout
        assert "300 s more" in said
        assert service.status()["move"]["deadline_at"] > before + 290
        assert "going back to pbx-a" in service.ask("abort").stdout
        service.until("everything is back", 20, phase="steady", active="pbx-a")
        assert lab.vip_holder() == "a"
        assert service.status()["last_move"]["outcome"] == "aborted"
        assert wait_for(lambda: trunk_is_only_on(lab, "a"), "the trunk is back")
        assert straggler(lab, "a"), "the trunk's endpoint is open again"
        for peer in (waiting, customers, new, incoming):
            none_lost(peer)
        agents.end()


def test_stuck_channels_hold_up_no_drain(lab: Lab) -> None:
    reconfigure(lab, drain={"stuck_after": "2s"})
    with Service(lab) as service:
        service.until_ready()
        agents = phones(lab)
        talking = held(lab, 1, number="1001")
        lab.node("a").cli("channel originate Local/600@serve application Wait 300")
        time.sleep(2.5)
        service.ask("switchover", "--at-most", "60s")
        service.until("it drains", 20, phase="draining")
        drain = drain_of(service)
        assert (drain["calls"], drain["stuck"]) == (1, 2), "a conversation is never stuck"
        none_lost(talking)
        service.until("the move is over", 20, phase="steady", active="pbx-b")
        assert "2 stuck channels" in story(service)
        wait_for(lambda: lab.node("a").calls == 0, "they are hung up")
        agents.end()


@pytest.mark.parametrize("policy", ["wait", "abort", "cut"])
def test_the_deadline_does_what_the_site_decided(lab: Lab, policy: str) -> None:
    reconfigure(
        lab,
        drain={"at_deadline": policy, "stuck_after": "4h", "mode": "overlap", "deadline": "60s"},
        notify=[{"urls": ["json://127.0.0.1:8099"], "severity": "warning"}],
    )
    out = lab.directory / f"notified-{policy}"
    with out.open("w", encoding="utf-8") as file:
        listener = lab.popen_python("ctl", ["-c", LISTENER], stdout=file, stderr=subprocess.STDOUT)
    try:
        with Service(lab) as service:
            service.until_ready()
            _at_the_deadline(lab, service, policy)
            wait_for(
                lambda: any(WORDS[policy] in line for line in messages(out)), "people are told"
            )
    finally:
        listener.kill()
        listener.wait()


def messages(out: Path) -> list[str]:
    whole = out.read_text("utf-8").rpartition("\n")[0]
    return [json.loads(line)["message"] for line in whole.splitlines()]


WORDS = {"wait": "over its deadline", "abort": "calls still up", "cut": "cut off: "}


def _at_the_deadline(lab: Lab, service: Service, policy: str) -> None:
    talking = held(lab, 2)
    service.ask("switchover", "--at-most", "2500ms")
    if policy == "wait":
        service.until("it drains", 10, phase="draining")
        time.sleep(2.5)
        assert service.status()["phase"] == "draining"
        none_lost(talking)
        service.until("the move is over", 20, phase="steady", active="pbx-b")
    elif policy == "abort":
        over = service.until("it is over", 30, phase="steady", active="pbx-a", move=None)
        assert over["last_move"]["outcome"] == "rolled-back"
        assert lab.vip_holder() == "a"
        none_lost(talking)
    else:
        service.until("the move is over", 20, phase="steady", active="pbx-b")
        report = service.status()["last_move"]
        assert len(report["cut"]) == 2
        assert all("1005" in who for who in report["cut"]), report["cut"]
        assert "Cut off: " in story(service)
        assert talking.end()["cut"] == 2
