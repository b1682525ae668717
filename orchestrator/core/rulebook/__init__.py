"""What belongs to a rule: its timers, windows, memory, requests and explanation."""
