"""The command `lab`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence

from contrib.lab import calls, state
from contrib.lab.choices import MODES, PROFILES
from contrib.lab.errors import LabError
from contrib.lab.lab import Lab
from contrib.lab.network import HOSTS

NODE_FAULTS = {
    "kill": "SIGKILL to Asterisk",
    "stop": "SIGSTOP to Asterisk: it hangs",
    "continue": "SIGCONT to Asterisk",
    "start": "start Asterisk again",
    "unplug": "pull the network cable",
    "plug": "put the cable back",
    "lossy": "lose part of the packets (--percent)",
    "cut": "lose every packet to and from one place (--place)",
    "close": "drop what comes to a TCP port (--port)",
    "heal": "lose no more packets, open what was cut or closed",
}
TRUNK_FAULTS = {
    "trunk-off": "the provider can't be reached",
    "trunk-reject": "the provider answers 403 and 503",
    "trunk-ok": "the provider is well again",
}


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as tidily as Ctrl-C
    try:
        return int(arguments.do(arguments) or 0)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, do: object, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--name", default="lab", help="which lab (default: lab)")
        command.set_defaults(do=do)
        return command

    up = add("up", _up, "make a lab; pbx-a is active")
    up.add_argument("--asterisk", type=int, choices=(22, 16), default=22)
    up.add_argument("--profile", choices=PROFILES, default="fast", help="of the orchestrator")
    up.add_argument("--mode", choices=tuple(MODES), default="overlap", help="PJSIP transports")
    up.add_argument("--phones", type=int, default=0, help="so many more phones, and five queues")
    up.add_argument("--chan-sip", action="store_true", help="on 16: chan_sip on port 5070 too")
    down = add("down", _down, "take a lab down, to the last trace")
    down.add_argument("--all", action="store_true", help="every lab on this machine")
    add("mend", _mend, "undo every fault: as it was after up")
    status = add("status", _status, "what is up and who is active")
    status.add_argument("--json", action="store_true")
    fault = add("fault", _fault, "break or mend something")
    told = {**NODE_FAULTS, **TRUNK_FAULTS}
    fault.add_argument(
        "what",
        choices=tuple(told),
        help="; ".join(f"{name}: {text}" for name, text in told.items()),
    )
    fault.add_argument("node", nargs="?", help="a or b (not for trunk-…); ctl: plug, unplug")
    fault.add_argument("--percent", type=int, default=20, help="for lossy (default 20)")
    fault.add_argument("--place", choices=tuple(HOSTS), default="trunk", help="for cut")
    fault.add_argument("--port", type=int, default=5038, help="for close (default 5038, AMI)")
    vip = add("vip", _vip, "show who has the virtual IP, or move it by hand")
    vip.add_argument("to", nargs="?", choices=("a", "b", "none"))
    cli = add("cli", _cli, "Asterisk's own command line")
    cli.add_argument("node", help="a, b or trunk")
    cli.add_argument("command", nargs="+", help="e.g. core show channels")
    calls.add_arguments(add("call", _call, "place calls and report what became of them"))
    return parser


def _up(arguments: argparse.Namespace) -> None:
    began = time.monotonic()
    lab = Lab.up(
        arguments.name,
        arguments.asterisk,
        arguments.profile,
        arguments.mode,
        chan_sip=arguments.chan_sip,
        phones=arguments.phones,
    )
    took = time.monotonic() - began
    print(f"Lab '{lab.name}' is up (Asterisk {lab.plan.asterisk}, {took:.1f} s).")
    _print_status(lab)
    if arguments.name == "lab":
        print("Next: contrib/lab/lab call 600, contrib/lab/lab fault kill a, contrib/lab/lab down")


def _down(arguments: argparse.Namespace) -> None:
    for name in state.names() if arguments.all else [arguments.name]:
        Lab.load(name).down()
        print(f"Lab '{name}' is down; nothing of it is left.")


def _mend(arguments: argparse.Namespace) -> None:
    lab = Lab.load(arguments.name)
    lab.mend()
    _print_status(lab)


def _status(arguments: argparse.Namespace) -> None:
    lab = Lab.load(arguments.name)
    if arguments.json:
        print(json.dumps(lab.status()))
    else:
        _print_status(lab)


def _print_status(lab: Lab) -> None:
    told = lab.status()
    holders = " and ".join(told["virtual_ip_holders"]) or "nobody"
    print(f"  virtual IP  {told['virtual_ip']}  held by {holders}  ({told['mode']})")
    for name, node in told["nodes"].items():
        print(
            f"  {name}       {node['address']}  Asterisk {node['asterisk']}"
            f"  trunk {node['trunk']}  calls {node['calls']}  namespace {node['namespace']}"
        )
    provider = told["provider"]
    print(
        f"  provider    {provider['address']}  Asterisk {provider['asterisk']}"
        f"  sends calls to {provider['sends_calls_to'] or 'nobody'}"
    )
    print(f"  client      {told['client']}  namespace {lab.namespace('client')}")
    print(f"  ctl         {told['ctl']}  namespace {lab.namespace('ctl')}")
    print(f"  config      {told['config']}")


def _fault(arguments: argparse.Namespace) -> None:
    lab = Lab.load(arguments.name)
    if arguments.what in TRUNK_FAULTS:
        getattr(lab.provider, arguments.what.removeprefix("trunk-"))()
        print(f"Done: {TRUNK_FAULTS[arguments.what]}.")
        return
    if arguments.node == "ctl" and arguments.what in ("plug", "unplug"):
        lab.network.plug("ctl", plugged=arguments.what == "plug")
        print(f"Done to ctl, the orchestrator's place: {NODE_FAULTS[arguments.what]}.")
        return
    if not arguments.node:
        raise LabError(f"Which node? lab fault {arguments.what} a|b. Nothing was done.")
    node = lab.node(arguments.node)
    named = {"continue": "cont", "cut": "cut_from"}
    details = {"lossy": arguments.percent, "cut": arguments.place, "close": arguments.port}
    method = getattr(node, named.get(arguments.what, arguments.what))
    method(*([details[arguments.what]] if arguments.what in details else []))
    print(f"Done to {node.name}: {NODE_FAULTS[arguments.what]}.")


def _vip(arguments: argparse.Namespace) -> None:
    lab = Lab.load(arguments.name)
    if arguments.to:
        lab.move_vip(None if arguments.to == "none" else arguments.to)
    print(" ".join(lab.vip_holders()) or "none")


def _cli(arguments: argparse.Namespace) -> None:
    lab = Lab.load(arguments.name)
    who = lab.provider if arguments.node == "trunk" else lab.node(arguments.node)
    print(who.cli(" ".join(arguments.command)), end="")


def _call(arguments: argparse.Namespace) -> int:
    return calls.place(Lab.load(arguments.name), arguments)


if __name__ == "__main__":
    sys.exit(main())
