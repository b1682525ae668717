"""What phones do with a REFER: by the site's list, and by what was seen.

A phone that ignores a REFER loses its call (Asterisk ends it after 32 s), so one of which nothing
is known is never sent one.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from orchestrator.core.evacuating.records import Habit
from orchestrator.core.machine.work import Work
from orchestrator.core.policy import EvacuationPolicy
from orchestrator.core.words import ReferHabit

_SEEN = {
    ReferHabit.HONOURS: "follows a REFER",
    ReferHabit.DECLINES: "declines a REFER",
    ReferHabit.IGNORES: "ignores a REFER",
}


def obstacle(user_agent: str, habits: Mapping[str, Habit], policy: EvacuationPolicy) -> str:
    """Why phones of this User-Agent may not be sent a REFER; empty: they may."""
    if not user_agent:
        return "the User-Agent of its phone is not known"
    seen = habits.get(user_agent)
    if seen is not None:
        if seen.habit is ReferHabit.HONOURS:
            return ""
        return f"{user_agent} {_SEEN[seen.habit]} (seen with {seen.endpoint})"
    if any(fnmatchcase(user_agent, pattern) for pattern in policy.user_agents):
        return ""
    return f"it is not known whether {user_agent} follows a REFER"


def is_proven(user_agent: str, habits: Mapping[str, Habit]) -> bool:
    """Whether a phone of it was seen to follow, not only listed as one that does."""
    seen = habits.get(user_agent)
    return seen is not None and seen.habit is ReferHabit.HONOURS


def learn(work: Work, user_agent: str, habit: ReferHabit, endpoint: str) -> None:
    """Remember what a phone did, and say so when it is news."""
    if not user_agent:
        return
    before = work.state.habits.get(user_agent)
    if before is not None and before.habit is habit:
        return
    work.set(habits=work.state.habits.set(user_agent, Habit(habit, work.now, endpoint)))
    work.note(f"learned: {user_agent} {_SEEN[habit]} (seen with {endpoint})")
