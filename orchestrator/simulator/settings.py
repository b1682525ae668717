"""What a node process is told when it starts, and the site that both nodes and the provider are."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.simulator.model import Contact, Endpoint, Member, Queue, Registration
from orchestrator.simulator.pbx import Pbx

SIP_PORT, AMI_PORT, ARI_PORT = 5060, 5038, 8088
USERNAME = "orchestrator"
PHONES = [str(number) for number in range(1001, 1021)]
AGENTS = PHONES[:3]
HOSTS = {"a": 11, "b": 12, "client": 20, "trunk": 30, "ctl": 40, "vip": 100}


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """One Asterisk of the site. ``kind`` is ``node`` or ``provider``."""

    kind: str
    name: str
    address: str
    peer: str
    provider: str
    client: str
    directory: str
    ami_secret: str
    ari_secret: str
    trunk_secret: str


def furnish(pbx: Pbx, settings: NodeSettings) -> None:
    """The lab's pjsip.conf and queues.conf."""
    if settings.kind == "provider":
        pbx.endpoints["labtrunk"] = Endpoint(
            "labtrunk", "from-customer", settings.trunk_secret, qualify_s=0
        )
        pbx.endpoints["caller"] = Endpoint("caller", "to-customer")
        return
    for phone in PHONES:
        name, secret = f"Phone {phone}", f"secret{phone}"
        pbx.endpoints[phone] = Endpoint(phone, "phones", secret, name, qualify_timeout_s=3.0)
    pbx.endpoints["caller"] = Endpoint("caller", "phones")
    pbx.endpoints["health"] = Endpoint("health", "serve")
    for name, context, address in (
        ("trunk", "from-trunk", settings.provider),
        ("peernode", "from-peer", settings.peer),
    ):
        uri = f"sip:{address}:{SIP_PORT}"
        pbx.endpoints[name] = Endpoint(
            name, context, contact=uri, qualify_s=2.0, qualify_timeout_s=1.0
        )
        pbx.keep(Contact(name, uri, 0, status="Unknown"))
    pbx.registrations["trunk-reg"] = Registration(
        "trunk-reg",
        f"sip:{settings.provider}:{SIP_PORT}",
        f"sip:labtrunk@{settings.provider}:{SIP_PORT}",
        "labtrunk",
        settings.trunk_secret,
    )
    members = [Member(f"PJSIP/{phone}", f"Agent {phone}") for phone in AGENTS]
    pbx.queues["support"] = Queue("support", members)
