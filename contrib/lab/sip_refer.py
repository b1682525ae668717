"""What a phone does when it is asked to call somebody else instead (REFER, RFC 3515)."""

from __future__ import annotations

import contextlib
from enum import StrEnum
from typing import TYPE_CHECKING

from contrib.lab.sip_call import Call
from contrib.lab.sip_message import Message, endpoint_of, uri_in, user_of
from contrib.lab.sip_transaction import Address, NoAnswer

if TYPE_CHECKING:
    from contrib.lab.sip import Agent

REFER_S = 32.0


class Habit(StrEnum):
    """The habits of real phones, good and bad."""

    HONOUR = "honour"  # 202, calls the address, tells how it went, waits for the old call's BYE
    NAIVE = "naive"  # the same, but tells the challenge of its INVITE as if it were the end
    DECLINE = "decline"  # 603
    IGNORE = "ignore"  # no answer at all
    HALF_WAY = "half-way"  # 202, and nothing follows
    FAILING = "failing"  # 202, then tells a 503, and stays


def referred(agent: Agent, call: Call, request: Message, source: Address) -> None:
    """Does with a REFER as the agent's habit is."""
    if agent.habit is Habit.IGNORE:
        return
    accepted = agent.habit is not Habit.DECLINE
    status = "202 Accepted" if accepted else "603 Decline"
    agent.reply(request, status, source)
    if accepted and agent.habit is not Habit.HALF_WAY:
        agent.in_background(_follow(agent, call, uri_in(request.get("refer-to"))))


async def _follow(agent: Agent, call: Call, uri: str) -> None:
    if agent.habit is Habit.FAILING:
        await _tell(call, "SIP/2.0 503 Service Unavailable", final=True)
        return
    agent.in_background(_tell(call, "SIP/2.0 100 Trying", final=False))

    def challenged(answer: Message) -> None:
        if agent.habit is Habit.NAIVE:
            agent.in_background(_tell(call, answer.start, final=True))

    call.follows = True
    try:
        new, answer = await agent.invite(
            user_of(uri), endpoint_of(uri), REFER_S, audio=call.audio, challenged=challenged
        )
        line, answered = answer.start, answer.status < 300
    except NoAnswer:
        line, answered = "SIP/2.0 408 Request Timeout", False
    call.follows = False
    if not answered and call.let_go:
        call.end("them")
    elif not answered:
        await _tell(call, line, final=True)
    elif call.ended.is_set():  # hung up meanwhile
        await new.hang_up()
    else:
        await _tell(call.become(new), line, final=True)


async def _tell(call: Call, line: str, *, final: bool) -> None:
    """NOTIFY with how the referred call goes; nobody is left to hear it when it is over."""
    state = "terminated;reason=noresource" if final else "active;expires=60"
    extra = [
        ("Event", "refer"),
        ("Subscription-State", state),
        ("Content-Type", "message/sipfrag;version=2.0"),
    ]
    with contextlib.suppress(NoAnswer):
        await call.request("NOTIFY", 5, extra, f"{line}\r\n")
