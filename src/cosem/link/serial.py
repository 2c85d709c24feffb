"""A link on a serial line: takes echoes out below HDLC or mode E, and knows the settings of the line."""

from __future__ import annotations

from typing import ClassVar

from cosem.link.base import Address, Link, LinkDown, LinkEvent
from cosem.link.echo import EchoCanceller
from cosem.link.line import Line

MAX_HEARD = 256
"""Octets kept of what came first: enough to recognise anything."""


class SerialLink:
    """`inner` (HDLC, or mode E and then HDLC) without the echoes of the line; implements `cosem.link.base.Link`.

    `line` is the line that a driver keeps to; mode E changes it.
    """

    repairs: ClassVar[bool] = True
    """HDLC does."""
    heard: bytes
    """The beginning of what the other side sent, without echoes, until the line is lost."""

    def __init__(self, inner: Link, line: Line, *, echo: str = "auto") -> None:
        self.inner = inner
        self.line = line
        self.echo = EchoCanceller(echo)
        self.heard = b""

    def connect(self, address: Address, now: float) -> list[LinkEvent]:
        """Open the link layer towards `address`."""
        return self.inner.connect(address, now)

    def disconnect(self, address: Address, now: float) -> list[LinkEvent]:
        """Close the link layer towards `address`."""
        return self.inner.disconnect(address, now)

    def send(self, address: Address, apdu: bytes, now: float, *, confirmed: bool = True) -> None:
        """Queue one APDU."""
        self.inner.send(address, apdu, now, confirmed=confirmed)

    def take(self) -> bytes:
        """Return the octets to send; they are expected back from a head that echoes."""
        octets = self.inner.take()
        if octets:
            self.echo.sent(octets)
        return octets

    def receive(self, octets: bytes, now: float) -> list[LinkEvent]:
        """Take octets from the line."""
        return self._hand_on(self.echo.received(octets, now), now)

    def _hand_on(self, octets: bytes, now: float) -> list[LinkEvent]:
        if not octets:
            return []
        if len(self.heard) < MAX_HEARD:
            self.heard = (self.heard + octets)[:MAX_HEARD]
        return self.inner.receive(octets, now)

    def next_timer(self) -> float | None:
        """Return when `handle_timer` is needed next."""
        times = [time for time in (self.echo.due, self.inner.next_timer()) if time is not None]
        return min(times, default=None)

    def handle_timer(self, now: float) -> list[LinkEvent]:
        """Hand on what was no echo after all, then let the link act."""
        events = self._hand_on(self.echo.release(now), now)
        events += self.inner.handle_timer(now)
        if self.heard or not self.echo.present:
            return events
        # Where only our own octets came back the head works, and that is half of the diagnosis.
        return [_with_echo(event) for event in events]

    def lost(self, now: float) -> list[LinkEvent]:
        """Close every address because the transport is gone."""
        self.echo.reset()
        self.heard = b""
        return self.inner.lost(now)


def _with_echo(event: LinkEvent) -> LinkEvent:
    if not isinstance(event, LinkDown):
        return event
    return event._replace(reason=f"{event.reason}; only our own octets came back: the head works, the meter is silent")
