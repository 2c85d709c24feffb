"""The gateway protocol of the Green Book: one transport in front of many meters, told apart by a prefix of the APDU.

Prefix: E6 for what goes to the device, E7 for what comes from it; network id; length and octets of the physical device
address. An APDU without a prefix is for the gateway itself. The prefix lies inside the frame of the link (behind the
LLC header on HDLC) and around everything else: blocks and protected APDUs carry it each.

`GatewayLink` is the client's side, around any link. `Gateway` is the side in front of the meters: each is a machine of
its own that speaks the wrapper, such as the `Responder` of a meter here, or what forwards to one elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

from cosem.errors import DecodeError, IncompleteError, LocalProtocolError
from cosem.link import wrapper
from cosem.link.base import Address, ApduReceived, Discarded, Link, LinkDown, LinkEvent, Machine

REQUEST, RESPONSE = 0xE6, 0xE7
TAGS = (b"\xe6", b"\xe7")
MAX_DEVICES = 256
"""Devices of one transport that a client speaks to at once; the one that was silent longest makes room for another."""


class Prefix(NamedTuple):
    """The prefix of an APDU: to the device or from it, through which network, and the address there."""

    response: bool
    network: int
    device: bytes


def build(prefix: Prefix) -> bytes:
    """Return the octets of a prefix. Raises `LocalProtocolError` for what it cannot say."""
    if not 0 <= prefix.network <= 0xFF:
        raise LocalProtocolError(f"a network id has an octet: {prefix.network}")
    if len(prefix.device) > 0xFF:
        raise LocalProtocolError(f"a physical device address has 255 octets at the most, not {len(prefix.device)}")
    tag = RESPONSE if prefix.response else REQUEST
    return bytes((tag, prefix.network, len(prefix.device))) + prefix.device


def parse(octets: bytes) -> tuple[Prefix, int]:
    """Return the prefix that `octets` begin with, and its length. Raises `DecodeError` or `IncompleteError`."""
    if octets[:1] not in TAGS:
        raise DecodeError("no gateway prefix (E6 or E7)", 0)
    if len(octets) < 3:
        raise IncompleteError("a gateway prefix has three octets and an address", len(octets))
    end = 3 + octets[2]
    if end > len(octets):
        raise IncompleteError(f"the address has {octets[2]} octets, {len(octets) - 3} are there", len(octets))
    return Prefix(octets[0] == RESPONSE, octets[1], bytes(octets[3:end])), end


def behind(octets: bytes) -> int:
    """Return where the APDU begins: behind the prefix, or at 0 where there is none that is whole."""
    if octets[:1] not in TAGS:
        return 0
    try:
        return parse(octets)[1]
    except DecodeError:
        return 0


class GatewayLink:
    """A client's link to one device behind a gateway: `link` is the one to the gateway. Implements `Link`.

    APDUs of other devices, and of the gateway itself, are reported as `Discarded`.
    """

    repairs: ClassVar[bool] = False
    """The link to the gateway may; what is lost behind it is lost."""

    def __init__(self, link: Link, network: int, device: bytes) -> None:
        self.link = link
        self.network = network
        self.device = device
        self._prefix = build(Prefix(False, network, device))
        self.connect = link.connect
        self.disconnect = link.disconnect
        self.take = link.take
        self.next_timer = link.next_timer

    def send(self, address: Address, apdu: bytes, now: float, *, confirmed: bool = True) -> None:
        """Queue one APDU behind the prefix."""
        self.link.send(address, self._prefix + apdu, now, confirmed=confirmed)

    def receive(self, octets: bytes, now: float) -> list[LinkEvent]:
        """Take octets and return what they meant, prefixes taken off."""
        return self._inner(self.link.receive(octets, now))

    def handle_timer(self, now: float) -> list[LinkEvent]:
        """Let the timers of the link act."""
        return self._inner(self.link.handle_timer(now))

    def lost(self, now: float) -> list[LinkEvent]:
        """Learn that the transport is gone."""
        return self._inner(self.link.lost(now))

    def _inner(self, events: list[LinkEvent]) -> list[LinkEvent]:
        return [self._unprefixed(event) if isinstance(event, ApduReceived) else event for event in events]

    def _unprefixed(self, event: ApduReceived) -> LinkEvent:
        try:
            prefix, end = parse(event.octets)
        except DecodeError as error:
            return Discarded(event.octets, error.what)
        # What a device sends unasked comes as a request in some gateways: the direction is not told from the tag.
        if (prefix.network, prefix.device) != (self.network, self.device):
            return Discarded(event.octets, f"from device {prefix.device.hex()} of network {prefix.network}")
        if end == len(event.octets):
            return Discarded(event.octets, "a gateway prefix without an APDU")
        return event._replace(octets=event.octets[end:])


class _Line:
    """One pair of access points of one device: `prefix` is that of its answers, None for the gateway itself."""

    __slots__ = ("address", "heard", "machine", "prefix")

    def __init__(self, address: Address, prefix: bytes | None, machine: Machine) -> None:
        self.address = address
        self.prefix = prefix
        self.machine = machine
        self.heard = 0.0


class Gateway:
    """A gateway in front of devices, as the machine of one transport.

    `link` is the server's link of the transport. `device` gives a new machine for a device by network id and address,
    or None for one that is not there (it gets no answer); with ``None, b""`` for the gateway itself. Every pair of
    access points has a machine of its own, so that a client that goes away ends what was its own and nothing else.
    """

    def __init__(self, link: Link, device: Callable[[int | None, bytes], Machine | None]) -> None:
        self.link = link
        self.device = device
        self.discarded = 0
        self._lines: dict[tuple[Address, int | None, bytes], _Line] = {}

    def receive(self, octets: bytes, now: float) -> None:
        """Take octets from the transport; what there is to answer waits in `take`."""
        self._handle(self.link.receive(octets, now), now)

    def handle_timer(self, now: float) -> None:
        """Let what is due happen, at the link and at the devices."""
        self._handle(self.link.handle_timer(now), now)
        for line in list(self._lines.values()):
            due = line.machine.next_timer()
            if due is not None and due <= now:
                line.machine.handle_timer(now)
                self._answer(line, now)

    def next_timer(self) -> float | None:
        """Return when `handle_timer` is needed next."""
        times = [self.link.next_timer(), *(line.machine.next_timer() for line in self._lines.values())]
        return min((time for time in times if time is not None), default=None)

    def take(self) -> bytes:
        """Return the octets to send."""
        return self.link.take()

    def lost(self, now: float) -> None:
        """Learn that the transport is gone: everything behind it learns it, too."""
        self.link.lost(now)
        for line in self._lines.values():
            line.machine.lost(now)
        self._lines.clear()

    def poll(self, now: float) -> None:
        """Fetch what devices have to say unasked."""
        for line in list(self._lines.values()):
            self._answer(line, now)

    def _handle(self, events: list[LinkEvent], now: float) -> None:
        for event in events:
            if isinstance(event, ApduReceived):
                self._apdu(event, now)
            elif isinstance(event, LinkDown):
                for key in [key for key in self._lines if key[0] == event.address]:
                    self._lines.pop(key).machine.lost(now)
            elif isinstance(event, Discarded):
                self.discarded += 1

    def _apdu(self, event: ApduReceived, now: float) -> None:
        octets, network, device = event.octets, None, b""
        if octets[:1] in TAGS:
            try:
                prefix, end = parse(octets)
            except DecodeError:
                self.discarded += 1
                return
            if prefix.response or end == len(octets):
                # An answer to what nobody asked here, or nothing at all.
                self.discarded += 1
                return
            octets, network, device = octets[end:], prefix.network, prefix.device
        line = self._line(event.address, network, device, now)
        if line is None:
            self.discarded += 1
            return
        line.heard = now
        line.machine.receive(wrapper.build(event.address.client, event.address.server, octets), now)
        self._answer(line, now, confirmed=event.confirmed)

    def _line(self, address: Address, network: int | None, device: bytes, now: float) -> _Line | None:
        key = (address, network, device)
        line = self._lines.get(key)
        if line is None:
            machine = self.device(network, device)
            if machine is None:
                return None
            if len(self._lines) >= MAX_DEVICES:
                silent = min(self._lines, key=lambda other: self._lines[other].heard)
                self._lines.pop(silent).machine.lost(now)
            prefix = None if network is None else build(Prefix(True, network, device))
            line = self._lines[key] = _Line(address, prefix, machine)
        return line

    def _answer(self, line: _Line, now: float, *, confirmed: bool = True) -> None:
        octets, offset = line.machine.take(), 0
        while offset < len(octets):
            _, _, apdu, offset = wrapper.parse(octets, offset)
            if not confirmed:
                continue  # what came to all, or in UI frames, is answered by nobody
            try:
                self.link.send(line.address, (line.prefix or b"") + apdu, now)
            except LocalProtocolError:
                return  # the client has closed the link layer right behind its request
