"""Settings → adapters: who is built from what. With ``app`` the only place that knows them all."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from orchestrator.adapters.ami.client import AmiClient
from orchestrator.adapters.ami.settings import AmiSettings
from orchestrator.adapters.ari.client import AriClient
from orchestrator.adapters.ari.contacts import AriContacts
from orchestrator.adapters.ari.settings import AriSettings
from orchestrator.adapters.host.client import HostClient
from orchestrator.adapters.host.link import HostLink
from orchestrator.adapters.host.settings import HostSettings
from orchestrator.adapters.host.transport import (
    CommandTransport,
    SshTransport,
    Transport,
    local_transport,
)
from orchestrator.adapters.notify import Audience, Notifier
from orchestrator.adapters.probe import SipProbe, verify_service
from orchestrator.config import Settings
from orchestrator.config.node_settings import Ari, Host, NodeSettings, Tls
from orchestrator.core.state import Policy
from orchestrator.runtime.ports import NodePorts, Ports, Prober, Proof, Sink, Source, Tester

RECORDINGS = "recordings.jsonl"
PROBES_PER_SILENCE = 4  # looks within the silence deadline: one lost packet is no silence


@dataclass(frozen=True, slots=True)
class Wiring:
    """The adapters: what the executor asks, and what runs in the background."""

    ports: Ports
    sources: tuple[tuple[str, Source], ...]  # with a name for the log


def wire(settings: Settings, policy: Policy, sink: Sink) -> Wiring:
    """Build every adapter; nothing connects before its ``run``."""
    nodes: dict[str, NodePorts] = {}
    sources: list[tuple[str, Source]] = []
    for name, node in settings.nodes.items():
        nodes[name] = _node(settings, policy, name, node, sink, sources)
    ports = Ports(
        nodes=nodes,
        test_service=_tester(settings),
        announcer=Notifier(
            [
                Audience(tuple(u.get_secret_value() for u in n.urls), n.severity.value)
                for n in settings.notify
            ]
        ),
        hooks=settings.all_commands,
        fence_commands=_fence_commands(settings),
        recordings=settings.state_dir / RECORDINGS,
    )
    return Wiring(ports, tuple(sources))


def _node(
    settings: Settings,
    policy: Policy,
    name: str,
    node: NodeSettings,
    sink: Sink,
    sources: list[tuple[str, Source]],
) -> NodePorts:
    ami = AmiClient(name, _ami(settings, node), sink)
    interval_s = settings.silence_s / PROBES_PER_SILENCE
    sip = SipProbe(
        name, node.address, node.sip.port, sink, interval_s=interval_s, timeout_s=interval_s
    )
    sources += [(f"AMI of {name}", ami), (f"SIP probe of {name}", sip)]
    probers: list[Prober] = [ami, sip]
    contacts = None
    if node.ari is not None:
        reach = _ari(settings, node.address, node.ari)
        ari, contacts = AriClient(name, reach, sink), AriContacts(name, reach)
        sources += [(f"ARI of {name}", ari), (f"contacts of {name}", contacts)]
        probers.append(ari)
    host = None
    if node.host is not None:
        link = HostLink(_host(settings, policy, name, node.host), _transport(node, node.host), sink)
        sources.append((f"host of {name}", link))
        host = HostClient(link)
    sip_address = f"{node.address}:{node.sip.port}"
    return NodePorts(ami, host, tuple(probers), contacts, sip_address)


def _ami(settings: Settings, node: NodeSettings) -> AmiSettings:
    return AmiSettings(
        host=node.address,
        port=node.ami.port,
        username=node.ami.username,
        secret=node.ami.secret.get_secret_value(),
        tls=_tls(node.ami.tls),
        silence_s=settings.silence_s,
    )


def _ari(settings: Settings, address: str, ari: Ari) -> AriSettings:
    return AriSettings(
        host=address,
        port=ari.port,
        username=ari.username,
        secret=ari.secret.get_secret_value(),
        tls=_tls(ari.tls),
        silence_s=settings.silence_s,
    )


def _tls(tls: Tls | None) -> ssl.SSLContext | None:
    if tls is None:
        return None
    return ssl.create_default_context(cafile=str(tls.ca_file) if tls.ca_file else None)


def _host(settings: Settings, policy: Policy, name: str, host: Host) -> HostSettings:
    peer = policy.other(name)
    return HostSettings(
        node=name,
        interface=host.interface,
        virtual_ip=settings.service.virtual_ip,
        pidfile=host.pidfile,
        lease_s=policy.lease_s,
        silence_s=settings.silence_s,
        peer_node=peer,
        peer_address=settings.nodes[peer].address,
        peer_port=settings.nodes[peer].sip.port,
        witnesses=host.witnesses,
        route_source=settings.service.route_source,
        watch_only=policy.dry_run,
    )


def _transport(node: NodeSettings, host: Host) -> Transport:
    if host.ssh is not None:
        ssh = host.ssh
        return SshTransport(node.address, ssh.username, ssh.key_file, ssh.known_hosts, ssh.port)
    return CommandTransport(host.agent) if host.agent is not None else local_transport()


def _tester(settings: Settings) -> Tester:
    service = settings.service
    to = service.test_call.to if service.test_call else None

    async def test_service(timeout_s: float) -> Proof:
        return await verify_service(service.address, service.port, to, timeout_s)

    return test_service


def _fence_commands(settings: Settings) -> dict[str, tuple[str, ...]]:
    argv = settings.fencing.command
    if argv is None:
        return {}
    return {
        name: tuple(a.replace("{node}", name).replace("{address}", node.address) for a in argv)
        for name, node in settings.nodes.items()
    }
