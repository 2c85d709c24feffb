"""What runs a conversation of the bus master for a device: a real bus, or one in memory in the device's own time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any, Final, Protocol, TypeVar

from cosem.errors import ConnectionLost, Timeout
from cosem.link.base import Machine
from cosem.mbus.master import BusMaster, Statistics
from cosem.mbus.primary import Primary
from cosem.mbus.wireless import Format

T = TypeVar("T")

MAX_STEPS: Final = 1_000_000
"""Of one conversation in memory: more than the longest search takes."""


class MBusPort(Protocol):
    """A bus whose master the device is. `cosem.client.mbus.MBus` is one, over a serial port or a converter."""

    primary: Primary

    def run(self, conversation: Generator[Any, Any, T]) -> T:
        """Run a conversation to its end and return its result, or raise its error."""


class HeardFrame(Protocol):
    """A wireless frame as it was received: when (UTC seconds), how strong (dBm), its octets and their format."""

    @property
    def at(self) -> float:
        """Return when it ended."""

    @property
    def rssi(self) -> int:
        """Return its strength."""

    @property
    def octets(self) -> bytes:
        """Return it."""

    @property
    def form(self) -> Format:
        """Return how its blocks have their CRCs."""


MBusEar = Callable[[float], Iterable[HeardFrame]]
"""What hears wireless devices: returns what was heard since it was last asked, up to a moment (UTC seconds)."""


class SteppedBus:
    """A bus in memory: `bus` is the machine at the other end of the line, `now` the device's present.

    The time of the bus is the device's, and runs on while a conversation is under way: for the device that is one
    moment.
    """

    def __init__(self, master: BusMaster, bus: Machine, now: Callable[[], float]) -> None:
        self.primary = Primary(master)
        self._master = master
        self._bus = bus
        self._device_now = now
        self._now = 0.0

    def run(self, conversation: Generator[Any, Any, T]) -> T:
        """Run a conversation to its end and return its result, or raise its error."""
        master, bus = self._master, self._bus
        self._now = max(self._now, float(self._device_now()))
        running = master.start(conversation, self._now)
        for _ in range(MAX_STEPS):
            if running.done:
                return running.outcome()
            if not self._step():
                break
        master.cancel(running, self._now)
        bus.lost(self._now)
        raise Timeout("nothing is left on the bus that could answer")

    def _step(self) -> bool:
        """Let the next thing happen; False where there is none."""
        master, bus = self._master, self._bus
        if (order := master.driver_step()) is not None:
            master.answer(order[0], None, self._now, None)
            return True
        moved = False
        if octets := master.take():
            bus.receive(octets, self._now)
            moved = True
        if octets := bus.take():
            master.receive(octets, self._now)
            moved = True
        if moved:
            return True
        times = [time for time in (master.next_timer(), bus.next_timer()) if time is not None]
        if not times:
            return False
        self._now = max(self._now, min(times))
        bus.handle_timer(self._now)
        master.handle_timer(self._now)
        return True


class PortPlace:
    """Where a bus is plugged in. Without one nobody answers. `sent`, `heard` and `garbled` count frames."""

    def __init__(self) -> None:
        self.port: MBusPort | None = None
        self.ear: MBusEar | None = None

    @property
    def primary(self) -> Primary:
        """Return the conversations of the bus. Raises `ConnectionLost` where there is none."""
        if self.port is None:
            raise ConnectionLost("no bus is connected to this port")
        return self.port.primary

    @property
    def statistics(self) -> Statistics:
        """Return what happened on the bus so far."""
        return Statistics() if self.port is None else self.port.primary.master.statistics

    def run(self, conversation: Generator[Any, Any, T]) -> T:
        """Run a conversation of the bus's master."""
        if self.port is None:
            conversation.close()
            raise ConnectionLost("no bus is connected to this port")
        return self.port.run(conversation)
