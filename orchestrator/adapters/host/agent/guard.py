"""The guard: a host that is cut off gives the virtual IP up by itself.

While this host holds the virtual IP, and witnesses are configured, the address is given up when
for ``lease_s`` neither the orchestrator echoed a heartbeat nor any witness (nor the peer node)
answered: then it is this host that is cut off, and another may serve. An orchestrator that merely
died changes nothing, because the witnesses still answer.
"""

import math

from .holding import Holding
from .lines import Lines
from .loop import Loop
from .peer import PeerProbe
from .ping import Ping
from .trouble import Trouble


class Guard:
    def __init__(self, loop: Loop, lines: Lines, holding: Holding, lease_s: float) -> None:
        self.loop = loop
        self.lines = lines
        self.holding = holding
        self.lease_s = lease_s
        self.renewed_at = loop.lived
        self.witnesses: Ping | None = None
        self.peer: PeerProbe | None = None

    def armed(self) -> bool:
        return bool(self.holding.holds and self.witnesses)

    def renew(self, stamp: float) -> None:
        # The stamp is ours, from a heartbeat: a line that was long under way renews nothing.
        self.renewed_at = max(self.renewed_at, min(stamp, self.loop.lived))

    def start_lease(self) -> None:
        """A new holder starts with a whole lease, whatever was silent before."""
        self.renewed_at = self.loop.lived

    def forget_silence(self) -> None:
        self.start_lease()
        if self.witnesses:
            self.witnesses.forget_silence()

    def probe(self) -> None:
        if self.witnesses and self.armed():
            self.witnesses.probe()

    def look(self) -> bool:
        """Give the address up if it is time to; True when the agent need not stay."""
        if not self.armed():
            return not self.lines.open
        if self._last_heard() > self.lines.ended_at + self.lease_s / 4:
            return True  # the orchestrator is gone but the network is not
        now = self.loop.lived
        if now - self.renewed_at <= self.lease_s:
            return False
        try:
            carrier = self.holding.address.carrier()
        except OSError:
            carrier = False
        if not carrier or now - self._last_heard() > self.lease_s:
            whom = "any witness" if carrier else "anybody (the link is down)"
            words = "heard neither the orchestrator nor %s for %g s"
            if not self.give_up(words % (whom, self.lease_s)):
                self.renewed_at = now - self.lease_s + 0.1  # try again in a moment
        return False

    def _last_heard(self) -> float:
        """When a witness or the peer last answered, on the lived clock."""
        heard = list(self.witnesses.heard_at.values()) if self.witnesses else []
        if self.peer and self.peer.outcome in ("answers", "refused", "host_only"):
            heard.append(self.peer.heard_at)
        return max(heard) if heard else -math.inf

    def give_up(self, why: str) -> bool:
        """Remove the address at once and tell why; False when it could not be removed."""
        event = {"event": "gave_up_address", "why": why}
        try:
            self.holding.give_up()
        except (OSError, Trouble) as error:
            self.lines.send(dict(event, error=str(error)))
            return False
        self.lines.send(event)
        self.holding.learn(False)
        return True
