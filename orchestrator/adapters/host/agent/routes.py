"""The preferred source of routes: which address this host's own packets leave from. IPv4 only."""

# ruff: noqa: RUF005

import socket
import struct

from .netlink import (
    IFA_LOCAL,
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_REPLACE,
    RT_TABLE_MAIN,
    RTA_CACHEINFO,
    RTA_OIF,
    RTA_PREFSRC,
    RTA_TABLE,
    RTM_GETADDR,
    RTM_GETROUTE,
    RTM_NEWROUTE,
    RTN_UNICAST,
    RTPROT_KERNEL,
    Netlink,
    attribute,
    attributes,
)


class Routes:
    """The unicast routes out of one interface, in the main table."""

    def __init__(self, netlink: Netlink, index: int, packed: bytes) -> None:
        self.netlink = netlink
        self.index = index
        self.packed = packed

    def point(self, to_virtual: bool) -> None:
        """Make the virtual IP the preferred source of the interface's routes, or undo that.

        With a single PJSIP transport on 0.0.0.0, UDP answers leave from the preferred source.
        """
        body = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)
        for answer in self.netlink.ask(RTM_GETROUTE, NLM_F_DUMP, body):
            head = struct.unpack_from("=BBBBBBBBI", answer)
            has = attributes(answer[12:])
            found = dict(has)
            table = struct.unpack("=I", found.get(RTA_TABLE, b"\0\0\0\0"))[0] or head[4]
            out = struct.unpack("=I", found.get(RTA_OIF, b"\0\0\0\0"))[0]
            if (table, out, head[7]) != (RT_TABLE_MAIN, self.index, RTN_UNICAST):
                continue
            if (found.get(RTA_PREFSRC) == self.packed) == to_virtual:
                continue
            source = self.packed if to_virtual else self._own_source(head[5] == RTPROT_KERNEL)
            keep = [pair for pair in has if pair[0] not in (RTA_PREFSRC, RTA_CACHEINFO)]
            body = struct.pack("=BBBBBBBBI", *(head[:8] + (0,)))
            body += b"".join(attribute(kind, value) for kind, value in keep)
            if source:
                body += attribute(RTA_PREFSRC, source)
            self.netlink.ask(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, body)

    def _own_source(self, connected: bool) -> bytes:
        """The node's first own address, for the connected route; other routes need none."""
        if not connected:
            return b""
        body = struct.pack("=BBBBI", socket.AF_INET, 0, 0, 0, 0)
        for answer in self.netlink.ask(RTM_GETADDR, NLM_F_DUMP, body):
            index = struct.unpack_from("=BBBBI", answer)[4]
            local = dict(attributes(answer[8:])).get(IFA_LOCAL, b"")
            if index == self.index and local != self.packed:
                return local
        return b""
