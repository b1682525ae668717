"""Who on the network answers ping. IPv4 only."""

# ruff: noqa: SIM105

import ipaddress
import os
import socket
import struct

from .loop import Loop

SOL_RAW, ICMP_FILTER = 255, 1


class Ping:
    """ICMP echo to a few addresses; ``heard_at`` is on the lived clock."""

    def __init__(self, loop: Loop, addresses: "list[str]") -> None:
        self.loop = loop
        self.heard_at = {str(ipaddress.IPv4Address(a)): loop.lived for a in addresses}
        self.ident = os.getpid() & 0xFFFF
        self.count = 0
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self.sock.setsockopt(
            SOL_RAW, ICMP_FILTER, struct.pack("=I", ~1 & 0xFFFFFFFF)
        )  # echo replies
        self.sock.setblocking(False)
        loop.watch(self.sock.fileno(), self._readable)

    def close(self) -> None:
        self.loop.unwatch(self.sock.fileno())
        self.sock.close()

    def forget_silence(self) -> None:
        for address in self.heard_at:
            self.heard_at[address] = self.loop.lived

    def probe(self) -> None:
        self.count = (self.count + 1) & 0xFFFF
        total = 0x0800 + self.ident + self.count
        total = (total >> 16) + (total & 0xFFFF)
        checksum = ~(total + (total >> 16)) & 0xFFFF
        packet = struct.pack("!BBHHH", 8, 0, checksum, self.ident, self.count)
        for address in self.heard_at:
            try:
                self.sock.sendto(packet, (address, 0))
            except OSError:
                pass  # no route is silence too

    def _readable(self, mask: int) -> None:
        while True:
            try:
                data, (address, _) = self.sock.recvfrom(2048)
            except OSError:
                return
            at = (data[0] & 0x0F) * 4
            ours = len(data) >= at + 8 and struct.unpack_from("!H", data, at + 4)[0] == self.ident
            if ours and address in self.heard_at:
                self.heard_at[address] = self.loop.lived
