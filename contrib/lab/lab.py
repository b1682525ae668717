"""A lab as a whole: up, down, who has the virtual IP, and running things in its places."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from contrib.lab import processes, state
from contrib.lab.asterisk import Asterisk, node_files, provider_files
from contrib.lab.choices import MODES, check, root_file_system
from contrib.lab.errors import LabError
from contrib.lab.filling import OWN, PROJECT, fill
from contrib.lab.network import HOSTS, Network
from contrib.lab.node import Node
from contrib.lab.provider import Provider
from contrib.lab.shell import in_namespace, run
from contrib.lab.ssh import make_keys, start_sshd
from contrib.lab.state import Plan

TRUNK_DEADLINE_S = 30.0
_OTHER = {"a": "b", "b": "a"}


class Lab:
    """A lab that is up. `Lab.up()` makes one, `Lab.load()` finds one; `down()` removes it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.name = plan.name
        self.directory = plan.directory
        self.network = Network(plan.name, plan.number)
        self.virtual_ip = self.network.virtual_ip
        self.config_path = self.directory / "orchestrator.yaml"
        self.nodes = {
            place: Node(place, self._asterisk(place, f"pbx-{place}"), self.network)
            for place in ("a", "b")
        }
        self.provider = Provider(self._asterisk("trunk", "the provider"), self.network)

    def _asterisk(self, place: str, label: str) -> Asterisk:
        namespace = self.network.namespace(place)
        return Asterisk(namespace, self.directory / place, Path(self.plan.root), label)

    # -- up and down

    @classmethod
    def up(
        cls,
        name: str = "lab",
        asterisk: int = 22,
        profile: str = "fast",
        mode: str = "overlap",
        *,
        chan_sip: bool = False,
        phones: int = 0,
    ) -> Lab:
        """Makes a lab and returns when pbx-a serves the virtual IP and holds the trunk.

        Whatever goes wrong on the way (an interrupt included), nothing is left behind.
        """
        check(name, profile, mode, phones, chan_sip=chan_sip)
        root = root_file_system(asterisk)
        version = int(root.name.rpartition("-")[2])
        if chan_sip and version != 16:
            raise LabError(f"Asterisk {version} has no chan_sip (16 has): nothing was made.")
        with state.reserved() as number:
            plan = Plan(name, number, version, str(root), profile, mode, chan_sip, phones)
            if plan.directory.exists():
                raise LabError(
                    f"A lab '{name}' is there already: nothing was changed. "
                    f"Take it down (lab down --name {name}) or give another --name."
                )
            plan.directory.mkdir()
            plan.write()
        lab = cls(plan)
        try:
            lab._build()
        except BaseException:
            lab.down()
            raise
        return lab

    @classmethod
    def load(cls, name: str = "lab") -> Lab:
        """The lab of that name, made by this or another process."""
        return cls(state.read(name))

    def _build(self) -> None:
        self.network.make()
        make_keys(self.directory, [node.address for node in self.nodes.values()])
        values = self._values()
        for place, node in self.nodes.items():
            own = {
                **values,
                "node_name": node.name,
                "own_address": node.address,
                "peer_address": self.nodes[_OTHER[place]].address,
            }
            files = node_files(own, self.plan)
            node.asterisk.configure(own, files, chan_sip=self.plan.chan_sip)
            start_sshd(self.directory, place, node)
        self.provider.asterisk.configure(
            {**values, "node_name": "provider"}, provider_files(values)
        )
        self.config_path.write_text(fill(OWN / "orchestrator.yaml", values), encoding="utf-8")
        self.move_vip("a")
        everyone = [*(node.asterisk for node in self.nodes.values()), self.provider.asterisk]
        for one in everyone:
            one.start()
        for one in everyone:
            one.wait_booted()
        self._give_trunk_to_a()

    def _values(self) -> dict[str, object]:
        made = {name: secrets.token_hex(12) for name in ("ami_secret", "ari_secret")}
        for name, secret in made.items():
            path = self.directory / name.replace("_", ".")
            path.touch(mode=0o600)
            path.write_text(secret + "\n", encoding="utf-8")
        return {
            **made,
            **{f"{place}_address": self.network.address(place) for place in HOSTS},
            "provider_address": self.network.address("trunk"),
            "trunk_secret": secrets.token_hex(12),
            "virtual_ip": self.virtual_ip,
            "lab": self.name,
            "lab_directory": self.directory,
            "profile": self.plan.profile,
            "drain_mode": MODES[self.plan.mode],
            "route_source": str(self.plan.mode == "single").lower(),
            "project": PROJECT,
        }

    def mend(self) -> None:
        """Undoes every fault: as it was after `up`, with calls that are up left alone."""
        self.network.plug("ctl", plugged=True)
        for node in self.nodes.values():
            node.plug()
            node.heal()
            if node.state == "stopped":
                node.cont()
            if node.state == "gone":
                node.start()
            node.cli("database del orchestrator drain")
        self.provider.ok()
        self.move_vip("a")
        self._give_trunk_to_a()

    def _give_trunk_to_a(self) -> None:
        """A registration can't be configured to start off: both have one, or are about to.

        Unregistering also stops a registration that is still to come (a second after the start).
        """
        a, b = self.nodes["a"], self.nodes["b"]
        deadline = time.monotonic() + TRUNK_DEADLINE_S
        b.cli("pjsip send unregister trunk-reg")
        while b.trunk != "Unregistered" and time.monotonic() < deadline:
            time.sleep(0.05)
        while not self._trunk_is_on_a():
            if time.monotonic() > deadline:
                raise LabError(
                    f"{a.name} could not register with the provider: its log in "
                    f"{a.asterisk.directory}/log says why."
                )
            a.cli("pjsip send register trunk-reg")
            asked = time.monotonic()
            while not self._trunk_is_on_a() and time.monotonic() < asked + 2:
                time.sleep(0.05)

    def _trunk_is_on_a(self) -> bool:
        a = self.nodes["a"]
        return a.trunk == "Registered" and self.provider.registered() in (
            a.address,
            self.virtual_ip,
        )

    def down(self) -> None:
        """Ends what the lab started, then what still runs inside its namespaces; removes it all."""
        records = [processes.recorded(path) for path in self.directory.glob("**/*.process")]
        processes.end([one for one in records if one])
        processes.end(self.network.processes())
        self.network.remove()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.down()

    # -- looking and moving

    def node(self, which: str) -> Node:
        """By place (`a`) or name (`pbx-a`)."""
        place = which.removeprefix("pbx-")
        if place not in self.nodes:
            raise LabError(f"There is no node '{which}': a or b.")
        return self.nodes[place]

    def vip_holder(self) -> str | None:
        """`a` or `b`, None when nobody has the virtual IP; LabError when both have it."""
        holders = self.vip_holders()
        if len(holders) > 1:
            raise LabError(f"Both nodes have the virtual IP {self.virtual_ip}.")
        return holders[0] if holders else None

    def vip_holders(self) -> tuple[str, ...]:
        return self.network.virtual_ip_holders()

    def move_vip(self, to: str | None) -> None:
        """Moves the virtual IP by hand; None takes it away from both."""
        route_source = self.plan.mode == "single"
        holders = self.vip_holders()
        for place in holders:
            if place != to:
                self.network.take_virtual_ip(place, route_source=route_source)
        if to and to not in holders:
            self.network.give_virtual_ip(to, route_source=route_source)

    def status(self) -> dict[str, Any]:
        """The lab in a few facts, ready for JSON."""
        registered = None
        with contextlib.suppress(LabError):  # a provider that is off can't be asked
            registered = self.provider.registered()
        addresses = {node.address: node.place for node in self.nodes.values()}
        return {
            "name": self.name,
            "directory": str(self.directory),
            "asterisk": self.plan.asterisk,
            "mode": self.plan.mode,
            "profile": self.plan.profile,
            "virtual_ip": self.virtual_ip,
            "virtual_ip_holders": list(self.vip_holders()),
            "nodes": {
                node.name: {
                    "address": node.address,
                    "namespace": node.namespace,
                    "asterisk": node.state,
                    "pid": node.pid,
                    "trunk": node.trunk,
                    "calls": node.calls,
                }
                for node in self.nodes.values()
            },
            "provider": {
                "address": self.provider.address,
                "asterisk": self.provider.asterisk.state,
                "sends_calls_to": addresses.get(registered or "", registered),
            },
            "client": self.network.address("client"),
            "ctl": self.network.address("ctl"),
            "config": str(self.config_path),
        }

    # -- running things in its places

    def namespace(self, place: str) -> str:
        """The network namespace of `a`, `b`, `trunk`, `client`, `ctl` (or `sw`, the switch)."""
        full = place if place in self.network.namespaces else self.network.namespace(place)
        if full not in self.network.namespaces:
            raise LabError(f"There is no place '{place}': {', '.join(HOSTS)}.")
        return full

    def run_in(
        self, place: str, argv: Sequence[str], *, check: bool = True, timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command in a place to its end."""
        return run(in_namespace(self.namespace(place), argv), check=check, timeout_s=timeout_s)

    def popen_in(self, place: str, argv: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """Starts a command in a place (text mode; this project importable). `down` ends it too."""
        environment = {**os.environ, **options.pop("env", {})}
        environment["PYTHONPATH"] = f"{PROJECT}:{environment.get('PYTHONPATH', '')}".rstrip(":")
        command = in_namespace(self.namespace(place), argv)
        return subprocess.Popen(command, text=True, env=environment, **options)

    def popen_python(
        self, place: str, argv: Sequence[str], **options: Any
    ) -> subprocess.Popen[str]:
        """Starts this Python in a place, e.g. ["-m", "contrib.lab.prober", …]."""
        return self.popen_in(place, [sys.executable, *argv], **options)
