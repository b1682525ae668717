"""What can go wrong in the lab, in words for the person at the keyboard."""

from __future__ import annotations


class LabError(Exception):
    """Says what happened, what was or was not done, and what to do now."""
