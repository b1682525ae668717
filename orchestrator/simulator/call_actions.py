"""The AMI actions about channels and calls (main/manager.c)."""

from __future__ import annotations

import asyncio
import re

from orchestrator.simulator import shapes
from orchestrator.simulator.ami import Action, Known, Session
from orchestrator.simulator.dialplan import Dialplan
from orchestrator.simulator.model import Channel, Frame

CALL = frozenset({"call"})
READ = frozenset({"call", "reporting"})
ANY_CALL = frozenset({"system", "call", "reporting"})
CONFIG = frozenset({"config", "reporting"})
CONTEXTS = ("evacuate", "evacuate-probe", "phones", "serve")


class CallActions:
    def __init__(self, dialplan: Dialplan) -> None:
        self.dialplan = dialplan
        self.pbx = dialplan.pbx

    def known(self) -> Known:
        return {
            "status": (ANY_CALL, self._status),
            "hangup": (frozenset({"system", "call"}), self._hang_up),
            "redirect": (CALL, self._redirect),
            "originate": (frozenset({"originate"}), self._originate),
            "showdialplan": (CONFIG, self._show),
        }

    def _status(self, session: Session, action: Action) -> None:
        wanted = action.get("channel", "")
        if wanted and wanted not in self.pbx.channels:
            session.refuse(action, "No such channel")
            return
        names = [name for name in action.get("variables", "").split(",") if name]
        found = [self.pbx.channels[wanted]] if wanted else list(self.pbx.channels.values())
        items = [("Status", [*shapes.status(one), *_variables(one, names)]) for one in found]
        extra = [("Items", str(len(items)))]
        session.listing(
            action, "Channel status will follow", items, "StatusComplete", extra, id_last=True
        )

    def _hang_up(self, session: Session, action: Action) -> None:
        wanted = action.get("channel", "")
        if wanted.startswith("/") and wanted.endswith("/"):
            names = [name for name in self.pbx.legs if re.search(wanted[1:-1], name)]
        else:
            names = [name for name in self.pbx.legs if name == wanted]
        if not names:
            session.refuse(action, "No such channel")
            return
        for name in names:
            asyncio.get_running_loop().create_task(self.pbx.legs[name].hang_up())
        session.done(action, "Channel Hungup")

    def _redirect(self, session: Session, action: Action) -> None:
        """One channel, or two of a call at once: neither when one of them is not there."""
        names = [action[key] for key in ("channel", "extrachannel") if action.get(key)]
        for name in names:
            if name not in self.pbx.legs:
                session.refuse(action, f"Channel does not exist: {name}")
                return
        for name, key in zip(names, ("", "extra"), strict=False):
            place = action.get(f"{key}context", ""), action.get(f"{key}exten", "")
            self.dialplan.redirect(self.pbx.channels[name], self.pbx.legs[name], *place)
        session.done(action, f"{'Dual ' if len(names) > 1 else ''}Redirect successful")

    def _originate(self, session: Session, action: Action) -> None:
        endpoint = action.get("channel", "").removeprefix("PJSIP/")
        if endpoint not in self.pbx.endpoints:
            session.refuse(action, "Originate failed")
            return
        session.done(action, "Originate successfully queued")
        place = action.get("context", ""), action.get("exten", "")
        seconds = float(action.get("timeout") or 30000) / 1000
        given = dict(pair.split("=", 1) for pair in action.get("variable", "").split("\n") if pair)
        self.dialplan.originate(endpoint, place, seconds, given)

    def _show(self, session: Session, action: Action) -> None:
        context = action.get("context", "")
        if context not in CONTEXTS:
            session.refuse(action, f"Did not find context {context}")
            return
        step: Frame = [("Context", context), ("Extension", "s"), ("Priority", "1")]
        step += [("Application", "NoOp"), ("AppData", ""), ("Registrar", "pbx_config")]
        counts = [(f"List{what}", "1") for what in ("Extensions", "Priorities", "Contexts")]
        message = "DialPlan list will follow"
        items = [("ListDialplan", step)]
        session.listing(action, message, items, "ShowDialPlanComplete", counts)


def _variables(channel: Channel, names: list[str]) -> Frame:
    known = {
        **channel.variables,
        "CALLERID(num)": channel.caller[0],
        "CALLERID(name)": channel.caller[1],
        "CONNECTEDLINE(num)": channel.connected[0],
        "CONNECTEDLINE(name)": channel.connected[1],
        "CHANNEL(language)": "en",
    }
    return [("Variable", f"{name}={known.get(name, '')}") for name in names]
