"""One simulated Asterisk as a process of its own, so that SIGKILL and SIGSTOP are real faults.

Started by the controller, which speaks to it over an inherited socket: settings first, then the
virtual IP's socket (SCM_RIGHTS), the cable, the provider's moods, and questions.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import signal
import socket
import sys
from pathlib import Path

from orchestrator.simulator import members, sip, store_actions
from orchestrator.simulator.actions import Actions
from orchestrator.simulator.ami import Server, Session, User
from orchestrator.simulator.ari import Ari
from orchestrator.simulator.contacts import from_fields, to_fields
from orchestrator.simulator.dialplan import Dialplan
from orchestrator.simulator.leg import AGENT, ALLOW
from orchestrator.simulator.pbx import Pbx
from orchestrator.simulator.registrar import Registrar
from orchestrator.simulator.settings import (
    AMI_PORT,
    ARI_PORT,
    SIP_PORT,
    USERNAME,
    NodeSettings,
    furnish,
)
from orchestrator.simulator.stack import Incoming, Stack

BOOT_S = 0.4  # AMI accepts logins this long before FullyBooted (measured)
LONGEST_ORDER = 65536
PR_SET_PDEATHSIG = 1


class Node:
    """The parts of one Asterisk, put together."""

    def __init__(self, settings: NodeSettings) -> None:
        self.settings = settings
        self.pbx = Pbx(settings.name, settings.address)
        furnish(self.pbx, settings)
        self.stack = Stack((settings.address, SIP_PORT), self.deliver)
        self.registrar = Registrar(self.pbx, self.stack)
        self.dialplan = Dialplan(self.pbx, self.stack, settings.peer)
        actions = Actions(self.pbx, self.registrar, self.dialplan)
        users = {USERNAME: User(USERNAME, settings.ami_secret)}
        self.server = Server(self.pbx, users, actions)
        self.pbx.emit = self.server.emit
        self.ari = Ari(self.pbx, self.registrar, USERNAME, settings.ari_secret)
        self._listening = socket.socket()
        self._background: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._load()
        members.boot(self.pbx)
        self.pbx.save = self._save
        self.stack.start()
        if self.settings.kind == "node":
            self._listen()
            await self.ari.start(self.settings.address, ARI_PORT)
        for contact in list(self.pbx.contacts.values()):
            if contact.aor in self.pbx.endpoints:
                self.registrar.watch(contact)
        loop = asyncio.get_running_loop()
        for registration in self.pbx.registrations.values():
            self.registrar.start_trunk(registration, first_unregister=False)
        self._background.append(loop.create_task(self.registrar.sweep()))
        loop.call_later(BOOT_S, self._booted)

    def _booted(self) -> None:
        self.pbx.booted = True
        for session in self.server.sessions:
            session.fully_booted()

    def _listen(self) -> None:
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listening.setblocking(False)
        self._listening.bind((self.settings.address, AMI_PORT))
        self._listening.listen(100)
        asyncio.get_running_loop().add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listening.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            loop = asyncio.get_running_loop()
            made = loop.connect_accepted_socket(lambda: Session(self.server), connection)
            self._background.append(loop.create_task(_finished(made)))
            self._background = [task for task in self._background if not task.done()]

    # --- SIP ---

    def deliver(self, incoming: Incoming) -> None:
        message = incoming.message
        leg = self.dialplan.leg_of(message.call_id)
        if leg is not None:
            leg.received(incoming)
        elif message.method == "OPTIONS":
            incoming.reply(200, [("Allow", ALLOW), ("Server", AGENT)])
        elif message.method == "REGISTER":
            self.registrar.register(incoming)
        elif message.method == "INVITE":
            self._invited(incoming)
        elif message.method != "ACK":
            incoming.reply(481, [("Server", AGENT)])

    def _invited(self, incoming: Incoming) -> None:
        if sip.parameter(incoming.message.get("To"), "tag"):
            incoming.reply(481, [("Server", AGENT)])  # of a call that is over
            return
        name = self.registrar.identify(incoming)
        if name == "caller" and self.settings.kind == "node":
            name = "caller" if incoming.source[0] == self.settings.client else "health"
        endpoint = self.pbx.endpoints[name]
        if endpoint.maintenance:
            incoming.reply(503, [("Retry-After", "300"), ("Server", AGENT)])
        elif self.registrar.trusted(incoming, endpoint):
            self.dialplan.start(incoming, name)

    # --- what the controller orders ---

    def plug(self, on: bool) -> None:
        self.stack.plugged = on
        self.server.plug(on)
        (self.ari.plugged.set if on else self.ari.plugged.clear)()
        if self.settings.kind == "node":
            loop = asyncio.get_running_loop()
            if on:
                loop.add_reader(self._listening, self._accept)
            else:
                loop.remove_reader(self._listening)

    def serve_ari(self, on: bool) -> None:
        """Asterisk's HTTP server, enabled or not."""
        work = asyncio.get_running_loop().create_task(self.ari.serve(on))
        self._background.append(work)

    def facts(self) -> dict[str, object]:
        trunk = self.pbx.registrations.get("trunk-reg")
        contacts = self.pbx.contacts_of("labtrunk")
        return {
            "booted": self.pbx.booted,
            "trunk": trunk.status if trunk else "",
            "calls": len({channel.linkedid for channel in self.pbx.channels.values()}),
            "customer": sip.target_of(contacts[0].uri)[0] if contacts else None,
        }

    def trunk(self, on: bool) -> None:
        """``pjsip send register|unregister trunk-reg``."""
        registration = self.pbx.registrations["trunk-reg"]
        if on:
            self.registrar.start_trunk(registration, first_unregister=True)
        else:
            self.registrar.stop_trunk(registration)

    async def shut_down(self) -> None:
        """SIGTERM is ``core stop now``: say goodbye, hang up, end."""
        headers = [("Shutdown", "Cleanly"), ("Restart", "False")]
        self.server.emit("Shutdown", "system", headers)
        legs = list(self.pbx.legs.values())
        if legs:
            await asyncio.wait([asyncio.ensure_future(leg.hang_up()) for leg in legs], timeout=0.5)
        await self._close()

    async def _close(self) -> None:
        for session in list(self.server.sessions):
            session.close()
        asyncio.get_running_loop().remove_reader(self._listening)
        self._listening.close()
        await self.ari.stop()
        self.dialplan.close()
        self.registrar.close()
        for task in self._background:
            task.cancel()
        self.stack.close()

    # --- astdb: what survives a restart, a crash too ---

    @property
    def _astdb(self) -> Path:
        return Path(self.settings.directory) / "astdb.json"

    def _save(self) -> None:
        kept = [c for c in self.pbx.contacts.values() if c.expires_at]
        contacts = {contact.object_id: to_fields(contact) for contact in kept}
        keys = [[*key, value] for key, value in self.pbx.database.items()]
        made = self._astdb.with_suffix(".new")
        made.write_text(json.dumps({"contacts": contacts, "keys": keys}), encoding="utf-8")
        made.replace(self._astdb)

    def _load(self) -> None:
        if not self._astdb.exists():
            return
        kept = json.loads(self._astdb.read_text(encoding="utf-8"))
        for object_id, fields in kept["contacts"].items():
            if contact := from_fields(object_id, fields):
                self.pbx.contacts[object_id] = contact
        for family, key, value in kept["keys"]:
            self.pbx.database[family, key] = value
        store_actions.boot(self.pbx)


async def _finished(made: object) -> None:
    assert asyncio.iscoroutine(made)
    with contextlib.suppress(OSError):
        await made


class Orders:
    """The controller's end of the inherited socket. When it closes, the node ends too."""

    def __init__(self, control: socket.socket, node: Node) -> None:
        self.control = control
        self.node = node
        control.setblocking(False)
        asyncio.get_running_loop().add_reader(control, self._readable)

    def _readable(self) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(self.control, LONGEST_ORDER, 1)
        except BlockingIOError:
            return
        if not data:
            asyncio.get_running_loop().stop()
            return
        order = json.loads(data)
        sock = socket.socket(fileno=fds[0]) if fds else None
        self._obey(order, sock)

    def _obey(self, order: dict[str, object], sock: socket.socket | None) -> None:
        on = bool(order.get("on"))
        match order["do"]:
            case "virtual":
                if sock is not None:
                    self.node.stack.take_virtual(sock)
                else:
                    self.node.stack.leave_virtual()
            case "plug":
                self.node.plug(on)
            case "reject":
                self.node.pbx.reject = on
                if on:
                    self.node.registrar.forget("labtrunk")
            case "trunk":
                self.node.trunk(on)
            case "ari":
                self.node.serve_ari(on)
            case "clock":
                self.node.pbx.clock_ahead_s = float(str(order["ahead_s"]))
            case "facts":
                answer = {"id": order["id"], **self.node.facts()}
                with contextlib.suppress(OSError):
                    self.control.send(json.dumps(answer).encode())


def main() -> None:
    """``python -m orchestrator.simulator.node FD``: the number of the inherited socket."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # also when stopped
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the controller
    control = socket.socket(fileno=int(sys.argv[1]))
    settings = NodeSettings(**json.loads(control.recv(LONGEST_ORDER)))
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    node = Node(settings)
    loop.run_until_complete(node.start())
    orders: list[Orders] = []
    loop.call_soon(lambda: orders.append(Orders(control, node)))
    ends: list[asyncio.Task[None]] = []
    loop.add_signal_handler(signal.SIGTERM, lambda: ends.append(loop.create_task(node.shut_down())))
    loop.run_forever()


if __name__ == "__main__":
    main()
