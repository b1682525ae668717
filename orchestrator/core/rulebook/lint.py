"""What is sound in a rule and yet hardly meant: each a sentence with what to do instead. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.core.language.parts import Condition
from orchestrator.core.language.sense import Sense
from orchestrator.core.rulebook.types import MOVES, Ask, AskMove, Rule

_SENSELESS = {
    ("when", Sense.NEVER): "can never be true, so the rule never fires; terms exclude each other",
    ("when", Sense.ALWAYS): "is true whatever happens, so the rule fires once and stays so",
    ("clear_when", Sense.NEVER): "can never be true, so what has fired never clears",
    ("clear_when", Sense.ALWAYS): "is true whatever happens, so what has fired clears at once",
}

_FIGHT = (
    "can fight with rule '{name}' ({where}): both read {shared} and can be true at once, so one"
    " moves back what the other moves away; let one be inhibited_by the other, or let their"
    " conditions exclude each other"
)


def senseless(key: str, condition: Condition) -> str:
    """Why a ``when`` or ``clear_when`` makes no sense; empty: it does."""
    sense = condition.formula.sense() if condition.formula else Sense.EITHER
    return _SENSELESS.get((key, sense), "")


def hasty(rule: Rule) -> str:
    """Why a move is asked for too soon; a verdict, which observers agree on, needs no wait."""
    moves = sorted(_moves(rule))
    if not moves or rule.for_s or not _facts(rule.when) - {"verdict"}:
        return ""
    return (
        f"asks for a {moves[0]} without 'for': what is true for one moment would move the pair;"
        " add how long it must last, such as 'for: 15s'"
    )


def fights(rules: Sequence[Rule]) -> Iterator[tuple[Rule, str]]:
    """Rules of which one moves away while the other moves back, each with the sentence."""
    for away in rules:
        for back in rules:
            shared = _shared(away, back)
            if shared:
                yield away, _FIGHT.format(name=back.name, where=back.where, shared=shared)


def _shared(away: Rule, back: Rule) -> str:
    """A fact of a node that both decide by, when both could fire at once; else empty."""
    first, second = away.when.formula, back.when.formula
    opposed = Ask.FAILBACK in _moves(back) and _moves(away) - {Ask.FAILBACK}
    linked = away.name in back.inhibited_by or back.name in away.inhibited_by
    if not opposed or linked or first is None or second is None:
        return ""
    common = sorted(set(first.subjects) & set(second.subjects))
    common = [subject for subject in common if not subject.startswith(("pair.", "failback."))]
    if not common or first.together_with(second).sense() is Sense.NEVER:
        return ""
    return common[0]


def _moves(rule: Rule) -> set[Ask]:
    """What it really asks for: a rule that only observes moves nothing."""
    asks = {action.ask for action in rule.do if isinstance(action, AskMove)} & MOVES
    return set() if rule.observe else asks


def _facts(condition: Condition) -> set[str]:
    """The facts of nodes that it reads, whichever node's."""
    read = (source.partition("/") for source in condition.sources)
    return {fact for root, _, fact in read if fact and root != "pair"}
