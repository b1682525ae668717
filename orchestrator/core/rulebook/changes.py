"""What a new set of rules changes, in words. Pure."""

from __future__ import annotations

from orchestrator.core.rules import RuleSet


def changes(old: RuleSet, new: RuleSet) -> str:
    """``changed: a, b (their timers begin anew); new: c; gone: d; 7 as before``."""
    before = {rule.name: rule.key for rule in old.rules}
    after = {rule.name: rule.key for rule in new.rules}
    common = sorted(before.keys() & after)
    changed = [name for name in common if before[name] != after[name]]
    said = [
        (f"changed: {', '.join(changed)} (their timers begin anew)", bool(changed)),
        (f"new: {', '.join(sorted(after.keys() - before))}", bool(after.keys() - before)),
        (f"gone: {', '.join(sorted(before.keys() - after))}", bool(before.keys() - after)),
        (f"{len(common) - len(changed)} as before", True),
    ]
    return "; ".join(text for text, told in said if told)
