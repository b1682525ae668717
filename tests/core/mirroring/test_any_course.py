"""Whatever happens: the invariants hold at each step, and in the end both nodes are in step.

The invariants of each decision are in ``Playground.check``.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.core.commands import Compare
from orchestrator.core.words import MirrorKind
from tests.core.mirroring.model import Playground

PHONES = st.integers(1001, 1006)
HAPPENINGS = st.one_of(
    st.tuples(st.just("register"), PHONES, st.sampled_from([20.0, 60.0, 3600.0])),
    st.tuples(st.just("unregister"), PHONES),
    st.tuples(st.just("log in"), PHONES, st.integers(0, 3)),
    st.tuples(st.just("log out"), PHONES),
    st.tuples(st.just("pause"), PHONES, st.booleans()),
    st.tuples(st.just("forward"), PHONES, st.sampled_from(["", "2000", "2001"])),
    st.tuples(st.just("device"), PHONES, st.sampled_from(["inuse", "not_inuse"])),
    st.tuples(st.just("move")),
    st.tuples(st.just("lose"), st.sampled_from(["pbx-a", "pbx-b"])),
    st.tuples(st.just("connect"), st.sampled_from(["pbx-a", "pbx-b"])),
    st.tuples(st.just("ARI"), st.sampled_from(["pbx-a", "pbx-b"]), st.booleans()),
    st.tuples(st.just("refuse"), PHONES),
    st.tuples(st.just("restart")),
    st.tuples(st.just("wait"), st.sampled_from([0.1, 0.3, 1.0, 5.0, 31.0])),
)


def happen(play: Playground, what: str, *values: object) -> None:
    """One thing happens, on the node that holds the address."""
    holder = play.boxes[play.holder]
    match what, *values:
        case "register", int(number), float(lasts_s):
            play.register(holder.name, number, lasts_s)
        case "unregister", int(number):
            for key in [key for key in holder.contacts if key.startswith(f"{number};")]:
                play.unregister(holder.name, key)
        case "log in", int(number), int(penalty):
            play.set_member(holder.name, f"sales|PJSIP/{number}", penalty=penalty)
        case "log out", int(number):
            if f"sales|PJSIP/{number}" in holder.members:
                play.drop_member(holder.name, f"sales|PJSIP/{number}")
        case "pause", int(number), bool(paused):
            if f"sales|PJSIP/{number}" in holder.members:
                reason = "lunch" if paused else ""
                play.set_member(holder.name, f"sales|PJSIP/{number}", paused=paused, reason=reason)
        case "forward", int(number), str(to):
            holder.astdb.pop(f"CF/{number}", None)
            if to:
                holder.astdb[f"CF/{number}"] = (("value", to),)
        case "device", int(number), str(state):
            play.set_device(holder.name, f"Custom:DND{number}", state)
        case ("move",):
            play.move_address("pbx-b" if play.holder == "pbx-a" else "pbx-a")
        case "lose", str(name):
            play.lose(name)
        case "connect", str(name):
            if not play.boxes[name].connected:
                play.connect(name)
        case "ARI", str(name), bool(down):
            play.boxes[name].ari_down = down
        case "refuse", int(number):
            for box in play.boxes.values():
                box.refuses |= {k for k in box.contacts if k.startswith(f"{number};")}
        case ("restart",):
            play.restart()
        case "wait", float(seconds):
            play.run(seconds)


def mend(play: Playground) -> None:
    for name, box in play.boxes.items():
        box.refuses.clear()
        box.ari_down = False
        if not box.connected:
            play.connect(name)


def differences(play: Playground) -> list[str]:
    """What the node without the address lacks, or has too much although it came from the mirror."""
    here = play.boxes[play.holder]
    there = play.boxes["pbx-b" if play.holder == "pbx-a" else "pbx-a"]
    found = []
    for key in here.contacts:
        if key not in there.contacts:
            found.append(f"no {key}")
        elif abs(play.expiry(here.name, key) - play.expiry(there.name, key)) > 2.0:
            found.append(f"another expiry of {key}")
    for key, member in here.members.items():
        copy = there.members.get(key)
        if copy is None or (copy.penalty, copy.paused) != (member.penalty, member.paused):
            found.append(f"{key} is {copy}")
    found += [
        f"{k} is {there.astdb.get(k)}" for k, v in here.astdb.items() if there.astdb.get(k) != v
    ]
    found += [
        f"{k} is {there.devices.get(k)}"
        for k, v in here.devices.items()
        if there.devices.get(k) != v
    ]
    tables = {
        MirrorKind.CONTACT: (here.contacts, there.contacts),
        MirrorKind.MEMBER: (here.members, there.members),
        MirrorKind.ASTDB: (here.astdb, there.astdb),
    }
    for kind, (ours, theirs) in tables.items():
        mirrored = play.state.mirror.mirrored(kind)
        found += [f"{key} too much" for key in theirs if key not in ours and key in mirrored]
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(0, 2**16),
    st.tuples(st.sampled_from([0.0, -20.0]), st.sampled_from([0.0, 37.0])),
    st.lists(HAPPENINGS, max_size=40),
)
def test_in_the_end_both_nodes_are_in_step_and_nothing_more_is_asked_for(
    seed: int, clocks: tuple[float, float], course: list[tuple[object, ...]]
) -> None:
    play = Playground(seed)
    play.boxes["pbx-a"].ahead_s, play.boxes["pbx-b"].ahead_s = clocks
    play.restart()
    for what, *values in course:
        happen(play, str(what), *values)
        play.run(0.1)
    mend(play)
    play.run(140.0, tick_s=0.5)  # the longest pause and two comparisons
    assert not differences(play)
    play.sent.clear()
    play.run(35.0, tick_s=0.5)
    assert {type(command) for command in play.sent} <= {Compare}
