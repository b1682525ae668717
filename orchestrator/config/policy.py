"""Settings → the core's ``Policy``: what decisions may know of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.language.hours import WEEKDAYS
from orchestrator.core.state import (
    EvacuationPolicy,
    FailbackPolicy,
    MirrorPolicy,
    NodePolicy,
    Policy,
    TrunkPolicy,
)

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
        automatic_moves=settings.automatic_moves.times,
        automatic_within_s=settings.automatic_moves.within_s,
        timezone=settings.timezone,
        failback=_failback(settings),
        mirror=_mirror(settings),
        evacuation=_evacuation(settings),
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


def _mirror(settings: Settings) -> MirrorPolicy | None:
    """Contacts are read and written by ARI: without it at both nodes they are left alone."""
    mirror = settings.mirror
    if mirror is None:
        return None
    return MirrorPolicy(
        contacts=mirror.contacts and all(node.ari for node in settings.nodes.values()),
        queues=mirror.queues,
        devices=mirror.device_states,
        families=mirror.astdb,
        compare_every_s=mirror.compare_every,
    )


def _evacuation(settings: Settings) -> EvacuationPolicy | None:
    evacuation = settings.evacuation
    if evacuation is None:
        return None
    return EvacuationPolicy(
        user_agents=evacuation.user_agents,
        variables=evacuation.variables,
        link_others=evacuation.others == "link",
        at_once=evacuation.at_once,
        patience_s=evacuation.patience,
    )
