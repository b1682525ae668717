"""Audio of a call: sends a packet every 20 ms and notices when none comes (RFC 3550)."""

from __future__ import annotations

import asyncio
import secrets
import struct
import time

PACKET_S = 0.02
SILENCE = b"\xff" * 160


class Audio(asyncio.DatagramProtocol):
    """`longest_silence_s`: the longest pause between packets heard, the present one included."""

    def __init__(self) -> None:
        self.sent = 0
        self.heard = 0
        self.port = 0
        self._last_heard: float | None = None
        self._longest_s = 0.0
        self._closed_at: float | None = None
        self._ssrc = secrets.randbelow(2**32)
        self._far_end: tuple[str, int] | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._sending: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, address: str) -> Audio:
        loop = asyncio.get_running_loop()
        transport, audio = await loop.create_datagram_endpoint(cls, local_addr=(address, 0))
        audio._transport = transport
        audio.port = transport.get_extra_info("sockname")[1]
        return audio

    @property
    def longest_silence_s(self) -> float:
        if self._last_heard is None:
            return self._longest_s
        return max(self._longest_s, (self._closed_at or time.monotonic()) - self._last_heard)

    @property
    def quiet_s(self) -> float:
        """How long nothing has been heard; 0 before the first packet."""
        return 0.0 if self._last_heard is None else time.monotonic() - self._last_heard

    def begin_anew(self) -> None:
        """Forgets the silences up to now."""
        self._longest_s = 0.0

    def talk_to(self, far_end: tuple[str, int]) -> None:
        self._far_end = far_end
        if not self._sending:
            self._sending = asyncio.get_running_loop().create_task(self._talk())

    def close(self) -> None:
        self._closed_at = self._closed_at or time.monotonic()
        if self._sending:
            self._sending.cancel()
        if self._transport:
            self._transport.close()

    async def _talk(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while self._transport and self._far_end:
            header = struct.pack(
                "!BBHII", 0x80, 0, self.sent % 2**16, self.sent * 160 % 2**32, self._ssrc
            )
            self._transport.sendto(header + SILENCE, self._far_end)
            self.sent += 1
            due += PACKET_S
            await asyncio.sleep(max(0.0, due - loop.time()))

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        now = time.monotonic()
        if self._last_heard is not None:
            self._longest_s = max(self._longest_s, now - self._last_heard)
        self._last_heard = now
        self.heard += 1
