"""The host agent: the orchestrator's hands and eyes on a node's host.

One file, standard library only, Python 3.6 or later: the orchestrator pipes this source to
``python3`` on the node (over SSH or as a child process); nothing is installed there. It runs as
root and speaks JSON lines: requests ``{"id": n, "do": "...", ...}`` on stdin, one reply each
``{"id": n, "ok": true|false, "error": "words", ...}`` and unasked ``{"event": "...", ...}`` lines
on stdout. One poll() loop, no threads; nothing in it blocks for more than a millisecond or so.

Requests: configure, address_add, address_remove, address_check, process_kill, run, ping; and
``lease`` (no reply), which echoes the ``stamp`` of a heartbeat and so proves that the orchestrator
heard it. Events: alive (heartbeat), process, address, peer, gave_up_address, protocol_error.

The guard: while this host holds the virtual IP, and witnesses are configured, the address is given
up when for ``lease_s`` neither the orchestrator echoed a heartbeat nor any witness (nor the peer
node) answered: then it is this host that is cut off, and another may serve. An orchestrator that
merely died changes nothing, because the witnesses still answer. Witnesses are IPv4 only.
"""

# Old Pythons and a fast start: no pathlib, no contextlib.
# ruff: noqa: UP031, PTH115, PTH123, PTH208, SIM105, RUF005

import ctypes
import errno
import heapq
import ipaddress
import json
import math
import os
import select
import signal
import socket
import struct
import subprocess
import time
from typing import Any, Callable  # noqa: UP035 (collections.abc has no subscript before 3.9)

VERSION = 1
LONGEST_LINE = 256 * 1024
LONGEST_BACKLOG = 64 * 1024  # unread output after which heartbeats are left out
OUTPUT_TAIL = 4096
# A turn of the loop counts for at most this much silence: a stalled host must not look isolated.
LONGEST_TURN_S = 0.05
ANNOUNCE_AT_S = (0.0, 0.05, 0.15, 0.4, 1.0)
# Linux sends one ICMP port unreachable a second to each destination (icmp_ratelimit): silence
# within this time after a refusal is still that refusal.
REFUSAL_LASTS_S = 1.2
SOL_RAW, ICMP_FILTER = 255, 1


class Trouble(Exception):
    """What is said back to the orchestrator as the ``error`` of a reply."""


# --- the loop ---------------------------------------------------------------------------------


class Timer:
    def __init__(self, call: "Callable[[], None]", interval: float) -> None:
        self.call = call
        self.interval = interval
        self.cancelled = False


class Loop:
    """poll() and timers. ``lived`` is a clock of the time that the loop really lived through."""

    def __init__(self) -> None:
        self.lived = 0.0
        self.stalled = 0.0  # how long the last turn was beyond what it may count
        self._poll = select.poll()
        self._ready: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = 0
        self._last = time.monotonic()

    def watch(self, fd: int, call: "Callable[[int], None]", mask: int = select.POLLIN) -> None:
        self._ready[fd] = call
        self._poll.register(fd, mask)

    def unwatch(self, fd: int) -> None:
        if self._ready.pop(fd, None):
            self._poll.unregister(fd)

    def after(self, delay: float, call: "Callable[[], None]") -> Timer:
        return self._push(Timer(call, 0.0), delay)

    def every(self, interval: float, call: "Callable[[], None]") -> Timer:
        return self._push(Timer(call, interval), 0.0)

    def _push(self, timer: Timer, delay: float) -> Timer:
        self._count += 1
        heapq.heappush(self._timers, (time.monotonic() + delay, self._count, timer))
        return timer

    def turn(self) -> None:
        wait = LONGEST_TURN_S / 2
        if self._timers:
            wait = min(wait, max(0.0, self._timers[0][0] - time.monotonic()))
        ready = self._poll.poll(math.ceil(wait * 1000))
        now = time.monotonic()
        spent = now - self._last
        self._last = now
        self.lived += min(spent, LONGEST_TURN_S)
        self.stalled = max(0.0, spent - LONGEST_TURN_S)
        for fd, mask in ready:
            call = self._ready.get(fd)
            if call:
                call(mask)
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if timer.cancelled:
                continue
            if timer.interval:
                self._push(timer, timer.interval)
            timer.call()


# --- rtnetlink --------------------------------------------------------------------------------

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


# --- the virtual IP ---------------------------------------------------------------------------


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
        self.route_source = route_source and not self.v6
        try:
            self.index = socket.if_nametoindex(interface)
        except OSError:
            raise Trouble(
                "this host has no interface %s; it has %s"
                % (interface, ", ".join(name for _, name in socket.if_nameindex()))
            ) from None
        self.netlink = Netlink()
        # Kept open: closing a packet socket takes the kernel many milliseconds.
        self.frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.frames.bind((interface, 0))

    def close(self) -> None:
        self.netlink.sock.close()
        self.frames.close()

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
        if self.route_source:
            self._point_routes(to_virtual=True)
        return added

    def remove(self) -> bool:
        """True when it was removed, False when it was not there; Trouble when it stays."""
        # Routes first: the kernel deletes those whose preferred source vanishes.
        if self.route_source:
            self._point_routes(to_virtual=False)
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

    def _point_routes(self, to_virtual: bool) -> None:
        """Make the virtual IP the preferred source of the interface's routes, or undo that.

        With a single PJSIP transport on 0.0.0.0, UDP answers leave from the preferred source.
        """
        body = struct.pack("=BBBBBBBBI", self.family, 0, 0, 0, 0, 0, 0, 0, 0)
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
        body = struct.pack("=BBBBI", self.family, 0, 0, 0, 0)
        for answer in self.netlink.ask(RTM_GETADDR, NLM_F_DUMP, body):
            index = struct.unpack_from("=BBBBI", answer)[4]
            local = dict(attributes(answer[8:])).get(IFA_LOCAL, b"")
            if index == self.index and local != self.packed:
                return local
        return b""

    def carrier(self) -> bool:
        """False when the interface is down or its cable is out."""
        body = struct.pack("=BBHiII", 0, 0, 0, self.index, 0, 0)
        answers = self.netlink.ask(RTM_GETLINK, NLM_F_ACK, body)
        flags = struct.unpack_from("=BBHiII", answers[0])[4] if answers else 0
        return flags & (IFF_UP | IFF_LOWER_UP) == IFF_UP | IFF_LOWER_UP

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


# --- the Asterisk process ---------------------------------------------------------------------

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


def read_stat(pid: int) -> "tuple[str, str, int] | None":
    """(name, state letter, start time in ticks) from /proc/PID/stat (proc(5)); None: no process."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return None
    name = text[text.index("(") + 1 : text.rindex(")")]
    fields = text[text.rindex(")") + 2 :].split()
    return name, fields[0], int(fields[19])


def tasks_alive(pid: int) -> bool:
    try:
        return len(os.listdir("/proc/%d/task" % pid)) > 1
    except OSError:
        return False


class Process:
    """Watches one process. A pid counts only together with its start time and its name."""

    def __init__(self, loop: Loop, pidfile: str, name: str, changed: "Callable[[], None]") -> None:
        self.loop = loop
        self.pidfile = pidfile
        self.name = name[:15]
        self.changed = changed
        self.pid = 0
        self.started = 0
        self.state = "gone"
        self.detail = "not looked for yet"
        self.pidfd = -1
        self.doomed = ""  # why it counts as gone although its remains are still in /proc
        self.next_search = 0.0
        self.kernel: KernelEvents | None = None
        try:
            self.kernel = KernelEvents()
            loop.watch(self.kernel.sock.fileno(), self._kernel_ready)
        except OSError:
            self.kernel = None  # a container, say: the pidfd and the polling remain

    def close(self) -> None:
        self._drop_pidfd()
        if self.kernel:
            self.loop.unwatch(self.kernel.sock.fileno())
            self.kernel.close()

    def look(self) -> None:
        """Find out the present state; tells when it changed."""
        before = (self.state, self.pid)
        if not self.alive():
            self._find()
        stat = read_stat(self.pid) if self.pid else None
        if stat and self.alive():
            if self.doomed:
                self.state, self.detail = "gone", self.doomed
            elif stat[1] in "Tt":
                self.state, self.detail = "stopped", "process %d is stopped" % self.pid
            else:
                self.state, self.detail = "running", "process %d" % self.pid
        elif self.state != "gone" or not self.doomed:
            self.state = "gone"
            self.detail = self.doomed or (
                "process %d is gone" % self.pid
                if self.pid
                else "no process in %s and none named %s" % (self.pidfile, self.name)
            )
        if (self.state, self.pid) != before:
            self.changed()

    def alive(self) -> bool:
        """Is there anything left of the watched process that could still run?"""
        stat = read_stat(self.pid) if self.pid else None
        if stat is None or stat[2] != self.started:
            return False
        return stat[1] not in "ZX" or tasks_alive(self.pid)

    def _find(self) -> None:
        pid = self._from_pidfile()
        if not pid and self.loop.lived >= self.next_search:
            self.next_search = self.loop.lived + 0.5
            pid = self._by_name()
        stat = read_stat(pid) if pid else None
        if not stat or (pid, stat[2]) == (self.pid, self.started):
            return
        self._drop_pidfd()
        self.pid, self.started, self.doomed = pid, stat[2], ""
        if self.kernel:
            self.kernel.only(pid)
        opener = getattr(os, "pidfd_open", None)
        if opener:
            try:
                self.pidfd = opener(pid)
                self.loop.watch(self.pidfd, lambda mask: self._pidfd_ready())
            except OSError:
                self.pidfd = -1

    def _from_pidfile(self) -> int:
        try:
            with open(self.pidfile) as file:
                pid = int(file.read(32))
        except (OSError, ValueError):
            return 0
        stat = read_stat(pid)
        return pid if stat and stat[0] == self.name and stat[1] not in "ZX" else 0

    def _by_name(self) -> int:
        """Without a usable pid file: a process of that name in this network namespace."""
        own = self._namespace(os.getpid())
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            stat = read_stat(int(entry))
            if not stat or stat[0] != self.name or stat[1] in "ZX":
                continue
            if self._namespace(int(entry)) in (own, "") and not self._is_console(int(entry)):
                return int(entry)
        return 0

    @staticmethod
    def _namespace(pid: int) -> str:
        try:
            return os.readlink("/proc/%d/ns/net" % pid)
        except OSError:
            return ""

    @staticmethod
    def _is_console(pid: int) -> bool:
        """``asterisk -r`` and ``-x`` are consoles of a running Asterisk, not Asterisk."""
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as file:
                words = file.read().split(b"\0")[1:]
        except OSError:
            return True
        return any(w[:1] == b"-" and set(w[1:]) & set(b"rRx") for w in words if w[:2] != b"--")

    def _kernel_ready(self, mask: int) -> None:
        for pid, how in self.kernel.deaths() if self.kernel else []:
            if pid == self.pid:
                self.doomed = "process %d %s" % (pid, how)
                self.look()

    def _pidfd_ready(self) -> None:
        self._drop_pidfd()
        self.look()

    def _drop_pidfd(self) -> None:
        if self.pidfd >= 0:
            self.loop.unwatch(self.pidfd)
            os.close(self.pidfd)
            self.pidfd = -1

    def kill(self) -> None:
        """SIGKILL to exactly the watched process."""
        if self.pidfd >= 0 and hasattr(signal, "pidfd_send_signal"):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        elif self.alive():
            os.kill(self.pid, signal.SIGKILL)


# --- who else is there ------------------------------------------------------------------------


class PeerProbe:
    """SIP OPTIONS to the peer node over a connected UDP socket (so that a refusal is seen).

    Any final answer counts: 401 or 404 comes from a living Asterisk as surely as 200 (RFC 3261 11).
    """

    def __init__(
        self, loop: Loop, address: str, port: int, timeout_s: float, tell: "Callable[[], None]"
    ) -> None:
        self.loop = loop
        self.target = (address, port)
        self.timeout_s = timeout_s
        self.tell = tell
        self.outcome = "unknown"
        self.heard_at = loop.lived
        self.refused_at = -math.inf
        self.sock: socket.socket | None = None
        self.branch = ""
        self.sent_at = -math.inf
        self.count = 0

    def close(self) -> None:
        if self.sock:
            self.loop.unwatch(self.sock.fileno())
            self.sock.close()
            self.sock = None

    def probe(self) -> None:
        """Send the next OPTIONS unless one is still in flight within its time."""
        if self.branch and self.loop.lived - self.sent_at < self.timeout_s:
            return
        if self.branch:
            self._unanswered()
        self.count += 1
        self.branch = "z9hG4bK-%x-%x" % (os.getpid(), self.count)
        self.sent_at = self.loop.lived
        try:
            if not self.sock:
                self._open()
            self.sock.send(self._request())  # type: ignore[union-attr]
        except ConnectionRefusedError:
            self._refused()
        except OSError:
            self.close()  # no route, no interface: silent once the time is over

    def _open(self) -> None:
        family = socket.AF_INET6 if ":" in self.target[0] else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.connect(self.target)
        self.loop.watch(self.sock.fileno(), self._readable)

    def _request(self) -> bytes:
        own, port = self.sock.getsockname()[:2]  # type: ignore[union-attr]
        host, peer = (("[%s]" % a if ":" in a else a) for a in (own, self.target[0]))
        lines = (
            "OPTIONS sip:%s:%d SIP/2.0" % (peer, self.target[1]),
            "Via: SIP/2.0/UDP %s:%d;rport;branch=%s" % (host, port, self.branch),
            "Max-Forwards: 70",
            "From: <sip:orchestrator@%s>;tag=%s" % (host, self.branch[7:]),
            "To: <sip:%s:%d>" % (peer, self.target[1]),
            "Call-ID: %s@%s" % (self.branch[7:], host),
            "CSeq: 1 OPTIONS",
            "Contact: <sip:orchestrator@%s:%d>" % (host, port),
            "Content-Length: 0",
        )
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def _readable(self, mask: int) -> None:
        try:
            data = self.sock.recv(65535)  # type: ignore[union-attr]
        except ConnectionRefusedError:
            self._refused()
            return
        except OSError:
            return
        if self.branch and data[:8] == b"SIP/2.0 " and self.branch.encode() in data:
            self.branch = ""
            self.heard_at = self.loop.lived
            self._say("answers")

    def _refused(self) -> None:
        self.branch = ""
        self.heard_at = self.refused_at = self.loop.lived
        self._say("refused")

    def _unanswered(self) -> None:
        self.branch = ""
        if self.loop.lived - self.refused_at > REFUSAL_LASTS_S:
            self._say("silent")

    def _say(self, outcome: str) -> None:
        changed = outcome != self.outcome
        self.outcome = outcome
        if changed:
            self.tell()


class Witnesses:
    """ICMP echo to a few addresses that tell whether this host is on the network at all."""

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


# --- commands ---------------------------------------------------------------------------------


class Run:
    """One running command; its output is read as it comes, its tail is kept."""

    def __init__(
        self, loop: Loop, argv: "list[str]", timeout_s: float, done: "Callable[[Run], None]"
    ) -> None:
        self.loop = loop
        self.done = done
        self.timed_out = False
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.tails = {self._fd(pipe): b"" for pipe in (self.process.stdout, self.process.stderr)}
        for fd in self.tails:
            os.set_blocking(fd, False)
            loop.watch(fd, lambda mask, fd=fd: self._read(fd))  # type: ignore[misc]
        self.deadline = loop.after(timeout_s, self._expired)
        self.poll = loop.every(0.005, self._ended)

    @staticmethod
    def _fd(pipe: Any) -> int:
        return int(pipe.fileno())

    def _read(self, fd: int) -> None:
        try:
            data = os.read(fd, 65536)
        except OSError:
            return
        if not data:
            self.loop.unwatch(fd)
        self.tails[fd] = (self.tails[fd] + data)[-OUTPUT_TAIL:]

    def _expired(self) -> None:
        self.timed_out = True
        self.kill()

    def kill(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except OSError:
            pass

    def _ended(self) -> None:
        if self.process.poll() is None:
            return
        for fd in self.tails:
            self._read(fd)  # what is left; a grandchild that keeps the pipe is not waited for
            self.loop.unwatch(fd)
        self.deadline.cancelled = self.poll.cancelled = True
        self.done(self)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()

    def result(self) -> "dict[str, Any]":
        out, err = (tail.decode("utf-8", "replace") for tail in self.tails.values())
        return {
            "exit_code": self.process.returncode,
            "stdout": out,
            "stderr": err,
            "timed_out": self.timed_out,
            "took_s": round(time.monotonic() - self.started, 4),
        }


# --- the lines to and from the orchestrator ---------------------------------------------------


class Lines:
    """JSON lines on two file descriptors, never blocking."""

    def __init__(
        self,
        loop: Loop,
        source: int,
        target: int,
        received: "Callable[[Any], None]",
        ended: "Callable[[], None]",
    ) -> None:
        self.loop = loop
        self.source = source
        self.target = target
        self.received = received
        self.ended = ended
        self.open = True
        self.input = b""
        self.skipping = False
        self.output = b""
        for fd in (source, target):
            os.set_blocking(fd, False)
        loop.watch(source, lambda mask: self._readable())

    def _readable(self) -> None:
        try:
            data = os.read(self.source, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end()
            return
        *lines, self.input = (self.input + data).split(b"\n")
        for line in lines:
            if self.skipping:
                self.skipping = False
            elif line.strip():
                self._line(line)
        if len(self.input) > LONGEST_LINE:
            self._complain("a line longer than %d bytes was thrown away" % LONGEST_LINE)
            self.input = b""
            self.skipping = True
        elif self.skipping:
            self.input = b""

    def _line(self, line: bytes) -> None:
        try:
            message = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError):
            self._complain("a line that is not JSON was ignored: %r" % line[:80])
            return
        if isinstance(message, dict):
            self.received(message)
        else:
            self._complain("a line that is not a JSON object was ignored: %r" % line[:80])

    def _complain(self, words: str) -> None:
        self.send({"event": "protocol_error", "error": words})

    def send(self, message: "dict[str, Any]") -> None:
        if not self.open:
            return
        if len(self.output) > LONGEST_BACKLOG and message.get("event") == "alive":
            return
        if len(self.output) > 16 * LONGEST_BACKLOG:
            self._end()  # nobody reads: as good as gone
            return
        self.output += json.dumps(message, separators=(",", ":")).encode() + b"\n"
        self._flush()

    def _flush(self) -> None:
        try:
            self.output = self.output[os.write(self.target, self.output) :]
        except BlockingIOError:
            pass
        except OSError:
            self._end()
            return
        if self.output:
            self.loop.watch(self.target, lambda mask: self._flush(), select.POLLOUT)
        else:
            self.loop.unwatch(self.target)

    def _end(self) -> None:
        if self.open:
            self.open = False
            self.output = b""
            self.loop.unwatch(self.source)
            self.loop.unwatch(self.target)
            self.ended()


class OnlyOne:
    """At most one agent per virtual IP and host: the newer one asks the older to leave.

    An abstract Unix socket, so that nothing is left behind; only root or the same user is obeyed.
    """

    def __init__(self, loop: Loop, name: str, leave: "Callable[[], None]") -> None:
        self.loop = loop
        self.leave = leave
        self.address = "\0asterisk-orchestrator-agent/" + name
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        deadline = time.monotonic() + 0.5
        while True:
            try:
                self.sock.bind(self.address)
                break
            except OSError:
                if time.monotonic() > deadline:
                    self.sock.close()
                    raise Trouble(
                        "another agent on this host serves %s and does not leave" % name
                    ) from None
                self._ask()
                time.sleep(0.002)
        self.sock.setblocking(False)
        loop.watch(self.sock.fileno(), self._readable)

    def _ask(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            try:
                sock.sendto(b"leave", self.address)
            except OSError:
                pass  # it is leaving, or its queue is full of such wishes

    def _readable(self, mask: int) -> None:
        try:
            _, extra, _, _ = self.sock.recvmsg(16, socket.CMSG_SPACE(12))
        except OSError:
            return
        for _, kind, data in extra:
            sender = struct.unpack("=iii", data[:12])[1] if kind == socket.SCM_CREDENTIALS else -1
            if sender in (0, os.geteuid()):
                self.leave()

    def close(self) -> None:
        self.loop.unwatch(self.sock.fileno())
        self.sock.close()


# --- the agent --------------------------------------------------------------------------------


class Agent:
    def __init__(self, source: int = 0, target: int = 1) -> None:
        self.loop = Loop()
        self.lines = Lines(self.loop, source, target, self.received, self._orchestrator_left)
        self.leaving = False
        self.left_at = math.inf
        self.timers: list[Timer] = []
        self.runs: set[Run] = set()
        self.address: Address | None = None
        self.process: Process | None = None
        self.peer: PeerProbe | None = None
        self.witnesses: Witnesses | None = None
        self.only: OnlyOne | None = None
        self.changes: socket.socket | None = None
        self.lease_s = 0.0
        self.renewed_at = 0.0
        self.holds: bool | None = None
        self.requests: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
            "configure": self.do_configure,
            "ping": lambda request: {"clock": time.time()},
            "lease": self.do_lease,
            "address_add": self.do_address_add,
            "address_remove": self.do_address_remove,
            "address_check": self.do_address_check,
            "process_kill": self.do_process_kill,
            "run": self.do_run,
        }

    def serve(self) -> None:
        while not self.leaving:
            self.loop.turn()
            self._guard()
        self._unconfigure()
        for run in self.runs:
            run.kill()

    # what the orchestrator says

    def received(self, request: "dict[str, Any]") -> None:
        call = self.requests.get(str(request.get("do")))
        try:
            if not call:
                raise Trouble(
                    "unknown request %r; known are %s"
                    % (request.get("do"), ", ".join(sorted(self.requests)))
                )
            answer = call(request)
        except PermissionError as error:
            words = "the agent needs root on this host; it runs as uid %d: %s"
            self._reply(request, {"ok": False, "error": words % (os.geteuid(), error)})
        except (Trouble, OSError) as error:
            self._reply(request, {"ok": False, "error": str(error)})
        except (KeyError, TypeError, ValueError) as error:
            words = "%s: bad or missing value: %s" % (request.get("do"), error)
            self._reply(request, {"ok": False, "error": words})
        else:
            if answer is not None:
                self._reply(request, answer)

    def _reply(self, request: "dict[str, Any]", answer: "dict[str, Any]") -> None:
        self.lines.send(dict({"id": request.get("id"), "ok": True}, **answer))

    def do_configure(self, request: "dict[str, Any]") -> "dict[str, Any]":
        address = Address(
            request["interface"], request["virtual_ip"], bool(request.get("route_source"))
        )
        peer, names = request.get("peer"), [str(w) for w in request.get("witnesses", [])]
        lease_s = float(request["lease_s"])
        heartbeat_s, poll_s = float(request["heartbeat_s"]), float(request["process_poll_s"])
        interval_s, timeout_s = (
            float(request["peer_interval_s"]),
            float(request["peer_timeout_s"]),
        )
        if min(lease_s, heartbeat_s, poll_s, interval_s, timeout_s) < 0.005:
            raise Trouble("every interval must be at least 0.005 s")
        pidfile, name = str(request["pidfile"]), str(request.get("process_name", "asterisk"))
        self._unconfigure()
        self.only = OnlyOne(self.loop, address.text, self._leave)
        self.address, self.lease_s, self.renewed_at = address, lease_s, self.loop.lived
        self.process = Process(self.loop, pidfile, name, self._process_changed)
        if peer:
            self.peer = PeerProbe(
                self.loop, str(peer["address"]), int(peer["port"]), timeout_s, self._peer_changed
            )
            self._every(interval_s, self.peer.probe)
        if names:
            self.witnesses = Witnesses(self.loop, names)
            self._every(max(0.01, lease_s / 4), self._probe_witnesses)
        self._follow_addresses()
        self.holds = address.held()
        self.process.look()
        self._every(poll_s, self.process.look)
        self._every(heartbeat_s, self._heartbeat)
        return dict(
            self._picture(),
            version=VERSION,
            guards=bool(self.witnesses),
            kernel_events=bool(self.process.kernel),
            clock=time.time(),
        )

    def _every(self, interval_s: float, call: "Callable[[], None]") -> None:
        self.timers.append(self.loop.every(interval_s, call))

    def _unconfigure(self) -> None:
        for timer in self.timers:
            timer.cancelled = True
        self.timers = []
        if self.changes:
            self.loop.unwatch(self.changes.fileno())
        parts = (
            self.address,
            self.process,
            self.peer,
            self.witnesses,
            self.only,
            self.changes,
        )
        for part in parts:
            if part:
                part.close()
        self.address = self.process = self.peer = self.witnesses = None
        self.only = self.changes = self.holds = None

    def do_lease(self, request: "dict[str, Any]") -> None:
        # The stamp is ours, from a heartbeat: a line that was long under way renews nothing.
        stamp = float(request["stamp"])
        self.renewed_at = max(self.renewed_at, min(stamp, self.loop.lived))

    def do_address_add(self, request: "dict[str, Any]") -> "dict[str, Any]":
        address = self._configured()
        # A new holder starts with a whole lease, whatever was silent before.
        self.renewed_at = self.loop.lived
        added = address.add()
        address.announce()
        for delay in ANNOUNCE_AT_S[1:]:
            self.loop.after(delay, self._announce_again)
        self._holds_now(True)
        return {"added": added, "address": True}

    def _announce_again(self) -> None:
        try:
            if self.address and self.address.held():
                self.address.announce()
        except OSError:
            pass  # the interface went down meanwhile

    def do_address_remove(self, request: "dict[str, Any]") -> "dict[str, Any]":
        removed = self._configured().remove()
        self._holds_now(False)
        return {"removed": removed, "address": False}

    def do_address_check(self, request: "dict[str, Any]") -> "dict[str, Any]":
        held = self._configured().held()
        self._holds_now(held)
        return {"address": held}

    def _configured(self) -> Address:
        if not self.address:
            raise Trouble("not configured yet; send configure first")
        return self.address

    def do_process_kill(self, request: "dict[str, Any]") -> "dict[str, Any] | None":
        self._configured()
        process, timeout_s = self.process, float(request.get("timeout_s", 2.0))
        assert process
        process.look()
        pid, start = process.pid, self.loop.lived
        if not process.alive():
            return {"killed": False, "detail": process.detail}
        process.kill()

        def check() -> None:
            process.look()
            if process.pid != pid or not process.alive():
                timer.cancelled = True
                self._reply(request, {"killed": True, "detail": "process %d is gone" % pid})
            elif self.loop.lived - start > timeout_s:
                timer.cancelled = True
                words = "process %d got SIGKILL but is still there after %g s" % (pid, timeout_s)
                self._reply(request, {"ok": False, "error": words})

        timer = self.loop.every(0.001, check)
        return None

    def do_run(self, request: "dict[str, Any]") -> None:
        argv = request["argv"]
        words = isinstance(argv, list) and argv and all(isinstance(word, str) for word in argv)
        if not words:
            raise Trouble("argv must be a list of strings: a program and its arguments")
        if len(self.runs) >= 8:
            raise Trouble("8 commands are running already; not started")

        def done(run: Run) -> None:
            self.runs.discard(run)
            self._reply(request, run.result())

        self.runs.add(Run(self.loop, argv, float(request.get("timeout_s", 10.0)), done))

    # what is told unasked

    def _picture(self) -> "dict[str, Any]":
        process = self.process
        assert process
        return {
            "process": process.state,
            "pid": process.pid,
            "detail": process.detail,
            "address": self.holds,
            "guarded": self._armed(),
            "peer": self.peer.outcome if self.peer else "unknown",
        }

    def _heartbeat(self) -> None:
        self._look_at_address()
        alive = {"event": "alive", "clock": time.time(), "stamp": round(self.loop.lived, 6)}
        self.lines.send(dict(alive, **self._picture()))

    def _process_changed(self) -> None:
        process = self.process
        if process and self.timers:
            words = {"state": process.state, "pid": process.pid, "detail": process.detail}
            self.lines.send(dict({"event": "process"}, **words))

    def _peer_changed(self) -> None:
        if self.peer:
            self.lines.send({"event": "peer", "outcome": self.peer.outcome})

    def _follow_addresses(self) -> None:
        """Hear at once of addresses and links that somebody else changes."""
        self.changes = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self.changes.bind((0, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR))
        self.changes.setblocking(False)
        self.loop.watch(self.changes.fileno(), self._addresses_changed)

    def _addresses_changed(self, mask: int) -> None:
        try:
            while self.changes and self.changes.recv(65536):
                pass
        except OSError:
            pass  # read empty, or overrun: either way look for ourselves
        self._look_at_address()

    def _look_at_address(self) -> None:
        try:
            self._holds_now(self.address.held() if self.address else None)
        except OSError:
            self._holds_now(None)

    def _holds_now(self, holds: "bool | None") -> None:
        if holds == self.holds:
            return
        self.holds = holds
        if holds:
            self.renewed_at = self.loop.lived
            if self.witnesses:
                self.witnesses.forget_silence()
        self.lines.send({"event": "address", "address": holds, "guarded": self._armed()})

    # the guard

    def _armed(self) -> bool:
        return bool(self.holds and self.witnesses)

    def _probe_witnesses(self) -> None:
        if self.witnesses and self._armed():
            self.witnesses.probe()

    def _last_heard(self) -> float:
        """When a witness or the peer last answered, on the lived clock."""
        heard = list(self.witnesses.heard_at.values()) if self.witnesses else []
        if self.peer and self.peer.outcome in ("answers", "refused"):
            heard.append(self.peer.heard_at)
        return max(heard) if heard else -math.inf

    def _guard(self) -> None:
        if not self._armed():
            self.leaving = self.leaving or not self.lines.open
            return
        if self._last_heard() > self.left_at + self.lease_s / 4:
            self.leaving = True  # the orchestrator is gone but the network is not
            return
        now = self.loop.lived
        if now - self.renewed_at <= self.lease_s:
            return
        try:
            carrier = self.address.carrier() if self.address else False
        except OSError:
            carrier = False
        if carrier and now - self._last_heard() <= self.lease_s:
            return
        self._give_up(carrier)

    def _give_up(self, carrier: bool) -> None:
        why = "heard neither the orchestrator nor %s for %g s" % (
            "any witness" if carrier else "anybody (the link is down)",
            self.lease_s,
        )
        try:
            self._configured().remove()
        except (OSError, Trouble) as error:
            self.lines.send({"event": "gave_up_address", "why": why, "error": str(error)})
            self.renewed_at = self.loop.lived - self.lease_s + 0.1  # try again in a moment
            return
        self.lines.send({"event": "gave_up_address", "why": why})
        self._holds_now(False)

    def _orchestrator_left(self) -> None:
        self.left_at = self.loop.lived

    def _leave(self) -> None:
        self.leaving = True


def main() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        # Few and short turns, but on time: a busy host must not look like a silent one.
        flags = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, flags, os.sched_param(1))
    except (OSError, AttributeError):
        pass
    Agent().serve()


if __name__ == "__main__":
    main()
