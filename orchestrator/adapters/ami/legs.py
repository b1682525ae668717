"""What contrib/asterisk/extensions-evacuate.conf tells of an evacuated leg, as a domain event."""

from __future__ import annotations

from orchestrator.adapters.ami.wire import key, text, value
from orchestrator.core.events import LegSeen
from orchestrator.core.words import LegRole, LegStep

_USER_EVENT, _CALL, _LEG = key("UserEvent"), key("Call"), key("Leg")
_STEP, _DETAIL, _SPOKE, _UNIQUEID = key("Step"), key("Detail"), key("Spoke"), key("Uniqueid")
_ROLES = {role.value.encode(): role for role in LegRole}
_STEPS = {step.value.encode(): step for step in LegStep}


def leg_seen(node: str, raw: bytes) -> LegSeen | None:
    """``UserEvent Evacuation``; None for others, and for those who called without a ticket."""
    if value(raw, _USER_EVENT) != b"Evacuation":
        return None
    role, step = _ROLES.get(value(raw, _LEG)), _STEPS.get(value(raw, _STEP))
    call = text(raw, _CALL)
    if not call or role is None or step is None:
        return None
    spoke = text(raw, _SPOKE) or text(raw, _UNIQUEID)  # Spoke: it is told on another's channel
    return LegSeen(node, call, role, step, spoke, text(raw, _DETAIL))
