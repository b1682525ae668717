"""The ready configuration that comes with a simulated lab, as the real lab writes one."""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator.simulator.settings import AMI_PORT, ARI_PORT, HOSTS, SIP_PORT, USERNAME

_NODE = """\
  pbx-{place}:
    address: 127.77.{number}.{host}
{preferred}\
    ami: {{port: {ami}, username: {user}, secret: {{file: ami.secret}}}}
    ari: {{port: {ari}, username: {user}, secret: {{file: ari.secret}}}}
    sip: {{port: {sip}}}
    host:
      agent: ["{python}", -m, orchestrator.simulator.hand,
              --control, "{control}", --node, pbx-{place}]
      interface: lo
      pidfile: {directory}/{place}/asterisk.pid
      witnesses: [127.77.{number}.{client}]
"""
_PAIR = """\
pair: {name}
state_dir: {directory}/orchestrator
profile: {profile}
nodes:
{nodes}\
service:
  virtual_ip: 127.77.{number}.{vip}/24
  trunks: [{{registration: trunk-reg, endpoint: trunk}}]
  test_call: {{to: "601"}}
drain: {{mode: overlap, deadline: 2m, at_deadline: abort}}
fencing: {{dead: [address], hung: [address, kill], unreachable: [isolation]}}
automatic_moves: 1000 per 1h
rules: ["{project}/rules/*.yaml"]
"""


def configuration(name: str, number: int, directory: Path, profile: str, project: Path) -> str:
    """The YAML text; relative names are relative to the file's directory."""
    nodes = "".join(
        _NODE.format(
            place=place,
            number=number,
            host=HOSTS[place],
            client=HOSTS["client"],
            preferred="    preferred: true\n" if place == "a" else "",
            ami=AMI_PORT,
            ari=ARI_PORT,
            sip=SIP_PORT,
            user=USERNAME,
            python=sys.executable,
            control=directory / "control",
            directory=directory,
        )
        for place in ("a", "b")
    )
    return _PAIR.format(
        name=name,
        number=number,
        directory=directory,
        profile=profile,
        nodes=nodes,
        vip=HOSTS["vip"],
        project=project,
    )
