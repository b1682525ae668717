"""``python -m orchestrator.simulator up|down|status|fault|vip``: the lab's verbs, without root."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence

from orchestrator.simulator.lab import PROFILES, Lab, names
from orchestrator.simulator.parts import LabError

NODE_FAULTS = {
    "kill": "SIGKILL to Asterisk",
    "stop": "SIGSTOP to Asterisk: it hangs",
    "continue": "SIGCONT to Asterisk",
    "start": "start Asterisk again",
    "unplug": "pull the network cable",
    "plug": "put the cable back",
    "ari-off": "ARI refuses connections",
    "ari-on": "ARI serves again",
}
TRUNK_FAULTS = {
    "trunk-off": "the provider can't be reached",
    "trunk-reject": "the provider answers 403 and 503",
    "trunk-ok": "the provider is well again",
}


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        arguments.do(arguments)
    except LabError as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("simulator: interrupted.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m orchestrator.simulator", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str, do: Callable[[argparse.Namespace], None], text: str
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--name", default="lab", help="which lab (default: lab)")
        command.set_defaults(do=do)
        return command

    up = add("up", _up, "make a simulated lab; pbx-a is active")
    up.add_argument("--profile", choices=PROFILES, default="fast", help="of the orchestrator")
    down = add("down", _down, "take a simulated lab down")
    down.add_argument("--all", action="store_true", help="every simulated lab of this user")
    status = add("status", _status, "what is up and who is active")
    status.add_argument("--json", action="store_true")
    fault = add("fault", _fault, "break or mend something")
    told = {**NODE_FAULTS, **TRUNK_FAULTS}
    fault.add_argument(
        "what", choices=tuple(told), help="; ".join(f"{n}: {text}" for n, text in told.items())
    )
    fault.add_argument("node", nargs="?", help="a or b (not for trunk-…)")
    vip = add("vip", _vip, "show who has the virtual IP, or move it by hand")
    vip.add_argument("to", nargs="?", choices=("a", "b", "none"))
    return parser


def _up(arguments: argparse.Namespace) -> None:
    began = time.monotonic()
    lab = Lab.up(arguments.name, arguments.profile)
    print(f"Simulated lab '{lab.name}' is up ({time.monotonic() - began:.1f} s).")
    _print_status(lab)


def _down(arguments: argparse.Namespace) -> None:
    for name in names() if arguments.all else [arguments.name]:
        Lab.load(name).down()
        print(f"Simulated lab '{name}' is down; nothing of it is left.")


def _status(arguments: argparse.Namespace) -> None:
    lab = Lab.load(arguments.name)
    if arguments.json:
        print(json.dumps(lab.status()))
    else:
        _print_status(lab)


def _print_status(lab: Lab) -> None:
    told = lab.status()
    holders = " and ".join(told["virtual_ip_holders"]) or "nobody"
    print(f"  virtual IP  {told['virtual_ip']}  held by {holders}")
    for name, node in told["nodes"].items():
        print(
            f"  {name}       {node['address']}  Asterisk {node['asterisk']}"
            f"  trunk {node['trunk']}  calls {node['calls']}"
            f"{'' if node['plugged'] else '  cable out'}"
        )
    provider = told["provider"]
    print(
        f"  provider    {provider['address']}  sends calls to "
        f"{provider['sends_calls_to'] or 'nobody'}"
    )
    print(f"  config      {told['config']}")


def _fault(arguments: argparse.Namespace) -> None:
    lab = Lab.load(arguments.name)
    if arguments.what in TRUNK_FAULTS:
        getattr(lab.provider, arguments.what.removeprefix("trunk-"))()
        print(f"Done: {TRUNK_FAULTS[arguments.what]}.")
        return
    if not arguments.node:
        raise LabError(f"Which node? fault {arguments.what} a|b. Nothing was done.")
    node = lab.node(arguments.node)
    does = {"continue": "cont"}.get(arguments.what, arguments.what)
    getattr(node, does.replace("-", "_"))()
    print(f"Done to {node.name}: {NODE_FAULTS[arguments.what]}.")


def _vip(arguments: argparse.Namespace) -> None:
    lab = Lab.load(arguments.name)
    if arguments.to:
        lab.move_vip(None if arguments.to == "none" else arguments.to)
    print(" ".join(lab.vip_holders()) or "none")


if __name__ == "__main__":
    sys.exit(main())
