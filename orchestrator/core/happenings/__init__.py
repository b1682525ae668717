"""Behind ``core/events.py``: the kinds of events that are many or long to explain."""
