"""Notifications reach people, are tried again, and never stand in the way of a decision."""

from __future__ import annotations

import json
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from orchestrator.adapters.notify import ATTEMPTS, WAITING_LIMIT, Audience, Notifier


def wait_until(condition, seconds: float = 10.0) -> bool:  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return bool(condition())


def test_apprise_really_delivers(tmp_path: Path) -> None:
    """A real HTTP server gets what apprise sends."""
    got: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"json://127.0.0.1:{server.server_port}/"
        Notifier([Audience((url,))]).tell("critical", "pbx-a is dead", "pbx-b takes over")
        assert wait_until(lambda: got, 30)
    finally:
        server.shutdown()
        server.server_close()
    assert got[0]["title"] == "pbx-a is dead"
    assert got[0]["message"] == "pbx-b takes over"
    assert got[0]["type"] == "failure"


def test_what_fails_is_tried_again() -> None:
    calls: list[str] = []

    def send(urls, severity, title, text) -> bool:  # type: ignore[no-untyped-def]
        calls.append(title)
        if len(calls) == 1:
            raise OSError("mail server is down")
        return len(calls) == 3

    Notifier([Audience(("x://",))], send, first_pause_s=0.01).tell("warning", "t", "x")
    assert wait_until(lambda: len(calls) == 3)
    time.sleep(0.1)
    assert len(calls) == 3


def test_given_up_in_the_end_without_showing_the_url(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []

    def send(urls, severity, title, text) -> bool:  # type: ignore[no-untyped-def]
        calls.append(1)
        return False

    url = "mailto://user:s3cret@example.org"
    Notifier([Audience((url,))], send, first_pause_s=0.001).tell("warning", "late", "x")
    assert wait_until(lambda: "given up" in caplog.text)
    assert len(calls) == ATTEMPTS
    assert "s3cret" not in caplog.text


def test_an_audience_gets_only_its_severities(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    got: list[tuple[str, str]] = []

    def send(urls, severity, title, text) -> bool:  # type: ignore[no-untyped-def]
        got.append((urls[0], title))
        return True

    notifier = Notifier([Audience(("all",), "info"), Audience(("boss",), "critical")], send)
    notifier.tell("info", "one", "x")
    notifier.tell("critical", "two", "x")
    assert wait_until(lambda: len(got) == 3)
    assert got == [("all", "one"), ("all", "two"), ("boss", "two")]
    assert "To people: one" in caplog.text


def test_a_hanging_server_delays_nobody(caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()

    def send(urls, severity, title, text) -> bool:  # type: ignore[no-untyped-def]
        return release.wait(30)

    notifier = Notifier([Audience(("x",))], send)
    started = time.monotonic()
    for n in range(WAITING_LIMIT + 50):
        notifier.tell("critical", f"message {n}", "x")
    assert time.monotonic() - started < 5
    release.set()
    assert "only logged" in caplog.text
