"""What a concentrator needs of the network below it, whatever that is: power line, M-Bus, radio."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from cosem.link.base import Address


class Reached(NamedTuple):
    """One device of the network as the concentrator knows it.

    `name` is how it is addressed from above: its system title, or the address of its network. `state` is a word of the
    network's own; `there` says whether it is worth to talk to it. `level` in dBµV, or whatever the network measures;
    `hops` are repetitions on the way; `heard` is the carrier's time in seconds.
    """

    name: bytes
    address: int
    state: str
    there: bool
    level: float
    hops: int
    heard: float
    failures: int


@dataclass(slots=True)
class Carried:
    """An APDU to a device, and what becomes of it: `answered` with the APDU of its answer, or `failed` with the cause.

    `urgent` goes before the concentrator's own reading: somebody waits for it.
    """

    name: bytes
    address: Address
    apdu: bytes
    answered: Callable[[bytes], object]
    failed: Callable[[str], object]
    urgent: bool = True


class Carrier(Protocol):
    """A network of devices. `max_apdu` is the longest APDU it carries."""

    @property
    def max_apdu(self) -> int:
        """Return the longest APDU that fits the network."""

    @property
    def now(self) -> float:
        """Return the carrier's time in seconds."""

    def devices(self) -> Sequence[Reached]:
        """Return every device that is known."""

    def device(self, name: bytes) -> Reached | None:
        """Return one device."""

    def carry(self, job: Carried) -> None:
        """Carry an APDU, when it has its turn; the outcome is told once, now or later."""

    def give_up(self, name: bytes, address: Address) -> None:
        """Forget what waits between these access points: who wanted it is gone."""

    def broadcast(self, client: int, apdu: bytes, sent: Callable[[], object]) -> None:
        """Send an APDU to all devices, which nobody answers."""

    def reporting(self) -> Sequence[bytes]:
        """Return the titles of devices that reported and are not registered."""
