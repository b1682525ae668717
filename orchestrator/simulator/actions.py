"""The AMI actions that a simulated node knows, answered as Asterisk 22 answered them."""

from __future__ import annotations

import re
import time

from orchestrator.simulator import shapes
from orchestrator.simulator.ami import ANYBODY, Action, Known, Session, parse_filter
from orchestrator.simulator.call_actions import CallActions
from orchestrator.simulator.dialplan import Dialplan
from orchestrator.simulator.model import VERSION, Endpoint, Frame
from orchestrator.simulator.pbx import Pbx
from orchestrator.simulator.queue_actions import QueueActions
from orchestrator.simulator.registrar import Registrar
from orchestrator.simulator.store_actions import StoreActions

SYSTEM = frozenset({"system"})
REPORTING = frozenset({"system", "reporting"})
CALL = frozenset({"call", "reporting"})


class Actions:
    """Dispatches by name; who may do what is checked first, as Asterisk does."""

    def __init__(self, pbx: Pbx, registrar: Registrar, dialplan: Dialplan) -> None:
        self.pbx = pbx
        self.registrar = registrar
        self._known: Known = {
            "ping": (ANYBODY, self._ping),
            "events": (ANYBODY, self._events),
            "filter": (SYSTEM, self._filter),
            "corestatus": (REPORTING, self._core_status),
            "coresettings": (REPORTING, self._core_settings),
            "coreshowchannels": (REPORTING, self._channels),
            "pjsipshowendpoints": (SYSTEM, self._endpoints),
            "pjsipshowendpoint": (SYSTEM, self._endpoint),
            "pjsipshowcontacts": (SYSTEM, self._contacts),
            "pjsipshowregistrationsoutbound": (REPORTING, self._registrations),
            "devicestatelist": (CALL, self._devices),
            "bridgelist": (ANYBODY, self._bridges),
            "bridgeinfo": (ANYBODY, self._bridge),
            "pjsipqualify": (REPORTING, self._qualify),
            "pjsipregister": (REPORTING, self._register),
            "pjsipunregister": (REPORTING, self._unregister),
            "pjsipsetmaintenance": (SYSTEM, self._maintenance),
            "command": (frozenset({"command"}), self._command),
            **CallActions(dialplan).known(),
            **QueueActions(pbx).known(),
            **StoreActions(pbx).known(),
        }

    def __call__(self, session: Session, action: Action) -> None:
        name = action.get("action", "")
        known = self._known.get(name.lower())
        if known is None:
            session.refuse(
                action,
                f"Invalid/unknown command: {name}. Use Action: ListCommands to show "
                "available commands.",
            )
        elif session.user is None or not session.user.may(known[0]):
            session.refuse(action, "Permission denied")
        else:
            known[1](session, action)

    # --- the core ---

    def _ping(self, session: Session, action: Action) -> None:
        headers = [("Ping", "Pong"), ("Timestamp", f"{self.pbx.now():.6f}")]
        session.answer(action, "Success", headers)

    def _events(self, session: Session, action: Action) -> None:
        session.events = action.get("eventmask", "on").lower() not in ("off", "no", "false")
        session.answer(action, "Success", [("Events", "On" if session.events else "Off")])

    def _filter(self, session: Session, action: Action) -> None:
        try:
            made = parse_filter(action.get("matchcriteria", ""), action.get("filter", ""))
        except re.error:
            session.refuse(action, "Filter did not compile")
            return
        session.filters.append(made)
        session.done(action, "Filter added successfully")

    def _core_status(self, session: Session, action: Action) -> None:
        started = time.gmtime(self.pbx.started_at)
        day, hour = time.strftime("%Y-%m-%d", started), time.strftime("%H:%M:%S", started)
        headers: Frame = []
        for what in ("Startup", "Reload"):
            headers += [(f"Core{what}Date", day), (f"Core{what}Time", hour)]
        headers.append(("CoreCurrentCalls", str(len(self.pbx.channels))))
        headers.append(("CoreProcessedCalls", str(self.pbx.calls_processed)))
        session.answer(action, "Success", headers)

    def _core_settings(self, session: Session, action: Action) -> None:
        headers = [
            ("AMIversion", "11.0.0"),
            ("AsteriskVersion", VERSION),
            ("SystemName", self.pbx.name),
            ("CoreMaxCalls", "0"),
            ("CoreMaxLoadAvg", "0.000000"),
            ("CoreRunUser", ""),
            ("CoreRunGroup", ""),
            ("CoreMaxFilehandles", "0"),
            ("CoreRealTimeEnabled", "No"),
            ("CoreCDRenabled", "Yes"),
            ("CoreHTTPenabled", "Yes"),
            ("SoundsSearchCustomDir", "No"),
        ]
        session.answer(action, "Success", headers)

    def _channels(self, session: Session, action: Action) -> None:
        channels = self.pbx.channels.values()
        items = [("CoreShowChannel", shapes.core_show_channel(channel)) for channel in channels]
        session.listing(action, "Channels will follow", items, "CoreShowChannelsComplete")

    def _command(self, session: Session, action: Action) -> None:
        lines = []
        if action.get("command") == "core show channels count":
            count = len(self.pbx.channels)
            lines = [f"{count} active channels", f"{len(self.pbx.bridges)} active calls"]
            lines.append(f"{self.pbx.calls_processed} calls processed")
        else:
            lines = [f"No such command '{action.get('command', '')}'"]
        output = [("Output", line) for line in lines]
        session.answer(action, "Success", [("Message", "Command output follows"), *output])

    # --- PJSIP ---

    def _endpoint_item(self, endpoint: Endpoint) -> Frame:
        calls = [c for c in self.pbx.channels.values() if c.endpoint == endpoint.name]
        contacts = self.pbx.contacts_of(endpoint.name)
        state = self.pbx.device_state(endpoint.name)
        return shapes.endpoint_list(endpoint, contacts, state, len(calls))

    def _endpoints(self, session: Session, action: Action) -> None:
        items = [("EndpointList", self._endpoint_item(e)) for e in self.pbx.endpoints.values()]
        message = "A listing of Endpoints follows, presented as EndpointList events"
        session.listing(action, message, items, "EndpointListComplete")

    def _endpoint(self, session: Session, action: Action) -> None:
        endpoint = self.pbx.endpoints.get(action.get("endpoint", ""))
        if endpoint is None:
            session.refuse(action, f"Unable to retrieve endpoint {action.get('endpoint', '')}")
            return
        detail = [("ObjectType", "endpoint"), ("ObjectName", endpoint.name)]
        detail += [("Aors", endpoint.name), ("Context", endpoint.context)]
        items: list[tuple[str, Frame]] = [("EndpointDetail", detail)]
        for contact in self.pbx.contacts_of(endpoint.name):
            item = shapes.contact_status_detail(contact, endpoint)
            items.append(("ContactStatusDetail", item))
        message = "Following are Events for each object associated with the Endpoint"
        session.listing(action, message, items, "EndpointDetailComplete")

    def _contacts(self, session: Session, action: Action) -> None:
        items = [
            ("ContactList", shapes.contact_list(c))
            for c in self.pbx.contacts.values()
            if c.expires_at  # static contacts are not listed here (measured)
        ]
        message = "A listing of Contacts follows, presented as ContactList events"
        session.listing(action, message, items, "ContactListComplete")

    def _qualify(self, session: Session, action: Action) -> None:
        name = action.get("endpoint", "")
        if name not in self.pbx.endpoints:
            session.refuse(action, f"Unable to retrieve endpoint {name}")
            return
        self.registrar.look_at(name)
        session.done(action, "Endpoint found, will qualify")

    def _registrations(self, session: Session, action: Action) -> None:
        items: list[tuple[str, Frame]] = []
        for item in self.pbx.registrations.values():
            items.append(("OutboundRegistrationDetail", shapes.registration(item)))
            items.append(("AuthDetail", shapes.auth("trunk", item.username, item.password)))
        up = sum(r.status == "Registered" for r in self.pbx.registrations.values())
        down = len(self.pbx.registrations) - up
        extra = [("Registered", str(up)), ("NotRegistered", str(down))]
        message = "Following are Events for each Outbound registration"
        complete = "OutboundRegistrationDetailComplete"
        session.listing(action, message, items, complete, extra, count=up + down)

    def _register(self, session: Session, action: Action) -> None:
        item = self.pbx.registrations.get(action.get("registration", ""))
        if item is None:
            session.refuse(action, "Unable to retrieve registration entry")
            return
        self.registrar.start_trunk(item, first_unregister=True)
        session.done(action, "Reregistration sent")

    def _unregister(self, session: Session, action: Action) -> None:
        item = self.pbx.registrations.get(action.get("registration", ""))
        if item is None:
            session.refuse(action, "Unable to retrieve registration entry")
            return
        self.registrar.stop_trunk(item)
        session.done(action, "Unregistration sent")

    def _maintenance(self, session: Session, action: Action) -> None:
        name, state = action.get("endpoint", ""), action.get("state", "")
        endpoint = self.pbx.endpoints.get(name)
        if endpoint is None or state not in ("on", "off"):
            verb = "enable" if state == "on" else "disable"
            session.refuse(action, f"Failed to {verb} maintenance mode for endpoint '{name}'")
            return
        endpoint.maintenance = state == "on"
        word = "enabled" if endpoint.maintenance else "disabled"
        session.done(action, f"Maintenance mode {word} for endpoint '{name}'")

    # --- states and bridges ---

    def _devices(self, session: Session, action: Action) -> None:
        devices = [(f"PJSIP/{name}", self.pbx.device_state(name)) for name in self.pbx.endpoints]
        items: list[tuple[str, Frame]] = [
            ("DeviceStateChange", [("Device", name), ("State", state)])
            for name, state in [*devices, *self.pbx.others.items()]
        ]
        session.listing(
            action, "Device State Changes will follow", items, "DeviceStateListComplete"
        )

    def _bridges(self, session: Session, action: Action) -> None:
        items = [("BridgeListItem", shapes.bridge(b)) for b in self.pbx.bridges.values()]
        session.listing(action, "Bridge listing will follow", items, "BridgeListComplete")

    def _bridge(self, session: Session, action: Action) -> None:
        bridge = self.pbx.bridges.get(action.get("bridgeuniqueid", ""))
        if bridge is None:
            session.refuse(action, "Specified BridgeUniqueid not found")
            return
        items = [("BridgeInfoChannel", shapes.channel(channel)) for channel in bridge.channels]
        message = "Bridge channel listing will follow"
        session.listing(action, message, items, "BridgeInfoComplete", shapes.bridge(bridge))
