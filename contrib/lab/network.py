"""The lab's network: five namespaces on one switch, which has a namespace of its own.

Nothing of it touches the machine's own network: all links, the bridge included, live inside.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from contrib.lab.processes import Process
from contrib.lab.shell import in_namespace, run

HOSTS = {"a": 11, "b": 12, "client": 20, "trunk": 30, "ctl": 40}
"""The places of the lab (also the switch's port names), and the last part of their address."""
PHONES = range(21, 30)
"""Further addresses of the client namespace, for phones that register (20 needs no password)."""
VIRTUAL = 100
SWITCH = "sw"


class Network:
    """`name` is the lab's, `number` the third part of its addresses, 10.77.number.0/24."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number

    def address(self, place: str) -> str:
        return f"10.77.{self.number}.{HOSTS[place]}"

    @property
    def virtual_ip(self) -> str:
        return f"10.77.{self.number}.{VIRTUAL}"

    @property
    def phone_addresses(self) -> list[str]:
        return [f"10.77.{self.number}.{last}" for last in PHONES]

    def namespace(self, place: str) -> str:
        """The namespace of a place (`a`, `b`, `client`, `trunk`, `ctl`, `sw`)."""
        return f"{self.name}-{place}"

    @property
    def namespaces(self) -> list[str]:
        return [self.namespace(place) for place in (*HOSTS, SWITCH)]

    def make(self) -> None:
        for namespace in self.namespaces:
            run(["ip", "netns", "add", namespace])
        switch = ["link add br0 type bridge forward_delay 0", "link set br0 up", "link set lo up"]
        for place in HOSTS:
            far_end = f"peer name eth0 netns {self.namespace(place)}"
            switch.append(f"link add name {place} type veth {far_end}")
            switch.append(f"link set dev {place} master br0 up")
        self._ip(SWITCH, switch)
        for place in HOSTS:
            self._make_place(place)

    def _make_place(self, place: str) -> None:
        settings = ["ipv6/conf/all/disable_ipv6=1"]
        if place in ("a", "b"):  # both nodes bind the virtual IP at all times
            settings.append("ipv4/ip_nonlocal_bind=1")
        script = "; ".join(
            "[ ! -e /proc/sys/net/{0} ] || echo {1} >/proc/sys/net/{0}".format(*one.split("="))
            for one in settings
        )
        run(in_namespace(self.namespace(place), ["sh", "-c", script]))
        lines = ["link set lo up", f"addr add {self.address(place)}/24 dev eth0"]
        if place == "client":
            lines += [f"addr add {address}/24 dev eth0" for address in self.phone_addresses]
        self._ip(place, [*lines, "link set eth0 up"])

    def _ip(self, place: str, lines: list[str]) -> None:
        run(["ip", "-n", self.namespace(place), "-batch", "-"], stdin="\n".join(lines) + "\n")

    def remove(self) -> None:
        for namespace in self.namespaces:
            if Path("/run/netns", namespace).exists():
                run(["ip", "netns", "delete", namespace], check=False)

    def processes(self) -> list[Process]:
        """Whatever runs inside the lab's namespaces, the caller excepted."""
        found = []
        for namespace in self.namespaces:
            if Path("/run/netns", namespace).exists():
                listed = run(["ip", "netns", "pids", namespace], check=False).stdout.split()
                found += [Process.of(int(pid)) for pid in listed if int(pid) != os.getpid()]
        return [one for one in found if one]

    # -- the virtual IP

    def virtual_ip_holders(self) -> tuple[str, ...]:
        """The nodes that have the virtual IP on their interface; more than one is a disaster.

        They are looked at one after the other, and an address that moves meanwhile is seen on
        both: so two holders are looked at again.
        """
        seen = [place for place in ("a", "b") if self._holds(place)]
        return tuple(seen if len(seen) < 2 else [place for place in seen if self._holds(place)])

    def _holds(self, place: str) -> bool:
        told = run(["ip", "-n", self.namespace(place), "addr"]).stdout
        return f" {self.virtual_ip}/" in told

    def give_virtual_ip(self, place: str, *, route_source: bool) -> None:
        """Adds the virtual IP and tells the neighbours (gratuitous ARP)."""
        self._ip(place, [f"addr replace {self.virtual_ip}/24 dev eth0"])
        if route_source:
            self._prefer_source(place, self.virtual_ip)
        # after it has sent it would wait a whole second for an answer that nobody gives
        announce = ["timeout", "0.2", "arping", "-q", "-U", "-c", "1", "-I", "eth0"]
        announce.append(self.virtual_ip)
        run(in_namespace(self.namespace(place), announce), check=False)

    def take_virtual_ip(self, place: str, *, route_source: bool) -> None:
        if route_source:
            self._prefer_source(place, self.address(place))
        self._ip(place, [f"addr del {self.virtual_ip}/24 dev eth0"])

    def _prefer_source(self, place: str, source: str) -> None:
        net = f"10.77.{self.number}.0/24"
        self._ip(place, [f"route replace {net} dev eth0 proto kernel scope link src {source}"])

    # -- faults

    def plug(self, place: str, *, plugged: bool) -> None:
        """Takes the place's cable off the switch (the carrier is lost), or puts it back."""
        self._ip(SWITCH, [f"link set dev {place} {'up' if plugged else 'down'}"])

    def lose(self, place: str, percent: int) -> None:
        """Loses that part of the packets, either way; 0 heals."""
        # "add" first, so that "delete" can't fail when there is none yet
        lines = ["add table inet lossy", "delete table inet lossy"]
        if percent:
            lines.append("add table inet lossy")
        for hook, name in (("input", "iifname"), ("output", "oifname")) if percent else ():
            lines.append(
                f"add chain inet lossy {hook} {{ type filter hook {hook} priority 0; }}\n"
                f'add rule inet lossy {hook} {name} != "lo" '
                f"numgen random mod 100 < {percent} drop"
            )
        self._nft(place, lines)

    def cut(self, place: str, other: str) -> None:
        """Drops all packets between the two places; every other way stays open."""
        address = self.address(other)
        rules = (("input", f"ip saddr {address} drop"), ("output", f"ip daddr {address} drop"))
        self._rules(place, f"cut_{other}", rules)

    def close(self, place: str, port: int, protocol: str, *, refuse: bool) -> None:
        """Drops, or refuses, what comes to that port of the place, in open connections too."""
        verdict = "reject with tcp reset" if refuse else "drop"
        rules = (("input", f"{protocol} dport {port} {verdict}"),)
        self._rules(place, f"closed_{protocol}_{port}", rules)

    def open_all(self, place: str) -> None:
        """Ends every `cut` and `close` of the place."""
        command = in_namespace(self.namespace(place), ["nft", "list", "tables"])
        tables = [line.removeprefix("table ") for line in run(command).stdout.splitlines()]
        ours = [one for one in tables if one.startswith(("inet cut_", "inet closed_"))]
        if ours:
            self._nft(place, [f"delete table {one}" for one in ours])

    def _rules(self, place: str, table: str, rules: Iterable[tuple[str, str]]) -> None:
        lines = [f"add table inet {table}"]
        for hook, rule in rules:
            lines.append(
                f"add chain inet {table} {hook} {{ type filter hook {hook} priority 0; }}\n"
                f"add rule inet {table} {hook} {rule}"
            )
        self._nft(place, lines)

    def _nft(self, place: str, lines: Sequence[str]) -> None:
        command = in_namespace(self.namespace(place), ["nft", "-f", "-"])
        run(command, stdin="\n".join(lines) + "\n")
