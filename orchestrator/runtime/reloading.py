"""Rules read anew while the service runs, all or nothing: at SIGHUP, or at an operator's word.

Timers of rules whose text is the same go on. What else was changed in the configuration is used
after a restart only, and said.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.config import Settings, load, load_rules
from orchestrator.core.engine import Engine
from orchestrator.core.events import RulesReloaded
from orchestrator.core.rulebook.changes import changes
from orchestrator.core.rules import RuleSet
from orchestrator.errors import ConfigError
from orchestrator.runtime.loop import Loop

log = logging.getLogger(__name__)

REFUSED = "The rules have problems, so nothing was changed: the rules from before stay in force."


class Reloading:
    """Holds the engine that decides now."""

    def __init__(self, config: Path, settings: Settings, engine: Engine, loop: Loop) -> None:
        self.engine = engine
        self._config = config
        self._settings = settings
        self._loop = loop
        self._one_at_a_time = asyncio.Lock()

    async def reload(self, by: str) -> dict[str, Any]:
        """``ok`` and ``says``; when refused, ``problems`` with their places."""
        async with self._one_at_a_time:
            try:
                rules, left = await asyncio.to_thread(self._read)
            except ConfigError as error:
                for line in (f"{by} asked for a reload. {REFUSED}", *error.problems):
                    log.error("%s", line)
                return {"ok": False, "says": REFUSED, "problems": error.problems}
            says = changes(self.engine.rules, rules) + left
            self.engine = replace(self.engine, rules=rules)
            self._loop.use(self.engine)
            event = RulesReloaded(by, says)
            answers = (a for a in self._loop.ask(event).answers if a.request == event)
            return {"ok": True, "says": next((a.sentence for a in answers), says)}

    def _read(self) -> tuple[RuleSet, str]:
        """The rules, by the nodes and commands that the service runs with; what else differs."""
        new, running = load(self._config), self._settings
        rules = load_rules(new.rules, running.nodes, running.commands)
        differs = [
            name
            for name in type(new).model_fields
            if name != "rules" and getattr(new, name) != getattr(running, name)
        ]
        if not differs:
            return rules, ""
        return rules, f". Not used before a restart: what was changed in {', '.join(differs)}"
