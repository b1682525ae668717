"""Telling the neighbours that an address is here now."""

import socket
import struct


class Announcer:
    """Gratuitous ARP for an IPv4 address, unsolicited neighbour advertisements for IPv6."""

    def __init__(self, interface: str, index: int, packed: bytes) -> None:
        self.index = index
        self.packed = packed
        self.v6 = len(packed) == 16
        # Kept open: closing a packet socket takes the kernel many milliseconds.
        self.frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.frames.bind((interface, 0))

    def close(self) -> None:
        self.frames.close()

    def announce(self) -> None:
        """Gratuitous ARP, as request and as reply (RFC 5227, 5944 4.6), or an unsolicited NA."""
        mac = self.frames.getsockname()[4]
        if self.v6:
            self._advertise(mac)
            return
        for operation in (1, 2):
            frame = b"\xff" * 6 + mac + b"\x08\x06"
            frame += struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
            target = b"\0" * 6 if operation == 1 else b"\xff" * 6
            self.frames.send(frame + mac + self.packed + target + self.packed)

    def _advertise(self, mac: bytes) -> None:
        """Unsolicited neighbour advertisement with override (RFC 4861 7.2.6)."""
        sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        try:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, self.index)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            advert = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + self.packed
            sock.sendto(advert + b"\x02\x01" + mac, ("ff02::1", 0, 0, self.index))
        finally:
            sock.close()
