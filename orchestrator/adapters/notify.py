"""Tells people through apprise (mail, chat, SMS gateways...), in a thread, never in the way.

Every message is also a log line. When more wait than ``WAITING_LIMIT``, the newest are only logged.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tenacity

log = logging.getLogger(__name__)

WAITING_LIMIT = 200
ATTEMPTS = 5
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 60.0

_RANKS = ("info", "warning", "critical")
_APPRISE_TYPES = {"info": "info", "warning": "warning", "critical": "failure"}


@dataclass(frozen=True, slots=True)
class Audience:
    """Apprise URLs (secret: they hold passwords) and the least severity that reaches them."""

    urls: tuple[str, ...]
    severity: str = "warning"


@dataclass(frozen=True, slots=True)
class _Message:
    audience: Audience
    severity: str
    title: str
    text: str


class _NotSent(Exception):
    """Apprise could not deliver to every URL."""


Send = Callable[[Sequence[str], str, str, str], bool]


def send_by_apprise(urls: Sequence[str], severity: str, title: str, text: str) -> bool:
    """Deliver to all URLs; apprise is imported at the first message: it takes 20 MB."""
    import apprise

    sender = apprise.Apprise()
    for url in urls:
        if not sender.add(url):
            log.error("A notification URL is not understood by apprise and was left out.")
    notify_type = apprise.NotifyType(_APPRISE_TYPES[severity])
    return bool(sender.notify(title=title, body=text, notify_type=notify_type))


class Notifier:
    """Queues messages for a thread of its own, which dies with the process."""

    def __init__(
        self,
        audiences: Sequence[Audience],
        send: Send = send_by_apprise,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._audiences = tuple(audiences)
        self._send = send
        self._first_pause_s = first_pause_s
        self._waiting: queue.Queue[_Message] = queue.Queue(WAITING_LIMIT)
        self._thread: threading.Thread | None = None

    def tell(self, severity: str, title: str, text: str) -> None:
        """Log it and queue it for every audience that wants this severity; never waits."""
        level = {"info": logging.INFO, "warning": logging.WARNING}.get(severity, logging.CRITICAL)
        log.log(level, "To people: %s: %s", title, text)
        for audience in self._audiences:
            if _RANKS.index(severity) >= _RANKS.index(audience.severity):
                self._queue(_Message(audience, severity, title, text))

    def _queue(self, message: _Message) -> None:
        try:
            self._waiting.put_nowait(message)
        except queue.Full:
            log.error("Too many notifications wait; '%s' was only logged.", message.title)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="notify", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            self._deliver(self._waiting.get())

    def _deliver(self, message: _Message) -> None:
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=tenacity.wait_exponential(self._first_pause_s, max=LONGEST_PAUSE_S),
        )
        try:
            retrying(self._send_once, message)
        except tenacity.RetryError as error:
            log.error(
                "A notification was given up after %d attempts (%s): %s. Check the URLs in notify.",
                ATTEMPTS,
                type(error.last_attempt.exception()).__name__,
                message.title,
            )

    def _send_once(self, message: _Message) -> None:
        if not self._send(message.audience.urls, message.severity, message.title, message.text):
            raise _NotSent
