"""The embedded pair: simulated Asterisk nodes on loopback, without root and without Asterisk.

Two nodes and a provider, each a process of its own that speaks AMI, ARI and SIP as Asterisk 22
does, under the API and the command line of the real lab (contrib/lab). The orchestrator cannot
tell.
"""

from orchestrator.simulator.lab import Lab
from orchestrator.simulator.parts import LabError, Node

__all__ = ["Lab", "LabError", "Node"]
