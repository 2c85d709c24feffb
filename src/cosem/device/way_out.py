"""The way out of a meter's pushes: who carries them, and the connection that an auto connect makes for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from cosem.classes.c040_push_setup import TransportService
from cosem.device.auto_connect import AutoConnectBehaviour
from cosem.link.base import Address

OVER_IP: Final = (TransportService.TCP, TransportService.UDP)
"""What needs the connection of an auto connect."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to push: what goes where. `done` takes whether it arrived; what it is called with later is ignored.

    `octets` are the APDU as it is protected, `body` is its structure of values in clear. `destination` is that of the
    setup; `confirmed` asks for a data-notification-confirm under `invoke`, and only that is an arrival.
    """

    setup: str
    service: int
    destination: bytes
    address: Address
    octets: bytes = field(repr=False)
    body: bytes = field(repr=False)
    invoke: int
    confirmed: bool
    done: Callable[[bool], None] = field(repr=False)


Network = Callable[[Delivery], None]


class Dialler(Protocol):
    """Who makes connections outside of a meter."""

    def dial(self, destination: bytes, done: Callable[[bool], None], lost: Callable[[], None]) -> None:
        """Connect to a destination: `done` takes whether that went well, `lost` is called when it breaks later."""

    def hang_up(self) -> None:
        """End the connection, or the attempt at one."""


class Setup(Protocol):
    """What is asked of a push setup."""

    @property
    def is_due(self) -> bool:
        """Whether something is about to be sent."""

    def hasten(self) -> None:
        """Send now what waits for another attempt."""


class WayOut:
    """Where deliveries go. `network` carries them, `dialler` connects; without one there is a connection where there is
    a network.

    Where an auto connect is in use, what goes by TCP or UDP needs its connection: a push asks for one and waits while
    it is made. A push that got none goes out when there is one.
    """

    def __init__(self, setups: Mapping[str, Setup], alarms: Callable[[], frozenset[str]]) -> None:
        self.network: Network | None = None
        self.dialler: Dialler | None = None
        self._setups = setups
        self._alarms = alarms
        self._connect: AutoConnectBehaviour | None = None
        self._held: list[Delivery] = []
        self._owed: set[str] = set()
        self._under_way = 0

    def connect_by(self, connect: AutoConnectBehaviour) -> None:
        """Go by the connections of an auto connect."""
        self._connect = connect
        connect.on_connected.append(self._connected)
        connect.on_failed.append(self._not_connected)

    def dial(self, destination: bytes, done: Callable[[bool], None]) -> None:
        """Connect, as the auto connect asks."""
        if self.dialler is None or self._connect is None:
            done(self.network is not None)
        else:
            self.dialler.dial(destination, done, self._connect.lost)

    def hang_up(self) -> None:
        """End the connection."""
        if self.dialler is not None:
            self.dialler.hang_up()

    def deliver(self, delivery: Delivery) -> None:
        """Take a delivery; what becomes of it is told to its `done`."""
        connect = self._connect
        if connect is None or not connect.in_use or delivery.service not in OVER_IP or connect.connected:
            self._carry(delivery)
            return
        self._held.append(delivery)
        if not connect.wanted(alarm=delivery.setup in self._alarms()):
            self._not_connected()

    def _connected(self) -> None:
        held, self._held = self._held, []
        owed, self._owed = self._owed, set()
        for name in sorted(owed):
            self._setups[name].hasten()
        # The connection is needed until the last of them was given away.
        self._under_way += 1
        for delivery in held:
            self._carry(delivery)
        self._over()

    def _not_connected(self) -> None:
        """Let what waited for a connection fail: its setups try again, at the latest when there is one."""
        held, self._held = self._held, []
        for delivery in held:
            self._owed.add(delivery.setup)
            delivery.done(False)

    def _carry(self, delivery: Delivery) -> None:
        if self.network is None:
            delivery.done(False)
            return
        self._under_way += 1
        self._owed.discard(delivery.setup)
        heard = False

        def done(arrived: bool) -> None:
            nonlocal heard
            delivery.done(arrived)
            if not heard:
                heard = True
                self._over()

        self.network(replace(delivery, done=done))

    def _over(self) -> None:
        """Say when nothing is under way any more: a connection that was made for it may end."""
        self._under_way -= 1
        if self._under_way or self._connect is None or any(setup.is_due for setup in self._setups.values()):
            return
        self._connect.said()
