"""What is written for one evacuated leg: its ticket on the new node, its way back on the old one.

A ticket is a family of astdb, ``orchestrator-evac/ADDRESS``: ``call``, ``role``, ``endpoint``,
``expires`` (epoch seconds by that node's clock; gone when it was used), ``lines`` and that many
``line1``.. which the dialplan carries out as ``Set(...)``, each value taken as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

from orchestrator.core.commands import LegPlan
from orchestrator.core.words import LegRole

Facts: TypeAlias = Mapping[str, str]

FAMILY = "orchestrator-evac"
LIFE_S = 30  # of a ticket
ARGUMENTS_BEFORE_POSITION = 8  # of Queue(); one more (macro) before Asterisk 21
_TRAVELS = {
    "var:CALLERID(num)": "CALLERID(num)",
    "var:CALLERID(name)": "CALLERID(name)",
    "var:CALLERID(pres)": "CALLERID(pres)",
    # i: told with the answer, not by a request of its own
    "var:CONNECTEDLINE(num)": "CONNECTEDLINE(num,i)",
    "var:CONNECTEDLINE(name)": "CONNECTEDLINE(name,i)",
    "var:CHANNEL(language)": "CHANNEL(language)",
    "var:CHANNEL(accountcode)": "CHANNEL(accountcode)",
    "var:CHANNEL(musicclass)": "CHANNEL(musicclass)",
    "linkedid": "CDR(userfield)",
}
WAY_BACK = ("EVAC_CONTEXT", "EVAC_EXTEN", "EVAC_PRIORITY")
_OURS = {"var:MIXMONITOR_FILENAME", *_TRAVELS, *(f"var:{name}" for name in WAY_BACK)}


def ticket(call: str, leg: LegPlan, facts: Facts, now: float, version: str) -> dict[str, str]:
    """Keys and values below the address. ``facts["record"]``: file of the recording's next part."""
    lines = [f"{name}={facts[fact]}" for fact, name in _TRAVELS.items() if facts.get(fact)]
    lines += [
        f"{fact.removeprefix('var:')}={content}"
        for fact, content in facts.items()
        if fact.startswith("var:") and fact not in _OURS
    ]
    ours = {
        "RECORD": facts.get("record", ""),
        "FROM": facts.get("linkedid", ""),
        **back(leg, facts, version),
    }
    if leg.role is LegRole.SECOND:
        ours |= {"QUEUE": leg.queue, "AGENT": _plain(leg.agent)}
    lines += [f"EVAC_{name}={content}" for name, content in ours.items()]
    return {
        "call": call,
        "role": leg.role.value,
        "endpoint": leg.endpoint,
        "expires": str(int(now) + LIFE_S),
        "lines": str(len(lines)),
        **{f"line{number}": line for number, line in enumerate(lines, 1)},
    }


def back(leg: LegPlan, facts: Facts, version: str) -> dict[str, str]:
    """Where the leg goes on when it is alone with the dialplan (EVAC_ variables).

    One that stands in the evacuation's own dialplan, since it was carried or sent before, goes on
    where it came from in the site's.
    """
    carried_before = facts.get("context", "").startswith("evacuate")
    place = {
        name: facts.get(f"var:EVAC_{name}" if carried_before else name.lower(), otherwise)
        for name, otherwise in (("CONTEXT", ""), ("EXTEN", ""), ("PRIORITY", "1"))
    }
    if leg.role is LegRole.WAITING:
        place["QUEUE_ARGUMENTS"] = _in_line(leg, facts, version)
    return place


def _plain(name: str) -> str:
    """As an argument of QueueLog(): what quotes or parts arguments there is left out."""
    return re.sub(r'[,|"()\[\]\\]', " ", name).strip()


def _in_line(leg: LegPlan, facts: Facts, version: str) -> str:
    """The arguments that Queue() had, with the caller's place in line as the last one."""
    data = facts.get("data", "") if facts.get("application", "").lower() == "queue" else ""
    before = ARGUMENTS_BEFORE_POSITION + (_major(version) < 21)
    arguments = (data or leg.queue).split(",")[:before]
    arguments += [""] * (before - len(arguments))
    return ",".join([*arguments, str(leg.position)] if leg.position else arguments)


def _major(version: str) -> int:
    found = re.match(r"(?:Asterisk )?(?:certified/)?(\d+)", version)
    return int(found[1]) if found else 21
