"""Rules without a pair: tests in virtual time, and replays of what really happened.

``world`` is a pair whose facts are what somebody says they are, ``play`` lets rules live in it.
"""
