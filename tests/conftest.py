"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# How long one example takes says how busy the machine is; tests are stopped by their own timeout.
settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")
