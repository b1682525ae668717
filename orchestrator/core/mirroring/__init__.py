"""The rooms of the mirror: what to read, what to write, what became of it."""
