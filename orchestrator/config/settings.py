"""The configuration, frozen. ``load`` in orchestrator/config/__init__.py reads it from YAML."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from orchestrator.config.fields import (
    AddressWithPrefix,
    Argv,
    Duration,
    Hours,
    LocalPath,
    ObjectName,
    Often,
    Part,
    Port,
    PositiveDuration,
    SecretOrText,
    Text,
    Zone,
)
from orchestrator.config.node_settings import NodeSettings
from orchestrator.config.paths import matching_files, shipped_rules
from orchestrator.config.policy import make_policy
from orchestrator.config.warm import Evacuation, MirrorOrNot, MirrorSettings
from orchestrator.core.language.hours import WEEKDAYS
from orchestrator.core.language.suggest import did_you_mean
from orchestrator.core.rulebook.types import Limit
from orchestrator.core.state import Policy
from orchestrator.core.words import AtDeadline, DrainMode, FenceMethod, Severity

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Trunk(Part):
    """A trunk that is registered on exactly one node, by its PJSIP objects' names."""

    registration: ObjectName
    endpoint: ObjectName
    server_uri: Text = ""
    client_uri: Text = ""


class TestCall(Part):
    """The call that proves a promotion: to this extension at the virtual IP."""

    __test__ = False  # no test, whatever pytest thinks of the name
    to: Text


class Service(Part):
    """What moves with the active role."""

    virtual_ip: AddressWithPrefix
    port: Port = 5060
    route_source: bool = False
    trunks: tuple[Trunk, ...] = ()
    test_call: TestCall | None = None

    @property
    def address(self) -> str:
        """The virtual IP without its prefix length."""
        return str(ipaddress.ip_interface(self.virtual_ip).ip)


class Drain(Part):
    """How planned moves treat calls; without ``mode`` it is found out by the test call."""

    mode: DrainMode | None = None
    deadline: PositiveDuration = 900.0
    at_deadline: AtDeadline = AtDeadline.WAIT
    stuck_after: PositiveDuration = 4 * 3600.0


def _fence_argv(argv: tuple[str, ...]) -> tuple[str, ...]:
    for argument in argv:
        for name in re.findall(r"\{([^{}]*)\}", argument):
            if name not in ("node", "address"):
                raise ValueError(
                    f"unknown placeholder {{{name}}}{did_you_mean(name, ('node', 'address'))}"
                )
    return argv


FenceArgv = Annotated[Argv, AfterValidator(_fence_argv)]


class Fencing(Part):
    """How to make certain that a lost active node serves nothing, by its verdict."""

    dead: tuple[FenceMethod, ...] = (FenceMethod.ADDRESS,)
    hung: tuple[FenceMethod, ...] = (FenceMethod.ADDRESS, FenceMethod.KILL)
    unreachable: tuple[FenceMethod, ...] = (FenceMethod.ISOLATION,)
    command: FenceArgv | None = None
    if_it_fails: Literal["stop", "proceed"] = "stop"

    @field_validator("dead", "hung", "unreachable")
    @classmethod
    def _some(cls, methods: tuple[FenceMethod, ...]) -> tuple[FenceMethod, ...]:
        if not methods or len(set(methods)) != len(methods):
            raise ValueError("name at least one method, each once")
        return methods

    @model_validator(mode="after")
    def _command_is_there(self) -> Fencing:
        used = (*self.dead, *self.hung, *self.unreachable)
        if FenceMethod.COMMAND in used and self.command is None:
            raise ValueError("missing key 'command': a list above names that method")
        return self


class Hooks(Part):
    """Argument lists run on the node's host when it is promoted or demoted; never a shell."""

    promote: Argv | None = None
    demote: Argv | None = None


class Failback(Part):
    """When the pack failback.yaml may return to the preferred node; absent: never by itself."""

    hours: Hours
    days: tuple[Weekday, ...] = WEEKDAYS
    after: Duration = 900.0

    @field_validator("days")
    @classmethod
    def _some(cls, days: tuple[str, ...]) -> tuple[str, ...]:
        if not days:
            raise ValueError("name at least one day, or leave the key out for every day")
        return days


class NotifySettings(Part):
    """One audience: apprise URLs and the least severity that reaches it."""

    urls: Annotated[tuple[SecretOrText, ...], Field(min_length=1)]
    severity: Severity = Severity.WARNING


def _rule_files(pattern: str, info: ValidationInfo) -> str:
    base: Path = (info.context or {}).get("base", Path())
    full = str(base / Path(pattern).expanduser())
    if not matching_files(full):
        raise ValueError(f"no rule file matches {full}")
    return full


RulePattern = Annotated[str, AfterValidator(_rule_files)]


class Settings(Part):
    """The whole file. Durations are seconds; relative paths start at the file's folder."""

    pair: ObjectName
    state_dir: LocalPath
    socket: LocalPath | None = None
    profile: Literal["normal", "fast"] = "normal"
    silence: PositiveDuration | None = None
    timezone: Zone = Field(default="UTC", validate_default=True)
    nodes: dict[ObjectName, NodeSettings]
    service: Service
    drain: Drain = Drain()
    mirror: MirrorOrNot = MirrorSettings()
    evacuation: Evacuation = None
    fencing: Fencing = Fencing()
    hooks: Hooks = Hooks()
    commands: dict[ObjectName, Argv] = Field(default_factory=dict)
    failback: Failback | None = None
    automatic_moves: Often = Limit(2, 3600.0)
    rules: tuple[RulePattern, ...] = Field(default_factory=lambda: (shipped_rules(),))
    notify: tuple[NotifySettings, ...] = ()

    @field_validator("nodes")
    @classmethod
    def _a_pair(cls, nodes: dict[str, NodeSettings]) -> dict[str, NodeSettings]:
        if len(nodes) != 2:
            raise ValueError(f"a pair has two nodes; here are {len(nodes)}")
        first, second = nodes.values()
        if first.address == second.address:
            raise ValueError(f"both nodes have the address {first.address}")
        if first.preferred and second.preferred:
            raise ValueError("both nodes are preferred; leave 'preferred' at one, or at none")
        return nodes

    @field_validator("commands")
    @classmethod
    def _not_reserved(cls, commands: dict[str, Argv]) -> dict[str, Argv]:
        for name in {"promote", "demote"} & commands.keys():
            raise ValueError(f"'{name}' is the name of a hook; write it under 'hooks'")
        return commands

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        for name, node in self.nodes.items():
            if node.address == self.service.address:
                raise ValueError(f"the virtual IP is the own address of {name}; it must be free")
        if self.failback and not any(node.preferred for node in self.nodes.values()):
            raise ValueError("'failback' needs a node with preferred: true to return to")
        if self.drain.at_deadline is AtDeadline.EVACUATE and self.evacuation is None:
            raise ValueError("missing key 'evacuation': drain.at_deadline carries calls over")
        if self.mirror and "contacts" in self.mirror.model_fields_set and self.mirror.contacts:
            for name, node in self.nodes.items():
                if node.ari is None:
                    raise ValueError(
                        f"missing key 'ari' at {name}: mirror.contacts reads and writes by it"
                    )
        return self

    @property
    def control_socket(self) -> Path:
        """The Unix socket of the command line: ``socket``, else ``control.sock`` in the state."""
        return self.socket or self.state_dir / "control.sock"

    @property
    def silence_s(self) -> float:
        """Unanswered for longer is silence: ``silence``, else what the profile says."""
        if self.silence is not None:
            return self.silence
        return 0.2 if self.profile == "fast" else 2.0

    @property
    def all_commands(self) -> dict[str, tuple[str, ...]]:
        """What ``RunHook`` may name: the commands for rules and the hooks, as argument lists."""
        hooks = {"promote": self.hooks.promote, "demote": self.hooks.demote}
        return {**self.commands, **{name: argv for name, argv in hooks.items() if argv}}

    def policy(self) -> Policy:
        """The site's decisions as the core takes them."""
        return make_policy(self)
