"""The real engine against the modelled pair, with the invariants checked after each step."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from orchestrator.config import load_rules
from orchestrator.core import durable
from orchestrator.core.commands import AddAddress, Evacuate, Reading
from orchestrator.core.engine import Engine
from orchestrator.core.events import Event, Tick
from orchestrator.core.rules import RuleSet
from orchestrator.core.state import Channel, NodePolicy, Pair, Policy, TrunkPolicy
from orchestrator.core.words import (
    AtDeadline,
    Carry,
    ChannelState,
    DrainMode,
    MoveKind,
    Phase,
    ReferHabit,
    Verdict,
)
from tests.simulation.world import World

RULES = Path(__file__).resolve().parents[2] / "rules"
LOST = {Verdict.DEAD, Verdict.HUNG, Verdict.UNREACHABLE}
SERVED = {Verdict.HEALTHY, Verdict.IMPAIRED}


def make_policy(
    mode: DrainMode | None = DrainMode.OVERLAP,
    at_deadline: AtDeadline = AtDeadline.WAIT,
    **changes: object,
) -> Policy:
    values: dict[str, object] = {
        "nodes": (
            NodePolicy("pbx-a", "10.0.0.1", preferred=True), NodePolicy("pbx-b", "10.0.0.2"),
        ),
        "trunks": (TrunkPolicy("trunk-reg", "trunk"),),
        "silence_s": 1.0, "stale_s": 3.0, "tick_s": 0.1, "learning_s": 2.0,
        "step_timeout_s": 2.0, "trunk_timeout_s": 3.0, "verify_timeout_s": 1.0,
        "automatic_moves": 1000,
        "drain_mode": mode, "drain_deadline_s": 10.0, "at_deadline": at_deadline,
    }  # fmt: skip
    return Policy(**{**values, **changes})  # type: ignore[arg-type]


@cache
def shipped_rules(*names: str) -> RuleSet:
    files = sorted(str(RULES / f"{name}.yaml") for name in names)
    return load_rules(files, ("pbx-a", "pbx-b"), ())


class Broken(AssertionError):
    """An invariant does not hold; the message has the whole timeline."""


class Player:
    """Runs the orchestrator: wakes at events and ticks, keeps the journal, may crash and resume."""

    def __init__(self, world: World, rules: RuleSet) -> None:
        self.world, self.engine = world, Engine(world.policy, rules)
        self.state: Pair = self.engine.start(0.0)
        self.disk = json.dumps(durable.to_json(self.state))
        self.next_tick = 0.0
        self.stalled_until = 0.0
        self.said: set[str] = set()
        self.steps = 0

    # --- running

    def run(self, seconds: float, quantum: float = 0.05) -> None:
        until = self.world.now + seconds
        while self.world.now < until - 1e-9:
            self.world.run_until(self.world.now + quantum)
            self.check_truth()
            self.check_calls()
            if self.world.orchestrator_up and self.world.now >= self.stalled_until:
                self.wake()

    def wake(self) -> None:
        batch: list[Event] = self.world.inbox
        self.world.inbox = []
        if self.world.now >= self.next_tick - 1e-9:
            batch.append(Tick())
            self.next_tick = self.world.now + self.world.policy.tick_s
        if batch:
            self.step(batch)

    def step(self, batch: list[Event]) -> None:
        before = self.state
        self.state, commands = self.engine.step(before, batch, self.world.now)
        self.steps += 1
        self._tell(before)
        self.check_decision(before, commands)
        if any(
            getattr(before, name) is not getattr(self.state, name)
            for name in ("phase", "active", "epoch", "hold", "move", "history", "next_command",
                         "waiting", "habits")
        ):  # fmt: skip
            self.disk = json.dumps(durable.to_json(self.state))
        for command in commands:
            self.world.carry_out(command)

    def order(self, *events: Event) -> str:
        """An operator's order and the answer to it."""
        self.step(list(events))
        return "; ".join(answer.sentence for answer in self.state.answers)

    def crash(self) -> None:
        self.world.say("the orchestrator is killed")
        self.world.orchestrator_up = False
        self.world.inbox = []
        for node in self.world.nodes.values():
            node.in_step = node.known_guarded = False

    def restart(self) -> None:
        self.world.say("the orchestrator is started again")
        self.world.orchestrator_up = True
        self.world.inbox = []
        record = durable.from_json(json.loads(self.disk))
        self.state = self.engine.resume(record, self.world.now)
        self.next_tick = self.world.now

    def _tell(self, before: Pair) -> None:
        world = self.world
        for name, node in self.state.nodes.items():
            if node.verdict is not before.nodes[name].verdict:
                world.say(f"verdict: {node.verdict_why} = {node.verdict}")
        if self.state.phase is not before.phase:
            world.say(f"phase {before.phase} -> {self.state.phase}, active {self.state.active}")
        for note in self.state.notes:
            if note not in before.notes:
                world.say(f"note: {note}")

    # --- what must always be so

    def check_truth(self) -> None:
        serving = [node.name for node in self.world.nodes.values() if node.serves]
        if len(serving) > 1:
            raise Broken(self.story("two nodes serve the address"))

    def check_decision(self, before: Pair, commands: tuple[object, ...]) -> None:
        for command in commands:
            if self.engine.policy.dry_run and not isinstance(command, Reading):
                raise Broken(self.story(f"a dry run asked for {type(command).__name__}"))
            if isinstance(command, AddAddress):
                self._check_promotion(before, command)
            elif isinstance(command, Evacuate):
                self._check_sent(command)
        self._check_report(before)
        if self.state.epoch < before.epoch:
            raise Broken(self.story("the epoch fell"))

    def _check_promotion(self, before: Pair, command: AddAddress) -> None:
        state, move = self.state, self.state.move
        other = self.world.policy.other(command.node)
        if state.nodes[other].could_serve and not (move and move.vouched):
            raise Broken(self.story(f"{command.node} promoted although {other} could serve"))
        if move is None or command.node != move.to_node:
            return
        if state.nodes[command.node].verdict not in SERVED and not move.force:
            raise Broken(self.story(f"{command.node} promoted while not known to be well"))
        if move.kind is MoveKind.FAILOVER:
            return
        if move.mode is DrainMode.DRAIN_FIRST and state.phase is Phase.MOVING_ADDRESS:
            overdue = move.deadline_at is not None and state.now >= move.deadline_at
            if self.world.nodes[move.from_node].calls and not overdue:
                raise Broken(self.story("the address moved before the old active was drained"))

    def _check_sent(self, command: Evacuate) -> None:
        state = self.state
        old, new = state.nodes[command.node], state.nodes[command.to_node]
        if new.verdict is not Verdict.HEALTHY or not new.in_sync or new.shutting_down:
            raise Broken(self.story(f"a call was sent to {new.name}, which is not well"))
        named = {channel.name: channel for channel in old.channels.values()}
        for leg in command.legs:
            channel = named.get(leg.channel)
            if channel is None or channel.state is not ChannelState.UP:
                raise Broken(self.story(f"{leg.channel} was sent, which is not up"))
            if leg.carry is Carry.REFER and not self._follows(channel):
                raise Broken(self.story(f"{leg.channel} was sent a REFER it may not follow"))
        calls = state.move.evacuation.calls if state.move and state.move.evacuation else ()
        legs = [leg.uniqueid for call in calls if call.fate == "under way" for leg in call.legs]
        if len(legs) != len(set(legs)):
            raise Broken(self.story("a leg is under way twice"))

    def _follows(self, channel: Channel) -> bool:
        endpoint = channel.name.partition("/")[2].partition("-")[0]
        agent = f"{self.world.calls.habit(int(endpoint))} 1.0"
        seen = self.state.habits.get(agent)
        if seen is not None:
            return seen.habit is ReferHabit.HONOURS
        policy = self.world.policy.evacuation
        return policy is not None and f"{agent.split()[0]}*" in policy.user_agents

    def _check_report(self, before: Pair) -> None:
        """Every call that was sent is in the report, once."""
        if len(self.state.history) == len(before.history) or before.move is None:
            return
        report, evacuation = self.state.history[-1], before.move.evacuation
        told = report.carried + len(report.linked) + len(report.stayed) + len(report.lost)
        if evacuation is not None and told < len(evacuation.calls):
            raise Broken(self.story(f"of {len(evacuation.calls)} calls {told} are in the report"))

    def check_calls(self) -> None:
        """A call ends before its time only by a fault, or by a phone that is not as it was said."""
        for talk in self.world.calls.lost:
            if not (talk.fault or talk.liar):
                raise Broken(self.story(f"call {talk.number} was lost: {talk.over}"))

    def story(self, why: str) -> str:
        lines = [f"{at:8.3f}  {what}" for at, what in self.world.line]
        return "\n".join([why, *lines, f"{self.world.now:8.3f}  >>> {why}"])
