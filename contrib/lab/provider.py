"""The trunk provider: a third real Asterisk, which can be off or reject."""

from __future__ import annotations

import time

from contrib.lab.asterisk import Asterisk
from contrib.lab.network import Network

_CONTACTS = {"ok": "max_contacts=1\n", "reject": "max_contacts=0\n"}


class Provider:
    """Every fault returns the epoch second at which it was done."""

    def __init__(self, asterisk: Asterisk, network: Network) -> None:
        self.asterisk = asterisk
        self._network = network
        self.address = network.address("trunk")

    def cli(self, command: str) -> str:
        return self.asterisk.cli(command)

    def registered(self) -> str | None:
        """The address of the node that the provider would send a call to now."""
        for line in self.cli("pjsip show contacts").splitlines():
            if "labtrunk/sip:labtrunk@" in line:
                return line.split("labtrunk/sip:labtrunk@")[1].split(":")[0].split()[0]
        return None

    def off(self) -> float:
        """Unreachable: its cable is pulled."""
        self._network.plug("trunk", plugged=False)
        return time.time()

    def reject(self) -> float:
        """Answers REGISTER with 403 and calls with 503; OPTIONS are still answered."""
        self._network.plug("trunk", plugged=True)
        self._set("reject")
        return time.time()

    def ok(self) -> float:
        """Reachable and willing again."""
        self._network.plug("trunk", plugged=True)
        self._set("ok")
        return time.time()

    def _set(self, what: str) -> None:
        path = self.asterisk.directory / "etc" / "pjsip-contacts.conf"
        path.write_text(_CONTACTS[what], encoding="utf-8")
        self.cli("module reload res_pjsip.so")
        self.cli(f"dialplan set global REJECT {'yes' if what == 'reject' else 'no'}")
