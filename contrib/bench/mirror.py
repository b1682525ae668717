"""The mirror under many registrations: its cost, how old copies get, how fast a standby refills.

A crowd of phones (2,000, each refreshing every 60 s) registers at the virtual IP of a lab. Measured
for a window each without and with the mirror: CPU of both nodes and of the orchestrator, in percent
of one core. Then for a window, of a share of the refreshes: the time from the 200 OK to the new
expiry on pbx-b, which is asked often, so CPU is not measured then. At last how long pbx-b needs to
be full again after it lost its astdb. One line of JSON, after four to five minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from contrib.lab import Lab
from contrib.lab.filling import OWN, fill
from contrib.lab.service import Service

FIRST = 30001
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
SETTLE_S = 5.0
FULL_WITHIN_S = 120.0


class Crowd:
    """The phones' process and what it printed."""

    def __init__(self, lab: Lab, phones: int, every_s: float, follow: float) -> None:
        address = lab.network.phone_addresses[0]
        command = ["-m", "contrib.bench.mirror_crowd", "--target", lab.virtual_ip]
        command += ["--copy", lab.node("b").address, "--address", address, "--first", str(FIRST)]
        command += ["--phones", str(phones), "--follow", str(follow)]
        command += ["--every-s", str(every_s)]
        command += ["--secret-file", str(lab.directory / "ari.secret")]
        self.lines: list[tuple[float, dict[str, float]]] = []
        self.process = lab.popen_python("client", command, stdout=subprocess.PIPE)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append((time.time(), json.loads(line)))

    def until_registered(self, within_s: float) -> None:
        """Waits until every phone has registered once."""
        deadline = time.monotonic() + within_s
        while not self.lines:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise SystemExit(
                    "The crowd did not register in time: too many phones for this machine."
                )
            time.sleep(0.1)

    def stale_ms(self, seconds: float) -> list[float]:
        """Of refreshes from now on, for so long."""
        self.process.send_signal(signal.SIGUSR1)
        time.sleep(seconds)
        return [line["stale_ms"] for _, line in list(self.lines) if "stale_ms" in line]

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=20)


def add_phones(lab: Lab, phones: int) -> None:
    """Gives both nodes that many endpoints more."""
    for node in lab.nodes.values():
        etc = node.asterisk.directory / "etc"
        each = [fill(OWN / "node" / "phone.conf", {"phone": FIRST + i}) for i in range(phones)]
        with (etc / "pjsip-phones.conf").open("a", encoding="utf-8") as file:
            file.write("".join(each))
        node.cli("module reload res_pjsip.so")


def set_mirror(lab: Lab, *, on: bool) -> None:
    settings = yaml.safe_load(lab.config_path.read_text(encoding="utf-8"))
    settings["mirror"] = {"compare_every": "30s"} if on else False
    lab.config_path.write_text(yaml.safe_dump(settings), encoding="utf-8")


def cpu_s(pid: int | None) -> float:
    """Seconds of CPU that the process has used so far."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def window(lab: Lab, service: Service, seconds: float) -> dict[str, float]:
    """CPU in percent of one core over that time."""
    assert service.process is not None
    pids = {"pbx_a": lab.node("a").pid, "pbx_b": lab.node("b").pid,
            "orchestrator": service.process.pid}  # fmt: skip
    before, began = {name: cpu_s(pid) for name, pid in pids.items()}, time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - began
    return {
        name: round(100 * (cpu_s(pid) - before[name]) / passed, 1) for name, pid in pids.items()
    }


def copies(lab: Lab) -> tuple[int, int]:
    """How many of the crowd pbx-b has, and how many of them it reaches by its own qualify."""
    lines = lab.node("b").cli("pjsip show contacts").splitlines()
    ours = [line for line in lines if re.search(r"Contact: +3\d{4}/", line)]
    return len(ours), sum(" Avail " in line for line in ours)


def until_full(lab: Lab, phones: int, since: float) -> dict[str, float | None]:
    """Seconds until pbx-b knew all phones, and until it reached all."""
    known: float | None = None
    while (passed := time.time() - since) < FULL_WITHIN_S:
        there, reached = copies(lab)
        if known is None and there >= phones:
            known = round(passed, 1)
        if reached >= phones:
            return {"known_s": known, "reached_s": round(passed, 1)}
        time.sleep(0.2)
    return {"known_s": known, "reached_s": None}


def lose_everything(lab: Lab) -> float:
    """pbx-b starts again with an empty astdb; when it was started, epoch seconds."""
    b = lab.node("b")
    b.kill()
    for path in b.asterisk.directory.glob("db/astdb*"):
        path.unlink()
    return b.start()


def quantiles(values: list[float]) -> dict[str, float]:
    if len(values) < 2:
        return {"count": len(values)}
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {
        "count": len(values),
        "p50": round(cuts[49], 1),
        "p99": round(cuts[98], 1),
        "max": max(values),
    }


def measure(lab: Lab, arguments: argparse.Namespace) -> dict[str, Any]:
    add_phones(lab, arguments.phones)
    crowd = Crowd(lab, arguments.phones, arguments.every_s, arguments.follow)
    told: dict[str, Any] = {"asterisk": lab.plan.asterisk, "phones": arguments.phones}
    crowd.until_registered(arguments.phones / 20 + 60)
    for on in (False, True):
        set_mirror(lab, on=on)
        started = time.time()
        with Service(lab) as service:
            service.until_ready()
            if on:
                told["first_fill"] = until_full(lab, arguments.phones, started)
                time.sleep(SETTLE_S)
            told["cpu_percent_with" if on else "cpu_percent_without"] = window(
                lab, service, arguments.seconds
            )
            if on:
                told["stale_ms"] = quantiles(crowd.stale_ms(arguments.seconds))
                told["refill"] = until_full(lab, arguments.phones, lose_everything(lab))
    crowd.end()
    told["load_average"] = round(os.getloadavg()[1], 1)  # with others at work all times are longer
    return told


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phones", type=int, default=2000)
    parser.add_argument("--every-s", type=float, default=60, help="a phone refreshes so often")
    parser.add_argument("--seconds", type=float, default=60, help="of each window")
    parser.add_argument("--follow", type=float, default=0.1, help="share of refreshes followed")
    parser.add_argument("--asterisk", type=int, choices=(16, 22), default=22)
    arguments = parser.parse_args(argv)
    with Lab.up(name=f"mirror-{os.getpid()}", asterisk=arguments.asterisk) as lab:
        print(json.dumps(measure(lab, arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
