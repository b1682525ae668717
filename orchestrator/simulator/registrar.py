"""REGISTER, OPTIONS and qualify: phones and customers that register here, trunks registered there.

Endpoints are told by their address first, then by the user of From, as the lab's
``endpoint_identifier_order`` says; what matches neither is the unauthenticated caller.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time

from orchestrator.simulator import sip
from orchestrator.simulator.leg import AGENT, ALLOW
from orchestrator.simulator.model import Contact, Endpoint, Registration
from orchestrator.simulator.pbx import Pbx
from orchestrator.simulator.sip import Message
from orchestrator.simulator.stack import Incoming, Stack

REGISTER_AFTER_S = 1.0  # at boot and by PJSIPRegister, max_random_initial_delay=0: measured
SWEEP_S = 5.0
REALM = "asterisk"


class Registrar:
    def __init__(self, pbx: Pbx, stack: Stack) -> None:
        self.pbx = pbx
        self.stack = stack
        self.nonces: set[str] = set()
        self._qualifies: dict[str, asyncio.Task[None]] = {}
        self._trunks: dict[str, asyncio.Task[None]] = {}
        self._cseq = 1

    # --- who is it ---

    def identify(self, incoming: Incoming) -> str:
        """The endpoint a request comes from; the unauthenticated one when nothing matches."""
        for endpoint in self.pbx.endpoints.values():
            if endpoint.contact and sip.target_of(endpoint.contact) == incoming.source:
                return endpoint.name
        user = sip.user_of(sip.uri_of(incoming.message.get("From")))
        known = self.pbx.endpoints.get(user)
        return user if known and known.password else "caller"

    def trusted(self, incoming: Incoming, endpoint: Endpoint) -> bool:
        """True when no password is needed or the right one was given; otherwise a challenge
        (or nothing more) has been sent."""
        if not endpoint.password:
            return True
        proof = incoming.message.get("Authorization")
        nonce = re.search(r'nonce="([^"]+)"', proof)
        fresh = nonce is not None and nonce.group(1) in self.nonces
        if fresh and sip.proven(proof, endpoint.password, incoming.message.method):
            self._security("SuccessfulAuth", incoming, endpoint.name, ("UsingPassword", "1"))
            return True
        made = f"{int(time.time())}/{secrets.token_hex(16)}"
        self.nonces.add(made)
        challenge = f'Digest realm="{REALM}",nonce="{made}",algorithm=MD5'
        self._security("ChallengeSent", incoming, endpoint.name, ("Challenge", ""))
        incoming.reply(401, [("WWW-Authenticate", challenge), ("Server", AGENT)])
        return False

    def _security(
        self, event: str, incoming: Incoming, account: str, last: tuple[str, str]
    ) -> None:
        now = self.pbx.now()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03}"
        host, port = self.stack.address
        headers = [
            ("EventTV", f"{stamp}+0000"),
            ("Severity", "Informational"),
            ("Service", "PJSIP"),
            ("EventVersion", "1"),
            ("AccountID", account),
            ("SessionID", incoming.message.call_id),
            ("LocalAddress", f"IPV4/UDP/{host}/{port}"),
            ("RemoteAddress", f"IPV4/UDP/{incoming.source[0]}/{incoming.source[1]}"),
            last,
        ]
        self.pbx.emit(event, "security", headers)

    # --- others register here ---

    def register(self, incoming: Incoming) -> None:
        user = sip.user_of(sip.uri_of(incoming.message.get("To")))
        endpoint = self.pbx.endpoints.get(user)
        if self.pbx.reject or endpoint is None or not endpoint.password:
            incoming.reply(403 if self.pbx.reject else 404, [("Server", AGENT)])
            return
        if not self.trusted(incoming, endpoint):
            return
        wanted = incoming.message.get("Contact")
        expires = sip.parameter(wanted, "expires") or incoming.message.get("Expires") or "120"
        seconds = int(expires) if expires.isdigit() else 120
        if wanted.strip() == "*" or seconds == 0:
            for contact in self.pbx.contacts_of(user):
                if contact.uri in wanted or wanted.strip() == "*":
                    self.remove(contact)
        elif wanted:
            self._store(incoming, endpoint, sip.uri_of(wanted), seconds)
        now = self.pbx.now()
        listed = [
            ("Contact", f"<{c.uri}>;expires={max(0, int(c.expires_at - now))}")
            for c in self.pbx.contacts_of(user)
        ]
        incoming.reply(200, [*listed, ("Expires", str(seconds)), ("Server", AGENT)])

    def _store(self, incoming: Incoming, endpoint: Endpoint, uri: str, seconds: int) -> None:
        expires_at = self.pbx.now() + max(seconds, endpoint.min_expiry_s)
        contact = Contact(
            endpoint.name,
            uri,
            expires_at,
            incoming.source,
            incoming.message.call_id,
            incoming.message.get("User-Agent"),
            endpoint=endpoint.name,
            reg_server=self.pbx.name,
            qualify_s=endpoint.qualify_s,
            qualify_timeout_s=endpoint.qualify_timeout_s,
        )
        for other in self.pbx.contacts_of(endpoint.name):  # max_contacts=1, remove_existing
            if other.object_id != contact.object_id:
                self.remove(other)
        self.put(contact)

    def put(self, contact: Contact) -> None:
        """Keep a contact. A new one is qualified here, whoever wrote it; a known one says nothing
        (measured for a refresh and for ARI's PUT)."""
        known = self.pbx.contacts.get(contact.object_id)
        if known is not None and known.uri == contact.uri:
            contact.status, contact.rtt_us = known.status, known.rtt_us
        self.pbx.keep(contact)
        if known is None and contact.aor in self.pbx.endpoints:
            self.pbx.contact_changed(contact, "NonQualified")
            self.watch(contact)

    def forget(self, aor: str) -> None:
        for contact in self.pbx.contacts_of(aor):
            self.remove(contact)

    def remove(self, contact: Contact) -> None:
        if task := self._qualifies.pop(contact.object_id, None):
            task.cancel()
        self.pbx.contact_changed(contact, "Removed")

    async def sweep(self) -> None:
        """Expired contacts are removed, as res_pjsip_registrar does (there every 30 s)."""
        while True:
            await asyncio.sleep(SWEEP_S)
            for contact in list(self.pbx.contacts.values()):
                if contact.expires_at and contact.expires_at < self.pbx.now():
                    self.remove(contact)

    # --- qualify ---

    def watch(self, contact: Contact) -> None:
        work = self._qualify(contact.object_id)
        self._qualifies[contact.object_id] = asyncio.get_running_loop().create_task(work)

    def look_at(self, aor: str) -> None:
        """Qualify its contacts now, and by their period again from now on (PJSIPQualify)."""
        for contact in self.pbx.contacts_of(aor):
            if task := self._qualifies.pop(contact.object_id, None):
                task.cancel()
            self.watch(contact)

    async def _qualify(self, object_id: str) -> None:
        """By the endpoint's own settings; those in the contact are what it was when it came."""
        while contact := self.pbx.contacts.get(object_id):
            endpoint = self.pbx.endpoints[contact.aor]
            if not endpoint.qualify_s:
                return
            began = time.monotonic()
            answer = await self.stack.request(
                self._options(contact.uri), sip.target_of(contact.uri), endpoint.qualify_timeout_s
            )
            contact = self.pbx.contacts.get(object_id, contact)  # a refresh may have come between
            contact.rtt_us = int((time.monotonic() - began) * 1e6)
            self.pbx.contact_changed(contact, "Reachable" if answer else "Unreachable")
            await asyncio.sleep(max(0.0, endpoint.qualify_s - (time.monotonic() - began)))

    def _options(self, uri: str) -> Message:
        return self._out("OPTIONS", uri, f"<{uri}>", secrets.token_hex(12), "qualify")

    def _out(self, method: str, uri: str, to: str, call_id: str, user: str) -> Message:
        host, port = self.stack.address
        self._cseq += 1
        sender = f"<sip:{user}@{host}>;tag={secrets.token_hex(5)}"
        headers = [("Max-Forwards", "70"), ("From", sender), ("To", to), ("Call-ID", call_id)]
        headers += [("CSeq", f"{self._cseq} {method}"), ("Contact", f"<sip:{user}@{host}:{port}>")]
        headers += [("User-Agent", AGENT), ("Allow", ALLOW)]
        return Message(f"{method} {uri} SIP/2.0", headers)

    # --- we register at a provider ---

    def start_trunk(self, registration: Registration, first_unregister: bool) -> None:
        """Register and keep it up; PJSIPRegister unregisters first (measured)."""
        work = self._keep_registered(registration, first_unregister)
        self._replace(registration.name, work)

    def stop_trunk(self, registration: Registration) -> None:
        self._replace(registration.name, self._unregister(registration))

    def close(self) -> None:
        for task in (*self._qualifies.values(), *self._trunks.values()):
            task.cancel()

    def _replace(self, name: str, work: object) -> None:
        if task := self._trunks.pop(name, None):
            task.cancel()
        assert asyncio.iscoroutine(work)
        self._trunks[name] = asyncio.get_running_loop().create_task(work)

    async def _keep_registered(self, item: Registration, first_unregister: bool) -> None:
        if first_unregister:
            await self._unregister(item)
        await asyncio.sleep(REGISTER_AFTER_S)
        while True:
            answer = await self._register(item, item.expiration_s)
            status = "Registered" if answer == 200 else "Rejected"
            if not (status == item.status == "Registered"):  # a refresh is silent
                self.pbx.registration_changed(item, status)
            await asyncio.sleep(
                item.expiration_s * 0.75 if status == "Registered" else item.retry_s
            )

    async def _unregister(self, item: Registration) -> None:
        await self._register(item, 0)
        self.pbx.registration_changed(item, "Unregistered")

    async def _register(self, item: Registration, seconds: int) -> int:
        """One REGISTER, with one answered challenge; the final status, 0 when silent."""
        call_id, proof = secrets.token_hex(12), ""
        status = 0
        for _ in range(2):
            message = self._out(
                "REGISTER", item.server_uri, f"<{item.client_uri}>", call_id, item.username
            )
            message.headers.append(("Expires", str(seconds)))
            if proof:
                message.headers.append(("Authorization", proof))
            answer = await self.stack.request(message, sip.target_of(item.server_uri))
            status = answer.status if answer else 0
            if answer is None or status != 401:
                break
            challenge = answer.get("WWW-Authenticate")
            proof = sip.authorization(
                challenge, item.username, item.password, "REGISTER", item.server_uri
            )
        return status
