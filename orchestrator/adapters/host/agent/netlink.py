"""Requests to the kernel's routing tables (rtnetlink(7))."""

import os
import socket
import struct

RTM_NEWLINK, RTM_GETLINK = 16, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_GETROUTE = 24, 26
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x100, 0x200, 0x400
NLMSG_ERROR, NLMSG_DONE = 2, 3
IFA_ADDRESS, IFA_LOCAL, IFA_F_NODAD = 1, 2, 0x02
RTA_OIF, RTA_PREFSRC, RTA_CACHEINFO, RTA_TABLE = 4, 7, 12, 15
RT_TABLE_MAIN, RTPROT_KERNEL, RTN_UNICAST = 254, 2, 1
RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR = 0x1, 0x10, 0x100
IFF_UP, IFF_LOWER_UP = 0x1, 0x10000
IFLA_ADDRESS = 1


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def attributes(data: bytes) -> "list[tuple[int, bytes]]":
    found, at = [], 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            break
        found.append((kind & 0x3FFF, data[at + 4 : at + length]))
        at += (length + 3) & ~3
    return found


class Netlink:
    """Requests to the kernel's routing tables, answered within microseconds (rtnetlink(7))."""

    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self.sock.bind((0, 0))
        self.sock.settimeout(1.0)
        self.seq = 0

    def ask(self, kind: int, flags: int, body: bytes) -> "list[bytes]":
        """Bodies of the answers; raises OSError with the kernel's errno."""
        self.seq += 1
        head = struct.pack("=IHHII", 16 + len(body), kind, flags | NLM_F_REQUEST, self.seq, 0)
        self.sock.send(head + body)
        answers: list[bytes] = []
        while True:
            data = self.sock.recv(1 << 17)
            at = 0
            while at + 16 <= len(data):
                length, kind, _, seq, _ = struct.unpack_from("=IHHII", data, at)
                body = data[at + 16 : at + length]
                at += (length + 3) & ~3
                if seq != self.seq:
                    continue  # the rest of an answer that was given up
                if kind == NLMSG_DONE:
                    return answers
                if kind == NLMSG_ERROR:
                    code = -struct.unpack_from("=i", body)[0]
                    if code:
                        raise OSError(code, os.strerror(code))
                    return answers
                answers.append(body)
