"""What every link has in common: its addresses, its events, and the methods a driver and an association call.

A link is a plain machine. Octets come in through `receive`, octets to send are fetched with `take`, time comes in
as `now` (seconds, any monotonic origin). It never raises for a peer's octets: what cannot be used is reported as
`Discarded`, and the good frames behind it are still delivered.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple, Protocol


class Address(NamedTuple):
    """The pair of access points an association lives between, and the physical device behind an HDLC line.

    `client` and `server` are the SAPs (wrapper ports, HDLC upper addresses); `physical` is the HDLC lower address.
    """

    client: int
    server: int
    physical: int | None = None


class LinkUp(NamedTuple):
    """The link layer is connected: HDLC after SNRM/UA, the wrapper as soon as the transport is."""

    address: Address


class ApduReceived(NamedTuple):
    """One whole APDU. `confirmed` is false for what came in UI frames or as broadcast: never answer those."""

    address: Address
    octets: bytes
    confirmed: bool = True


class LinkDown(NamedTuple):
    """The link layer is disconnected: DISC, DM, too many repetitions, transport lost. `reason` is for people."""

    address: Address
    reason: str


class Discarded(NamedTuple):
    """Octets that were no usable frame. Nothing but these octets is lost."""

    octets: bytes
    reason: str


LinkEvent = LinkUp | ApduReceived | LinkDown | Discarded


class Link(Protocol):
    """One machine for both sides. A client's link knows one address; a server's link serves many at once.

    `repairs` says that it sends again by itself what was lost on the way, or ends with `LinkDown`.
    """

    repairs: ClassVar[bool]

    def receive(self, octets: bytes, now: float) -> list[LinkEvent]:
        """Take octets from the transport and return what they meant, in order."""

    def connect(self, address: Address, now: float) -> list[LinkEvent]:
        """Open the link layer towards `address` (client side only); `LinkUp` follows, at once for the wrapper."""

    def disconnect(self, address: Address, now: float) -> list[LinkEvent]:
        """Close the link layer towards `address`; `LinkDown` follows."""

    def send(self, address: Address, apdu: bytes, now: float, *, confirmed: bool = True) -> None:
        """Queue one APDU; `confirmed` false sends it in UI frames where the link has them."""

    def take(self) -> bytes:
        """Return all octets that are ready for the transport, and forget them."""

    def next_timer(self) -> float | None:
        """Return the time at which `handle_timer` wants to be called, or None."""

    def handle_timer(self, now: float) -> list[LinkEvent]:
        """Let timers that are due act: repeat a frame, give the link up."""

    def lost(self, now: float) -> list[LinkEvent]:
        """Learn that the transport is gone; every open address gets its `LinkDown`."""


class Connectionless:
    """The addresses of a link that has nothing to say on the line when one is opened or closed."""

    repairs: ClassVar[bool] = False

    def __init__(self) -> None:
        self._open: set[Address] = set()

    def connect(self, address: Address, now: float) -> list[LinkEvent]:
        """Open `address`, at once."""
        self._open.add(address)
        return [LinkUp(address)]

    def disconnect(self, address: Address, now: float) -> list[LinkEvent]:
        """Close `address`."""
        if address not in self._open:
            return []
        self._open.discard(address)
        return [LinkDown(address, "closed by this side")]

    def _all_down(self, reason: str) -> list[LinkEvent]:
        down: list[LinkEvent] = [LinkDown(address, reason) for address in sorted(self._open, key=str)]
        self._open.clear()
        return down


class Machine(Protocol):
    """What a driver, or a gateway, needs of a machine: the face that both sides of an association have in common."""

    def receive(self, octets: bytes, now: float) -> None:
        """Take octets from the transport."""

    def take(self) -> bytes:
        """Return the octets to send."""

    def next_timer(self) -> float | None:
        """Return when `handle_timer` is needed next."""

    def handle_timer(self, now: float) -> None:
        """Let what is due happen."""

    def lost(self, now: float) -> None:
        """Learn that the transport is gone."""
