"""Learns what phones do with a REFER by test calls: each phone is called and referred to itself.

One phone after another, in the steady state only, and only phones that are idle. One answer per
User-Agent is enough: further phones of it are not disturbed.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.commands import ProbePhone
from orchestrator.core.evacuating.book import is_seen
from orchestrator.core.evacuating.habits import learn
from orchestrator.core.events import PhoneProbed, ProbeRequested
from orchestrator.core.machine.work import Work
from orchestrator.core.picture.observe_calls import endpoint_of
from orchestrator.core.state import Node, Probing
from orchestrator.core.words import ContactStatus, Phase, ReferHabit, Severity

TEST_CALL_S = 20.0  # a phone that lets itself be rung, and one REFER that may be ignored

_WORDS = {
    ReferHabit.HONOURS: "follows a REFER: its calls can be carried over",
    ReferHabit.DECLINES: "declines a REFER: its calls stay",
    ReferHabit.IGNORES: "ignores a REFER, which would cost it its call: it is never sent one",
    None: "it could not be told",
}


def probe(work: Work, order: ProbeRequested) -> tuple[bool, str]:
    """Begin the test calls that an operator asked for, or say why not."""
    why = _refusal(work)
    if why:
        return False, f"no phone was called: {why}"
    node = work.node(work.state.active)
    obstacles = {endpoint: _obstacle(node, endpoint) for endpoint in order.endpoints}
    called = tuple((e, _user_agent(node, e)) for e, lack in obstacles.items() if not lack)
    others = "; ".join(f"{endpoint} {lack}" for endpoint, lack in obstacles.items() if lack)
    if not called:
        return False, f"no phone was called: {others or 'none was named'}"
    work.set(probing=Probing(order.by, called))
    names = ", ".join(endpoint for endpoint, _ in called)
    sentence = (
        f"test calls from {node.name}, one after another and one for each User-Agent, to {names};"
        " what comes out is told in the log and kept"
    )
    return True, sentence + (f". Not called: {others}" if others else "")


def phone_probed(work: Work, event: PhoneProbed) -> None:
    """A test call has shown something."""
    if event.habit is not None:
        learn(work, event.user_agent, event.habit, event.endpoint)
    said = f"{event.endpoint} ({event.user_agent}): {_WORDS[event.habit]}"
    if event.detail:
        said += f" ({event.detail})"
    work.note(said)
    probing = work.state.probing
    if probing is not None and event.endpoint == probing.endpoint:
        known = [] if event.habit is None else [event.user_agent]
        left = tuple(item for item in probing.left if item[1] not in known)
        work.set(probing=replace(probing, left=left, said=(*probing.said, said)))


def keep_probing(work: Work) -> None:
    """Make the next test call when the last one is over."""
    probing = work.state.probing
    if probing is None or probing.number in work.state.asked:
        return
    why = _refusal(work, running=True)
    if why or not probing.left:
        _end(work, probing, why)
        return
    (endpoint, user_agent), left = probing.left[0], probing.left[1:]
    node = work.node(work.state.active)
    lack = _obstacle(node, endpoint)
    if lack:
        said = (*probing.said, f"{endpoint} {lack}: not called")
        work.set(probing=replace(probing, left=left, said=said))
        return
    number = work.send(
        f"test call to {endpoint}",
        lambda i, e, t: ProbePhone(
            id=i, epoch=e, timeout_s=t, node=node.name, endpoint=endpoint, user_agent=user_agent
        ),
        TEST_CALL_S,
    )
    work.set(probing=replace(probing, left=left, number=number, endpoint=endpoint))


def _end(work: Work, probing: Probing, why: str) -> None:
    work.set(probing=None)
    said = "; ".join(probing.said) or "no phone answered its test call"
    rest = f". Broken off before {len(probing.left)} more: {why}" if probing.left else ""
    work.tell(Severity.INFO, "test calls are over", f"Asked for by {probing.by}: {said}{rest}.")


def _refusal(work: Work, running: bool = False) -> str:
    state = work.state
    if state.probing is not None and not running:
        return f"test calls asked for by {state.probing.by} are being made; wait for their end"
    if state.move is not None or state.phase is not Phase.STEADY or not state.active:
        return "test calls are made in the steady state only, and it is not steady now"
    if state.hold is not None:
        return f"held by {state.hold.by} ({state.hold.reason}); release first"
    if not is_seen(work, work.node(state.active)):
        return f"the calls on {state.active} are not seen now, so a phone could be disturbed"
    return ""


def _obstacle(node: Node, endpoint: str) -> str:
    """Why this phone is not called; empty: it can be."""
    if any(endpoint_of(channel.name) == endpoint for channel in node.channels.values()):
        return "is in a call"
    contacts = [c for c in node.contacts.values() if c.aor == endpoint]
    if not contacts:
        return f"is not registered on {node.name}"
    if any(c.status is ContactStatus.UNREACHABLE for c in contacts):
        return "cannot be reached"
    if len({c.user_agent for c in contacts}) > 1:
        return "has several phones of different kinds: which one answers cannot be told"
    return "" if contacts[0].user_agent else "has no known User-Agent"


def _user_agent(node: Node, endpoint: str) -> str:
    return next(c.user_agent for c in node.contacts.values() if c.aor == endpoint)
