"""What a rule that fired, fired again or cleared asks for, in words that carry the reason."""

from __future__ import annotations

from dataclasses import replace

from immutables import Map

from orchestrator.core.language.durations import say_duration
from orchestrator.core.language.trace import say_facts
from orchestrator.core.language.types import Look
from orchestrator.core.rulebook.timers import Change
from orchestrator.core.rulebook.types import (
    Action,
    Ask,
    AskAmiAction,
    AskCommand,
    AskHold,
    AskMove,
    AskNotify,
    Request,
    Rule,
)
from orchestrator.core.words import Severity


def requests_of(rule: Rule, change: Change, look: Look) -> list[Request]:
    """The requests of this change; none where the rule has nothing to say."""
    requests = _requests_of(rule, change, look)
    return [replace(one, observed=True) for one in requests] if rule.observe else requests


def _requests_of(rule: Rule, change: Change, look: Look) -> list[Request]:
    reason = reason_of(rule, look)
    if change is Change.LIMITED:
        return [_limited(rule, reason)]
    if change is Change.CLEARED:
        return _cleared(rule, reason, look)
    actions = _repeated(rule, look) if change is Change.REPEATED else rule.do
    return [_request(rule, action, reason, look) for action in actions]


def _repeated(rule: Rule, look: Look) -> tuple[Action, ...]:
    """A rule that asks for a move repeats the move alone, and not while it cannot be granted."""
    moves = tuple(action for action in rule.do if isinstance(action, AskMove))
    if moves and (look.state.move is not None or look.state.hold is not None):
        return ()
    return moves or rule.do


def reason_of(rule: Rule, look: Look) -> str:
    """The rule's own text for it, else ``<what it means> (active.verdict is dead; for 20 s …)``.

    A text of its own has the facts that matter in it; ``explain`` has them all.
    """
    if rule.fired:
        return rule.fired.render(look).strip().rstrip(".")
    meaning = rule.description or rule.when.text
    details = [facts] if (facts := say_facts(rule.when, look)) else []
    if rule.for_s:
        details.append(f"for {say_duration(rule.for_s)} or longer")
    return f"{meaning.rstrip('.')} ({'; '.join(details)})" if details else meaning


def _limited(rule: Rule, reason: str) -> Request:
    limit = rule.limit
    assert limit is not None
    text = (
        f"Rule {rule.name} fired again, but it may act at most {limit.times} times within "
        f"{say_duration(limit.within_s)}, so nothing was done. Why it fired: {reason}. Look into "
        "it; if a move is needed, order it by hand (asterisk-orchestrator failover or switchover)."
    )
    title = f"{rule.name}: limit reached, nothing was done"
    args = Map(severity=Severity.CRITICAL, title=title, text=text)
    return Request(rule.name, Ask.NOTIFY, reason, args)


def _cleared(rule: Rule, reason: str, look: Look) -> list[Request]:
    if rule.cleared is None:
        return []
    notify = next((action for action in rule.do if isinstance(action, AskNotify)), None)
    title = notify.title.render(look) if notify else rule.name
    args = Map(severity=Severity.INFO, title=f"Over: {title}", text=rule.cleared.render(look))
    return [Request(rule.name, Ask.NOTIFY, reason, args)]


def _request(rule: Rule, action: Action, reason: str, look: Look) -> Request:
    if isinstance(action, AskMove):
        at_most = {} if action.at_most_s is None else {"at_most_s": action.at_most_s}
        return Request(rule.name, action.ask, reason, Map(at_most))
    if isinstance(action, AskHold):
        until = {} if action.for_s is None else {"for_s": action.for_s}
        args = Map({"reason": action.reason.render(look), **until})
        return Request(rule.name, Ask.HOLD, reason, args)
    if isinstance(action, AskNotify):
        title, text = action.title.render(look), action.text.render(look)
        notify = Map(severity=action.severity, title=title, text=text)
        return Request(rule.name, Ask.NOTIFY, reason, notify)
    if isinstance(action, AskAmiAction):
        args = Map({"node": _node(action.node, look), "action": action.action})
        return Request(rule.name, Ask.AMI_ACTION, reason, args)
    return _command(rule, action, reason, look)


def _command(rule: Rule, action: AskCommand, reason: str, look: Look) -> Request:
    args = Map({"node": _node(action.node, look), "name": action.name})
    return Request(rule.name, Ask.COMMAND, reason, args)


def _node(word: str, look: Look) -> str:
    """A node's name; empty while nobody knows which one is active."""
    roles = {"active": look.state.active, "standby": look.state.standby(look.policy)}
    return roles.get(word, word)
