"""A command in words, for the journal and the log: never with a secret in it."""

from __future__ import annotations

from orchestrator.core.commands import (
    AddAddress,
    AmiAction,
    AnyCommand,
    Compare,
    Evacuate,
    Fence,
    Fetch,
    HangUp,
    Mirror,
    Notify,
    PauseMember,
    ProbeNow,
    ProbePhone,
    Qualify,
    Recount,
    RegisterTrunk,
    Rejoin,
    RemoveAddress,
    RunHook,
    SetDrainFlag,
    SetMaintenance,
    UnregisterTrunk,
    Verify,
)

_OPEN_FIELDS = {"action", "channel", "queue", "interface", "endpoint", "context", "exten", "module"}


def describe(command: AnyCommand) -> str:
    """What is about to be done, where."""
    match command:
        case AddAddress(node=node):
            return f"{node}: add the virtual IP"
        case RemoveAddress(node=node):
            return f"{node}: remove the virtual IP"
        case Fence(node=node, method=method):
            return f"{node}: fence by {method}"
        case RegisterTrunk(node=node, registration=name, afresh=afresh):
            return f"{node}: register trunk {name}{' afresh' if afresh else ''}"
        case UnregisterTrunk(node=node, registration=name):
            return f"{node}: unregister trunk {name}"
        case SetDrainFlag(node=node, on=on):
            return f"{node}: {'raise' if on else 'lower'} the drain flag"
        case SetMaintenance(node=node, endpoint=endpoint, on=on):
            return f"{node}: {'start' if on else 'end'} maintenance of endpoint {endpoint}"
        case HangUp(node=node, channels=channels):
            return f"{node}: hang up {', '.join(channels)}"
        case Recount(node=node):
            return f"{node}: look which channels are really there"
        case Verify(node=node):
            return f"{node}: verify that the service address is served"
        case RunHook(node=node, name=name):
            return f"{node}: run the configured command {name}"
        case ProbeNow(node=node):
            return f"{node}: let every observer look now"
        case Fetch(node=node, kind=kind, keys=keys):
            return f"{node}: read {len(keys)} of kind {kind} anew"
        case Compare(node=node, kind=kind):
            return f"{node}: list all of kind {kind}"
        case Mirror(node=node, kind=kind, puts=puts, removals=removals):
            return f"{node}: mirror {kind}: put {len(puts)}, remove {len(removals)}"
        case Qualify(node=node, endpoints=endpoints):
            return f"{node}: look at {len(endpoints)} phones now"
        case PauseMember(node=node, queue=queue, interface=who, paused=paused):
            return f"{node}: {'pause' if paused else 'unpause'} {who} in queue {queue}"
        case Evacuate(node=node, to_node=to, call=call, legs=legs):
            names = ", ".join(f"{leg.channel} ({leg.carry})" for leg in legs)
            return f"{node}: carry call {call} to {to}: {names}"
        case Rejoin(node=node, call=call, channels=channels):
            return f"{node}: bring call {call} back together: {', '.join(channels)}"
        case ProbePhone(node=node, endpoint=endpoint):
            return f"{node}: test call to {endpoint}, to learn what it does with a REFER"
        case AmiAction(node=node, action=action):
            return f"{node}: AMI action {_without_secrets(action)}"
        case Notify(severity=severity, title=title):
            return f"notify ({severity}): {title}"


def _without_secrets(action: tuple[tuple[str, str], ...]) -> str:
    """Field names, and values of the few that cannot carry a secret."""
    return ", ".join(
        f"{key}: {value}" if key.lower() in _OPEN_FIELDS else key for key, value in action
    )
