"""What `status` says is what Asterisk itself says: trunks, phones, calls, queues, version."""

from __future__ import annotations

import subprocess
from typing import Any

from contrib.lab import Lab
from tests.lab.watching import Watched, lines_of, watched


def node_of(seen: Watched, name: str) -> dict[str, Any]:
    found: dict[str, Any] = seen.service.status()["nodes"][name]
    return found


def test_a_fresh_pair_is_shown_as_it_is(lab: Lab) -> None:
    with watched(lab) as seen:
        status = seen.service.status()
        for place, name in (("a", "pbx-a"), ("b", "pbx-b")):
            shown, node = status["nodes"][name], lab.node(place)
            assert shown["trunks"][0]["registration"] == node.trunk.lower()
            assert shown["trunks"][0]["contact"] == "reachable"
            assert shown["phones_known"] == 0, "the other node and the provider are no phones"
            assert shown["address"] is (place in lab.vip_holders())
            assert shown["version"] in node.cli("core show version")
            assert (shown["calls"], shown["channels"], shown["waiting"]) == (0, 0, 0)
        assert lab.node("a").trunk == "Registered" and lab.node("b").trunk == "Unregistered"
        told = seen.service.ask("status").stdout
        assert "pbx-a is active" in told and "healthy" in told
        assert "active.verdict" in seen.service.ask("explain").stdout


def test_phones_calls_and_queues_are_shown_as_asterisk_has_them(lab: Lab) -> None:
    with watched(lab) as seen:
        phones = [
            *("-m", "contrib.lab.phones", "--target", lab.virtual_ip, "--numbers", "1001", "1002"),
            *("--address", lab.network.phone_addresses[0]),
        ]
        registered = lab.popen_python("client", phones, stdout=subprocess.PIPE)
        a = lab.node("a")
        seen.wait(lambda: a.cli("pjsip show contacts").count("Avail") == 4, "2 phones", 10)
        seen.wait(lambda: node_of(seen, "pbx-a")["phones_reachable"] == 2, "2 phones shown", 5)
        talkers = seen.talk(3)
        caller = [
            *("-m", "contrib.lab.held", "--target", lab.virtual_ip, "--number", "700"),
            *("--address", seen.client, "--calls", "3"),
        ]
        callers = lab.popen_python("client", caller, stdout=subprocess.PIPE)
        seen.wait(lambda: "1 calls" in a.cli("queue show support"), "one waits", 10)
        seen.wait(lambda: node_of(seen, "pbx-a")["waiting"] == 1, "one shown waiting", 5)
        seen.wait(lambda: node_of(seen, "pbx-a")["calls"] == 6, "six calls shown", 5)
        channels = a.cli("core show channels concise").splitlines()
        assert node_of(seen, "pbx-a")["channels"] == len([one for one in channels if "!" in one])
        assert node_of(seen, "pbx-b")["calls"] == 0
        lines_of(callers)
        talkers.end()
        seen.wait(lambda: node_of(seen, "pbx-a")["channels"] == 0, "nothing is left", 10)
        assert a.calls == 0
        lines_of(registered)
        seen.wait(lambda: node_of(seen, "pbx-a")["phones_known"] == 0, "no phone is left", 10)
