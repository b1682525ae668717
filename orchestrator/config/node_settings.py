"""How to reach one node: its Asterisk and its host."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, model_validator

from orchestrator.config.fields import Address, Argv, LocalPath, Part, Port, Secret, Text


class Tls(Part):
    """TLS to Asterisk; without a file the system's certificate authorities are asked."""

    ca_file: LocalPath | None = None


def _tls(value: object) -> object:
    """``true`` and ``false`` for the usual cases."""
    return {True: {}, False: None}.get(value, value) if isinstance(value, bool) else value


TlsOrBool = Annotated[Tls | None, BeforeValidator(_tls)]


class Ami(Part):
    """The manager interface (manager.conf)."""

    port: Port = 5038
    username: Text
    secret: Secret
    tls: TlsOrBool = None


class Ari(Part):
    """The REST interface (ari.conf, http.conf)."""

    port: Port = 8088
    username: Text
    secret: Secret
    tls: TlsOrBool = None


class Sip(Part):
    port: Port = 5060


class Ssh(Part):
    """How to reach a node's host; only a host key in ``known_hosts`` is trusted."""

    port: Port = 22
    username: Text = "root"
    key_file: LocalPath
    known_hosts: LocalPath


class Host(Part):
    """A node's host: where the virtual IP is moved and the Asterisk process is watched."""

    local: bool = False
    ssh: Ssh | None = None
    agent: Argv | None = None
    interface: Text = ""
    pidfile: Text = "/run/asterisk/asterisk.pid"
    witnesses: tuple[Address, ...] = ()

    @model_validator(mode="after")
    def _one_way(self) -> Host:
        if sum((self.local, self.ssh is not None, self.agent is not None)) != 1:
            raise ValueError("write exactly one of local: true, ssh: {...} and agent: [...]")
        if self.agent is None and not self.interface:
            raise ValueError("missing key 'interface': the one that carries the virtual IP")
        return self


class NodeSettings(Part):
    address: Address
    preferred: bool = False
    ami: Ami
    ari: Ari | None = None
    sip: Sip = Sip()
    host: Host | None = None
