"""The figures of ``status`` in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from orchestrator.core.words import Phase, Verdict

PREFIX: Final = "asterisk_orchestrator_"
_FATES: Final = ("carried", "linked", "stayed", "lost")
Samples = Iterable[tuple[tuple[str, ...], float | None]]


def exposition(status: dict[str, Any]) -> str:
    """What ``asterisk-orchestrator metrics`` prints. What is not known has no sample."""
    registry = CollectorRegistry()
    registry.register(_Collector(status))
    return generate_latest(registry).decode()


class _Collector:
    def __init__(self, status: dict[str, Any]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """All families, of one picture."""
        yield from _pair(self._status)
        yield from _nodes(self._status["active"], self._status["nodes"])
        yield from _warm(self._status["standby"])
        yield from _moves(self._status["move"], self._status["last_move"])
        yield from _service(self._status["service"])


def _gauge(name: str, doc: str, labels: tuple[str, ...], samples: Samples) -> GaugeMetricFamily:
    family = GaugeMetricFamily(PREFIX + name, doc, labels=labels)
    for values, number in samples:
        if number is not None:
            family.add_metric(values, number)
    return family


def _number(name: str, doc: str, number: float | None) -> GaugeMetricFamily:
    return _gauge(name, doc, (), [((), number)])


def _pair(status: dict[str, Any]) -> Iterator[Metric]:
    phases = [((phase.value,), float(phase == status["phase"])) for phase in Phase]
    yield _gauge("phase", "Where the pair is: 1 at one of the phases.", ("phase",), phases)
    yield _number("epoch", "Rises with every promotion.", status["epoch"])
    yield _number("held", "1: an operator's hold, nothing automatic.", bool(status["hold"]))
    yield _number("dry_run", "1: a dry run, which changes nothing.", status["dry_run"])
    trouble = bool(status["service"]["trouble"])
    yield _number("deciding", "0: the service watches but decides nothing.", not trouble)


def _nodes(active: str, nodes: dict[str, Any]) -> Iterator[Metric]:
    verdicts = [
        ((name, verdict.value), float(verdict == node["verdict"]))
        for name, node in nodes.items()
        for verdict in Verdict
    ]
    yield _gauge("node_verdict", "1 at the node's verdict.", ("node", "verdict"), verdicts)
    actives = [((name,), float(name == active)) for name in nodes]
    yield _gauge("node_active", "1: the node is active.", ("node",), actives)
    for name, key, doc in (
        ("node_address", "address", "1: the node holds the virtual IP."),
        ("node_calls", "calls", "Calls in progress."),
        ("node_channels", "channels", "Channels, stuck ones too."),
        ("node_callers_waiting", "waiting", "Callers that wait in queues."),
        ("node_phones_known", "phones_known", "Phones with a contact."),
        ("node_phones_reachable", "phones_reachable", "Phones that answer the node."),
    ):
        believed = name == "node_address"
        samples = [
            ((node,), values[key] if believed or values["fresh"] else None)
            for node, values in nodes.items()
        ]
        yield _gauge(name, doc, ("node",), samples)


def _warm(standby: dict[str, Any] | None) -> Iterator[Metric]:
    if standby is None:
        return
    label = (standby["node"],)
    for name, key, doc in (
        ("standby_ready", "ready", "1: the standby could take over now."),
        ("standby_phones", "phones", "Phones that the active has."),
        ("standby_phones_known", "phones_known", "Of these: the standby has their contacts."),
        ("standby_phones_ready", "phones_ready", "Of these: reached by the standby itself."),
        ("standby_queues", "queues", "Queues that the active has."),
        ("standby_queues_ready", "queues_ready", "Of these: their agents could be rung there."),
        ("mirror_age_seconds", "mirror_age_s", "Since the last complete comparison."),
        ("clock_difference_seconds", "clock_s", "The standby's clock minus the active's."),
    ):
        yield _gauge(name, doc, ("standby",), [(label, standby[key])])


def _moves(move: dict[str, Any] | None, last: dict[str, Any] | None) -> Iterator[Metric]:
    yield _number("move_in_progress", "1: a move is in progress.", move is not None)
    if move is not None:
        drain, evacuation = move["drain"], move["evacuation"]
        yield _number("move_calls_left", "On the old active.", drain["calls"] if drain else None)
        counts = _fates(evacuation) if evacuation else []
        yield _gauge("move_calls", "Calls of this move, by what became of them.", ("fate",), counts)
    if last is not None:
        counts = [*_fates(last), (("cut",), float(len(last["cut"])))]
        yield _gauge("last_move_calls", "Calls of the last move.", ("fate",), counts)
        yield _number("last_move_timestamp_seconds", "When it ended.", last["ended_at"])
        yield _number(
            "last_move_seconds", "How long it took.", last["ended_at"] - last["started_at"]
        )
        ok = last["outcome"] == "active"
        yield _number("last_move_done", "1: it ended with the new node active.", ok)


def _fates(calls: dict[str, Any]) -> list[tuple[tuple[str, ...], float]]:
    """Carried is a number, the others are lists in words."""
    numbers = {name: calls[name] for name in _FATES}
    return [
        ((name,), float(value if isinstance(value, int) else len(value)))
        for name, value in numbers.items()
    ]


def _service(service: dict[str, Any]) -> Iterator[Metric]:
    yield _gauge("build_info", "The running version.", ("version",), [((service["version"],), 1.0)])
    yield _number("start_time_seconds", "When the service started.", service["started_at"])
    yield _number("longest_step_seconds", "So far.", service["longest_step_ms"] / 1000)
    yield CounterMetricFamily(
        PREFIX + "events_dropped", "By a full queue.", value=service["events_dropped"]
    )
