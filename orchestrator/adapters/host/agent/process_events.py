"""Deaths of processes, as the kernel tells of them."""

# ruff: noqa: UP031, SIM105

import ctypes
import os
import socket
import struct

from .netlink import NLMSG_DONE

EVENT_EXIT, EVENT_COREDUMP = 0x80000000, 0x40000000


class KernelEvents:
    """The kernel's process connector: a dying process is seen within about 3 ms (cn_proc).

    It lives in the first network namespace only, so the socket is opened there. A socket filter
    lets through nothing but deaths of the watched process, however busy the host.
    """

    def __init__(self) -> None:
        own = os.open("/proc/self/ns/net", os.O_RDONLY)
        # Process 2 is the kernel's own (kthreadd), except in a container, which can't have this.
        first = os.open("/proc/2/ns/net", os.O_RDONLY)
        try:
            moved = os.fstat(own).st_ino != os.fstat(first).st_ino
            if moved:
                self._enter(first)
            try:
                self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 11)
            finally:
                if moved:
                    self._enter(own)
        finally:
            os.close(own)
            os.close(first)
        self.sock.setblocking(False)
        self.only(0)
        self.sock.bind((0, 1))
        self._say(1)

    @staticmethod
    def _enter(namespace: int) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(namespace, 0):
            raise OSError(ctypes.get_errno(), "setns")

    def _say(self, operation: int) -> None:
        body = struct.pack("=IIIIHHI", 1, 1, 0, 0, 4, 0, operation)
        self.sock.send(struct.pack("=IHHII", 16 + len(body), NLMSG_DONE, 0, 0, 0) + body)

    def only(self, pid: int) -> None:
        """Let through only exits and core dumps of threads of this process."""
        swap = struct.Struct("=I").pack
        exit_, dump, wanted = (
            struct.unpack("!I", swap(value))[0] for value in (EVENT_EXIT, EVENT_COREDUMP, pid)
        )
        steps = (
            (0x20, 0, 0, 36),  # what happened
            (0x15, 1, 0, exit_),
            (0x15, 0, 3, dump),
            (0x20, 0, 0, 56),  # thread group
            (0x15, 0, 1, wanted),
            (0x06, 0, 0, 0xFFFF),
            (0x06, 0, 0, 0),
        )
        code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *s) for s in steps))
        program = struct.pack("@HP", len(steps), ctypes.addressof(code))
        self.sock.setsockopt(socket.SOL_SOCKET, 26, program)  # SO_ATTACH_FILTER

    def deaths(self) -> "list[tuple[int, str]]":
        """(pid, how it dies) of each fatal exit since the last look."""
        found: list[tuple[int, str]] = []
        while True:
            try:
                data = self.sock.recv(4096)
            except OSError:
                return found
            if len(data) < 68:
                continue
            what = struct.unpack_from("=I", data, 36)[0]
            group, code = struct.unpack_from("=iI", data, 56)
            if what == EVENT_COREDUMP:
                found.append((group, "crashed, dumping core"))
            elif code & 0x7F:  # threads end all the time; only a fatal signal ends them all
                found.append((group, "killed by signal %d" % (code & 0x7F)))

    def close(self) -> None:
        try:
            self._say(2)
        except OSError:
            pass
        self.sock.close()
