"""The state of one simulated Asterisk; every change is told as the AMI events that Asterisk sends.

Only what changes state lives here, with its events; who changes it is in dialplan.py (calls),
registrar.py (phones, trunks) and actions.py (AMI).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

from orchestrator.simulator import shapes
from orchestrator.simulator.leg import Leg
from orchestrator.simulator.model import (
    Bridge,
    Channel,
    Contact,
    Endpoint,
    Frame,
    Header,
    Member,
    Queue,
    Registration,
)

CAUSES = {
    0: "Unknown",
    1: "Unallocated (unassigned) number",
    3: "No route to destination",
    16: "Normal Clearing",
    17: "User busy",
    18: "No user responding",
    19: "User alerting, no answer",
    21: "Call Rejected",
    34: "Circuit/channel congestion",
    38: "Network out of order",
}


class Pbx:
    """One node. ``emit`` gets (event name, privilege class, headers) for every AMI session."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self.emit: Callable[[str, str, Frame], None] = lambda name, level, headers: None
        self.save: Callable[[], None] = lambda: None  # astdb has changed
        self.started_at = time.time()
        self.booted = False
        self.endpoints: dict[str, Endpoint] = {}
        self.contacts: dict[str, Contact] = {}  # by object id
        self.registrations: dict[str, Registration] = {}
        self.channels: dict[str, Channel] = {}  # by name
        self.legs: dict[str, Leg] = {}  # by channel name
        self.bridges: dict[str, Bridge] = {}
        self.queues: dict[str, Queue] = {}
        self.database: dict[tuple[str, str], str] = {}
        self.globals: dict[str, str] = {}  # global variables
        self.devices: dict[str, str] = {}  # endpoint -> state that was told last
        self.others: dict[str, str] = {}  # devices that are no endpoints -> state
        self.clock_ahead_s = 0.0  # how far this node's clock is ahead of the machine's
        self.reject = False  # provider only: answers everything with a refusal
        self.channels_made = 0
        self.calls_processed = 0

    def now(self) -> float:
        """Epoch seconds by this node's own clock."""
        return time.time() + self.clock_ahead_s

    # --- device and contact state ---

    def keep(self, contact: Contact) -> None:
        """Into astdb: it outlives a restart."""
        self.contacts[contact.object_id] = contact
        self.save()

    def contacts_of(self, aor: str) -> list[Contact]:
        return [contact for contact in self.contacts.values() if contact.aor == aor]

    def device_state(self, endpoint: str) -> str:
        """The state of ``PJSIP/endpoint`` as app_queue and hints see it."""
        states = [c.state for c in self.channels.values() if c.endpoint == endpoint]
        if any(state in (4, 6) for state in states):
            return "INUSE"
        if states:
            return "RINGING" if 5 in states else "NOT_INUSE"
        usable = any(c.status != "Unreachable" for c in self.contacts_of(endpoint))
        return "NOT_INUSE" if usable else "UNAVAILABLE"

    def device_changed(self, *endpoints: str) -> None:
        """Tell the device and extension states that differ from what was told last."""
        for name in endpoints:
            state = self.device_state(name)
            if name in self.endpoints and self.devices.get(name, "UNAVAILABLE") != state:
                self.devices[name] = state
                device: Frame = [("Device", f"PJSIP/{name}"), ("State", state)]
                self.emit("DeviceStateChange", "call", device)
                self.emit("ExtensionStatus", "call", shapes.extension_status(name, state))
                self._members_changed(f"PJSIP/{name}")

    def state_of(self, device: str) -> str:
        """The state of any device, as app_queue and DEVICE_STATE() see it."""
        if device.removeprefix("PJSIP/") in self.endpoints:
            return self.device_state(device.removeprefix("PJSIP/"))
        if device.startswith("Custom:"):
            return self.others.get(device, "UNKNOWN")
        return self.others.get(device, "INVALID")

    def set_device(self, device: str, state: str) -> None:
        """A device that is no endpoint: queues' own, custom states. A repetition is not told."""
        if self.others.get(device) == state:
            return
        self.others[device] = state
        self.emit("DeviceStateChange", "call", [("Device", device), ("State", state)])
        self._members_changed(device)

    def member_tell(self, event: str, queue: Queue, member: Member) -> None:
        state = self.state_of(member.device)
        self.emit(event, "agent", shapes.queue_member_event(queue.name, member, state))

    def queue_available(self, queue: Queue) -> None:
        """``Queue:NAME_avail``: whether anybody could take a call."""
        ready = any(not m.paused and self.state_of(m.device) == "NOT_INUSE" for m in queue.members)
        self.set_device(f"Queue:{queue.name}_avail", "NOT_INUSE" if ready else "INUSE")

    def _members_changed(self, device: str) -> None:
        for queue in self.queues.values():
            concerned = [member for member in queue.members if member.device == device]
            for member in concerned:
                self.member_tell("QueueMemberStatus", queue, member)
            if concerned:
                self.queue_available(queue)

    def contact_changed(self, contact: Contact, status: str) -> None:
        """A contact's status, with what follows from it (res_pjsip/pjsip_options.c)."""
        before = contact.status
        contact.status = status
        name = contact.aor
        if status == "NonQualified":
            self.emit("ContactStatus", "system", shapes.contact_status(contact, status))
            return
        if status == "Removed":
            self.contacts.pop(contact.object_id, None)
            self.save()
        if before != status:
            word = "Reachable" if status == "Reachable" else "Unreachable"
            peer = [("ChannelType", "PJSIP"), ("Peer", f"PJSIP/{name}"), ("PeerStatus", word)]
            self.emit("PeerStatus", "system", peer)
            self.device_changed(name)
            self.emit("ContactStatus", "system", shapes.contact_status(contact, status))

    def registration_changed(self, registration: Registration, status: str) -> None:
        registration.status = status
        self.emit("Registry", "system", shapes.registry(registration, status))

    # --- channels ---

    def new_channel(
        self, endpoint: str, context: str, exten: str, state: int, linkedid: str = ""
    ) -> Channel:
        number = self.channels_made
        self.channels_made += 1
        uniqueid = f"{self.name}-{int(self.now())}.{number}"
        channel = Channel(
            name=f"PJSIP/{endpoint}-{number:08x}",
            uniqueid=uniqueid,
            linkedid=linkedid or uniqueid,
            endpoint=endpoint,
            context=context,
            exten=exten,
            state=state,
        )
        known = self.endpoints.get(endpoint)
        if known and known.caller_id:
            channel.caller = (known.name, known.caller_id)
        self.channels[channel.name] = channel
        self.tell("Newchannel", channel)
        return channel

    def tell(self, event: str, channel: Channel, *extra: Header) -> None:
        self.emit(event, "call", [*shapes.channel(channel), *extra])

    def execute(self, channel: Channel, application: str, data: str = "") -> None:
        """A step of the dialplan begins on the channel."""
        channel.application, channel.data = application, data
        steps = [("Extension", channel.exten), ("Application", application), ("AppData", data)]
        self.emit("Newexten", "dialplan", [*shapes.channel(channel), *steps])

    def set_state(self, channel: Channel, state: int) -> None:
        channel.state = state
        self.tell("Newstate", channel)

    def dial_event(self, event: str, caller: Channel, callee: Channel, extra: Header) -> None:
        headers = [*shapes.channel(caller), *shapes.channel(callee, "Dest"), extra]
        self.emit(event, "call", headers)

    def hung_up(self, channel: Channel, cause: int, tech: str = "") -> None:
        """The last event of a channel; ``tech`` is the SIP code, which Asterisk 22 adds."""
        causes: Frame = [("Cause", str(cause)), ("Cause-txt", CAUSES.get(cause, "Unknown"))]
        if tech:
            causes.append(("TechCause", tech))
        self.channels.pop(channel.name, None)
        self.legs.pop(channel.name, None)
        self.tell("Hangup", channel, *causes)
        self.device_changed(channel.endpoint)

    # --- bridges ---

    def bridge(self, *channels: Channel) -> Bridge:
        made = Bridge(str(uuid.uuid4()))
        self.bridges[made.uniqueid] = made
        self.emit("BridgeCreate", "call", shapes.bridge(made))
        for channel in channels:
            made.channels.append(channel)
            channel.bridge = made.uniqueid
            if channel.application == "AppDial":
                channel.exten = ""
            both = [*shapes.bridge(made), *shapes.channel(channel)]
            self.emit("BridgeEnter", "call", both)
        made.technology = "native_rtp"
        return made

    def leave(self, bridge: Bridge, channel: Channel) -> None:
        if channel in bridge.channels:
            bridge.channels.remove(channel)
            channel.bridge = ""
            both = [*shapes.bridge(bridge), *shapes.channel(channel)]
            self.emit("BridgeLeave", "call", both)

    def destroy(self, bridge: Bridge) -> None:
        self.bridges.pop(bridge.uniqueid, None)
        self.emit("BridgeDestroy", "call", shapes.bridge(bridge))
