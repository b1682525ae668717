"""The lab: two real Asterisk nodes, a provider, a client and a control place, in namespaces.

>>> with Lab.up(name="trial", asterisk=22) as lab:
...     lab.node("a").kill()
"""

from contrib.lab.errors import LabError
from contrib.lab.lab import Lab
from contrib.lab.node import Node

__all__ = ["Lab", "LabError", "Node"]
