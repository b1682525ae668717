"""Event-driven high-availability orchestrator for Asterisk pairs."""

__version__ = "0.1.0"
