"""SIP from the orchestrator: is a node answering, and is the service address really served?"""

from __future__ import annotations

from orchestrator.adapters.probe.options import SipProbe
from orchestrator.adapters.probe.service import ServiceProof, verify_service

__all__ = ["ServiceProof", "SipProbe", "verify_service"]
