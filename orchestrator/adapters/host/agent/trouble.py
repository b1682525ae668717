"""What goes wrong and is told."""


class Trouble(Exception):
    """What is said back to the orchestrator as the ``error`` of a reply."""
