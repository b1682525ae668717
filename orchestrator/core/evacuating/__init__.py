"""The parts of an evacuation: which calls, how each leg, how each call fares, what is learned."""
