"""The AMI actions about astdb and variables (main/manager.c, main/db.c), as captured."""

from __future__ import annotations

import re

from orchestrator.simulator import shapes
from orchestrator.simulator.ami import Action, Known, Session
from orchestrator.simulator.model import Frame
from orchestrator.simulator.pbx import Pbx

SYSTEM = frozenset({"system"})
REPORTING = frozenset({"system", "reporting"})
READ = frozenset({"call", "reporting"})
CALL = frozenset({"call"})
DEVSTATE = "CustomDevstate"  # the family that func_devstate keeps its states in
_FUNCTION = re.compile(r"(\w+)\((.*)\)")


class StoreActions:
    def __init__(self, pbx: Pbx) -> None:
        self.pbx = pbx

    def known(self) -> Known:
        return {
            "dbput": (SYSTEM, self._put),
            "dbdel": (SYSTEM, self._del),
            "dbdeltree": (SYSTEM, self._del_tree),
            "dbget": (REPORTING, self._get),
            "dbgettree": (REPORTING, self._get_tree),
            "getvar": (READ, self._getvar),
            "setvar": (CALL, self._setvar),
        }

    # --- astdb ---

    def _key(self, action: Action) -> tuple[str, str]:
        return action.get("family", ""), action.get("key", "")

    def _put(self, session: Session, action: Action) -> None:
        self.pbx.database[self._key(action)] = action.get("val", "")
        self.pbx.save()
        session.done(action, "Updated database successfully")

    def _del(self, session: Session, action: Action) -> None:
        if self.pbx.database.pop(self._key(action), None) is None:
            session.refuse(action, "Database entry could not be deleted")
        else:
            self.pbx.save()
            session.done(action, "Key deleted successfully")

    def _below(self, action: Action) -> dict[tuple[str, str], str]:
        family, key = self._key(action)
        top = f"{family}/{key}".rstrip("/") + "/"
        return {k: v for k, v in self.pbx.database.items() if f"{'/'.join(k)}/".startswith(top)}

    def _del_tree(self, session: Session, action: Action) -> None:
        found = self._below(action)
        for key in found:
            del self.pbx.database[key]
        if found:
            self.pbx.save()
            session.done(action, "Key tree deleted successfully")
        else:
            session.refuse(action, "Database entry not found")

    def _get(self, session: Session, action: Action) -> None:
        key = self._key(action)
        if key not in self.pbx.database:
            session.refuse(action, "Database entry not found")
            return
        found = [("Family", key[0]), ("Key", key[1]), ("Val", self.pbx.database[key])]
        items: list[tuple[str, Frame]] = [("DBGetResponse", found)]
        session.listing(action, "Result will follow", items, "DBGetComplete", id_last=True)

    def _get_tree(self, session: Session, action: Action) -> None:
        items: list[tuple[str, Frame]] = [
            ("DBGetTreeResponse", [("Key", f"/{'/'.join(key)}"), ("Val", value)])
            for key, value in sorted(self._below(action).items())
        ]
        session.listing(action, "Result will follow", items, "DBGetTreeComplete", id_last=True)

    # --- variables ---

    def _getvar(self, session: Session, action: Action) -> None:
        name, channel = action.get("variable", ""), action.get("channel", "")
        if channel and channel not in self.pbx.channels:
            session.refuse(action, "No such channel")
            return
        value = self._value(channel, name)
        session.answer(action, "Success", [("Variable", name), ("Value", value)])

    def _value(self, channel: str, name: str) -> str:
        """What is not known is empty, and so is ``DB()`` without a channel (measured)."""
        function = _FUNCTION.fullmatch(name)
        if function is None:
            return str(int(self.pbx.now())) if name == "EPOCH" else self._variable(channel, name)
        word, argument = function.groups()
        if word == "DB_KEYS":
            below = self._below({"family": argument})
            depth = argument.count("/") + 1
            children = [f"{k[0]}/{k[1]}".split("/")[depth] for k in below]
            return ",".join(dict.fromkeys(sorted(children)))
        if word == "DEVICE_STATE":
            return self.pbx.state_of(argument)
        return ""

    def _variable(self, channel: str, name: str) -> str:
        known = self.pbx.channels[channel].variables if channel else self.pbx.globals
        return known.get(name, "")

    def _setvar(self, session: Session, action: Action) -> None:
        name, channel = action.get("variable", ""), action.get("channel", "")
        value = action.get("value", "")
        if channel and channel not in self.pbx.channels:
            session.refuse(action, "No such channel")
            return
        session.done(action, "Variable Set")
        function = _FUNCTION.fullmatch(name)
        if function and function.group(1) == "DEVICE_STATE":
            device = function.group(2)
            self.pbx.database[DEVSTATE, device.removeprefix("Custom:")] = value
            self.pbx.save()
            self.pbx.set_device(device, value)
        else:
            self._keep(channel, name, value)

    def _keep(self, channel: str, name: str, value: str) -> None:
        whose: Frame = [("Channel", "none"), ("Uniqueid", "none")]
        if channel:
            whose = shapes.channel(self.pbx.channels[channel])
        (self.pbx.channels[channel].variables if channel else self.pbx.globals)[name] = value
        self.pbx.emit("VarSet", "dialplan", [*whose, ("Variable", name), ("Value", value)])


def boot(pbx: Pbx) -> None:
    """The custom device states that astdb kept."""
    for (family, name), state in pbx.database.items():
        if family == DEVSTATE:
            pbx.others[f"Custom:{name}"] = state
