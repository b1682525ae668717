"""A planned switchover: calls in progress and queues go on, new calls are answered by the other."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from typing import Any

from contrib.lab import Lab
from contrib.lab.calls import stream
from tests.lab.watching import lines_of, watched


def test_ten_calls_go_on_while_new_ones_land_on_the_other_node(lab: Lab) -> None:
    with watched(lab) as seen:
        assert seen.callers
        talkers = seen.talk(10)
        told: dict[str, Any] = {}
        sipp = threading.Thread(
            target=lambda: told.update(stream(lab, lab.virtual_ip, "600", 5, 5, 1.5))
        )
        sipp.start()
        time.sleep(1)
        at = time.time()
        assert "begun" in seen.service.ask("switchover", "--at-most", "60s").stdout
        seen.until_served_by("b", at)
        seen.wait(lambda: seen.service.status()["phase"] == "draining", "the old active drains", 15)
        drain = seen.service.status()["move"]["drain"]
        assert drain["known"] and drain["calls"] >= 10
        seen.trunk_serves("b")
        seen.hang_up(talkers, 10)
        moved = seen.until_moved("pbx-b", 30)
        assert moved["last_move"]["outcome"] == "active"
        sipp.join(60)
        assert (told["calls"], told["refused"], told["cut"]) == (25, 0, 0)
        assert talkers.end()["cut"] == 0
        refused, unanswered = (seen.callers.count(one, at) for one in ("refused", "unanswered"))
        assert refused == unanswered == 0
        gap = seen.callers.gap_ms(at)
        assert gap is not None and gap < 500
        assert seen.holders.sequence() == ["a", "b"]


def test_a_waiting_caller_is_still_served_by_agents_on_the_old_active(lab: Lab) -> None:
    with watched(lab) as seen:
        caller = [
            *("-m", "contrib.lab.held", "--target", lab.virtual_ip, "--number", "700"),
            *("--address", seen.client, "--calls", "1"),
        ]
        waiting = lab.popen_python("client", caller, stdout=subprocess.PIPE)
        seen.wait(lambda: seen.service.status()["nodes"]["pbx-a"]["waiting"] == 1, "one waits", 10)
        seen.service.ask("switchover", "--at-most", "60s")
        seen.wait(lambda: lab.vip_holder() == "b", "the address is on b", 15)
        agent = [
            *("-m", "contrib.lab.phones", "--target", lab.node("a").address, "--numbers", "1001"),
            *("--address", lab.network.phone_addresses[0]),
        ]
        phone = lab.popen_python("client", agent, stdout=subprocess.PIPE)
        seen.wait(
            lambda: seen.service.status()["nodes"]["pbx-a"]["waiting"] == 0,
            "the waiting caller has an agent",
            20,
        )
        status = seen.service.status()
        assert status["phase"] == "draining" and status["move"]["drain"]["calls"] == 1
        told = json.loads(lines_of(waiting).splitlines()[-1])
        assert (told["held"], told["cut"]) == (1, 0)
        called = [json.loads(line) for line in lines_of(phone).splitlines()]
        assert [one["server"] for one in called if one["event"] == "call"]
        seen.until_moved("pbx-b", 20)
