"""Rooms of the readiness: what the standby has of the active's phones and queues."""
