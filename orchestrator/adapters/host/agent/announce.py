"""Telling the neighbours that an address is here now, and asking them who has it."""

import array
import socket
import struct

ETH_P_ARP = 0x0806
SO_ATTACH_FILTER = 26


class Announcer:
    """Gratuitous ARP for an IPv4 address, unsolicited neighbour advertisements for IPv6."""

    def __init__(self, interface: str, index: int, packed: bytes) -> None:
        self.index = index
        self.packed = packed
        self.v6 = len(packed) == 16
        # Kept open: closing a packet socket takes the kernel many milliseconds.
        self.frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        if not self.v6:
            hear_claims(self.frames, packed)
        self.frames.bind((interface, 0 if self.v6 else ETH_P_ARP))

    def close(self) -> None:
        self.frames.close()

    def announce(self) -> None:
        """Gratuitous ARP, as request and as reply (RFC 5227, 5944 4.6), or an unsolicited NA."""
        if self.v6:
            self._advertise(self.mac())
            return
        self._send(1, self.packed, b"\0" * 6)
        self._send(2, self.packed, b"\xff" * 6)

    def ask(self) -> None:
        """An ARP probe (RFC 5227 2.1.1): whoever has the address answers; no cache is changed."""
        self._send(1, b"\0" * 4, b"\0" * 6)

    def mac(self) -> bytes:
        return bytes(self.frames.getsockname()[4])

    def _send(self, operation: int, sender: bytes, target_mac: bytes) -> None:
        mac = self.mac()
        frame = b"\xff" * 6 + mac + struct.pack("!H", ETH_P_ARP)
        frame += struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
        self.frames.send(frame + mac + sender + target_mac + self.packed)

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


def hear_claims(sock: socket.socket, packed: bytes) -> None:
    """Let the kernel pass only ARP in which somebody claims this address: the rest costs nothing.

    Claims are announcements (sender IP == target IP == ours) and answers to ``ask`` (target IP 0).
    """
    load, equal, give = 0x20, 0x15, 0x06  # linux/bpf_common.h: LD|W|ABS, JMP|JEQ|K, RET|K
    ours = struct.unpack("!I", packed)[0]
    program = (
        (load, 0, 0, 28),  # sender IP
        (equal, 0, 4, ours),
        (load, 0, 0, 38),  # target IP
        (equal, 1, 0, ours),
        (equal, 0, 1, 0),
        (give, 0, 0, 64),
        (give, 0, 0, 0),
    )
    # array, not ctypes: its import would cost some milliseconds of each start.
    code = array.array("B", b"".join(struct.pack("=HBBI", *step) for step in program))
    head = struct.pack("HP", len(program), code.buffer_info()[0])  # struct sock_fprog
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, head)
