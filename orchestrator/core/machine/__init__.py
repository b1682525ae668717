"""The parts of the failover machine: its table, its phases, its upkeep."""
