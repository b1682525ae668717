"""Settings → the core's ``Policy``: what decisions may know of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.language.hours import WEEKDAYS
from orchestrator.core.state import FailbackPolicy, NodePolicy, Policy, TrunkPolicy

if TYPE_CHECKING:
    from orchestrator.config.settings import Settings


def make_policy(settings: Settings) -> Policy:
    """The site's decisions, in the core's words."""
    silence_s, fencing, drain = settings.silence_s, settings.fencing, settings.drain
    first, second = _nodes(settings)
    return Policy(
        nodes=(first, second),
        trunks=tuple(
            TrunkPolicy(t.registration, t.endpoint, t.server_uri, t.client_uri)
            for t in settings.service.trunks
        ),
        silence_s=silence_s,
        stale_s=max(10.0, 5 * silence_s),
        tick_s=0.02 if settings.profile == "fast" else 0.05,
        drain_mode=drain.mode,
        drain_deadline_s=drain.deadline,
        at_deadline=drain.at_deadline,
        stuck_after_s=drain.stuck_after,
        fence_dead=fencing.dead,
        fence_hung=fencing.hung,
        fence_unreachable=fencing.unreachable,
        proceed_when_fencing_fails=fencing.if_it_fails == "proceed",
        promote_hook="promote" if settings.hooks.promote else "",
        demote_hook="demote" if settings.hooks.demote else "",
        timezone=settings.timezone,
        failback=_failback(settings),
    )


def _nodes(settings: Settings) -> tuple[NodePolicy, ...]:
    return tuple(
        NodePolicy(
            name=name,
            address=node.address,
            preferred=node.preferred,
            has_host=node.host is not None,
            has_ari=node.ari is not None,
        )
        for name, node in settings.nodes.items()
    )


def _failback(settings: Settings) -> FailbackPolicy | None:
    if settings.failback is None:
        return None
    days = frozenset(WEEKDAYS.index(day) for day in settings.failback.days)
    return FailbackPolicy(settings.failback.hours, days, settings.failback.after)
