"""The virtual IP on this host's interfaces."""

# ruff: noqa: UP031

import errno
import ipaddress
import socket
import struct

from .announce import Announcer
from .netlink import (
    IFA_ADDRESS,
    IFA_F_NODAD,
    IFA_LOCAL,
    IFF_LOWER_UP,
    IFF_UP,
    IFLA_ADDRESS,
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    RTM_DELADDR,
    RTM_GETADDR,
    RTM_GETLINK,
    RTM_NEWADDR,
    Netlink,
    attribute,
    attributes,
)
from .routes import Routes
from .trouble import Trouble


class Address:
    """The virtual IP: on any interface it counts as held, on the configured one it is added."""

    def __init__(self, interface: str, virtual_ip: str, route_source: bool) -> None:
        parsed = ipaddress.ip_interface(virtual_ip)
        self.interface = interface
        self.text = str(parsed.ip)
        self.packed = parsed.ip.packed
        self.prefix = parsed.network.prefixlen
        self.v6 = parsed.version == 6
        self.family = int(socket.AF_INET6 if self.v6 else socket.AF_INET)
        try:
            self.index = socket.if_nametoindex(interface)
        except OSError:
            raise Trouble(
                "this host has no interface %s; it has %s"
                % (interface, ", ".join(name for _, name in socket.if_nameindex()))
            ) from None
        self.netlink = Netlink()
        self.announcer = Announcer(interface, self.index, self.packed)
        self.routes: Routes | None = None
        if route_source and not self.v6:
            self.routes = Routes(self.netlink, self.index, self.packed)

    def close(self) -> None:
        self.netlink.sock.close()
        self.announcer.close()

    def places(self) -> "list[tuple[int, int]]":
        """(interface index, prefix length) of each place where the address is."""
        body = struct.pack("=BBBBI", self.family, 0, 0, 0, 0)
        found = []
        for answer in self.netlink.ask(RTM_GETADDR, NLM_F_DUMP, body):
            family, prefix, _, _, index = struct.unpack_from("=BBBBI", answer)
            has = dict(attributes(answer[8:]))
            if family == self.family and has.get(IFA_LOCAL, has.get(IFA_ADDRESS)) == self.packed:
                found.append((index, prefix))
        return found

    def held(self) -> bool:
        return bool(self.places())

    def add(self) -> bool:
        """True when it was added, False when it was there already."""
        try:
            flags = IFA_F_NODAD if self.v6 else 0
            create = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL
            self.netlink.ask(RTM_NEWADDR, create, self._body(self.index, self.prefix, flags))
            added = True
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise
            added = False
        if self.routes:
            self.routes.point(to_virtual=True)
        return added

    def remove(self) -> bool:
        """True when it was removed, False when it was not there; Trouble when it stays."""
        # Routes first: the kernel deletes those whose preferred source vanishes.
        if self.routes:
            self.routes.point(to_virtual=False)
        places = self.places()
        for index, prefix in places:
            try:
                self.netlink.ask(RTM_DELADDR, NLM_F_ACK, self._body(index, prefix, 0))
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL:
                    raise
        if places and self.held():
            raise Trouble("%s was deleted but is still there" % self.text)
        return bool(places)

    def _body(self, index: int, prefix: int, flags: int) -> bytes:
        head = struct.pack("=BBBBI", self.family, prefix, flags, 0, index)
        return head + attribute(IFA_LOCAL, self.packed) + attribute(IFA_ADDRESS, self.packed)

    def own_macs(self) -> "set[bytes]":
        """Of all interfaces here: a second one on the same network answers ARP for the address."""
        body = struct.pack("=BBHiII", 0, 0, 0, 0, 0, 0)
        answers = self.netlink.ask(RTM_GETLINK, NLM_F_DUMP, body)
        return {dict(attributes(answer[16:])).get(IFLA_ADDRESS, b"") for answer in answers}

    def carrier(self) -> bool:
        """False when the interface is down or its cable is out."""
        body = struct.pack("=BBHiII", 0, 0, 0, self.index, 0, 0)
        answers = self.netlink.ask(RTM_GETLINK, NLM_F_ACK, body)
        flags = struct.unpack_from("=BBHiII", answers[0])[4] if answers else 0
        return flags & (IFF_UP | IFF_LOWER_UP) == IFF_UP | IFF_LOWER_UP
