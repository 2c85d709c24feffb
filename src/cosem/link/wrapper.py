"""The wrapper of TCP and UDP (IEC 62056-47): version, source port, destination port, length, APDU.

One transport carries any number of address pairs. Where a header is no version 1, a listener goes on at the next header
with an APDU behind it (`Tolerances.wrapper_noise`). Without that tolerance, and where this side has opened an address,
the link is given up there, with the reason: dialling again is quicker than waiting for an answer that may be lost in
the noise. What was whole before it has been delivered. Over UDP every datagram stands for itself, and costs
itself only.
"""

from __future__ import annotations

import struct

from cosem.errors import DecodeError, IncompleteError, LocalProtocolError
from cosem.link.base import Address, ApduReceived, Connectionless, Discarded, LinkEvent, LinkUp
from cosem.tolerances import SERVER_TOLERANCES, TOLERANT, Tolerances

HEADER = struct.Struct(">HHHH")
_pack, _unpack = HEADER.pack, HEADER.unpack_from
_new = tuple.__new__
VERSION = 1
MAX_ADDRESSES = 256
"""Address pairs one transport may open; a concentrator's gateway has a few dozen."""
MAX_DATAGRAM = 65507
"""Octets of a UDP datagram over IPv4."""


_FIRST_OCTETS = frozenset(
    bytes.fromhex("0c0d0e0f18 2c2d2e38 4c4d4e58 6163 c2c4c5c7 cacccdcf d2d4d5d7 d8da dbdcdddf e0")
)
"""First octets of what a meter sends: responses and notifications, plain, global, dedicated and general forms."""


def build(source: int, destination: int, apdu: bytes) -> bytes:
    """Return `apdu` with its header. Raises `LocalProtocolError` where it is too long or a port has no 16 bits."""
    try:
        return _pack(VERSION, source, destination, len(apdu)) + apdu
    except struct.error:
        if len(apdu) > 0xFFFF:
            raise LocalProtocolError(f"the wrapper carries 65535 octets at the most, not {len(apdu)}") from None
        raise LocalProtocolError(f"a wrapper port has 16 bits: {source}, {destination}") from None


def parse(octets: bytes, offset: int = 0) -> tuple[int, int, bytes, int]:
    """Return source, destination, APDU and the offset behind it. Raises `DecodeError` or `IncompleteError`."""
    size = len(octets)
    start = offset + 8
    if start > size:
        version = octets[offset : offset + 2]
        if len(version) == 2 and version != b"\x00\x01":
            raise _not_version_1(int.from_bytes(version, "big"), offset)
        raise IncompleteError("a wrapper header takes 8 octets", size)
    number, source, destination, length = _unpack(octets, offset)
    if number != VERSION:
        raise _not_version_1(number, offset)
    end = start + length
    if end > size:
        raise IncompleteError(f"the APDU has {length} octets, {size - start} are there", size)
    return source, destination, bytes(octets[start:end]), end


def _not_version_1(version: int, offset: int) -> DecodeError:
    return DecodeError(f"wrapper version {version}, not 1", offset)


def _next_header(octets: bytes, start: int) -> int:
    """Return where the next header with an APDU of a meter behind it begins, or may begin with what comes."""
    while (at := octets.find(b"\x00\x01", start)) >= 0:
        if len(octets) - at <= HEADER.size or (octets[at + 8] in _FIRST_OCTETS and any(octets[at + 6 : at + 8])):
            return at
        start = at + 1
    return len(octets) - octets.endswith(b"\x00")


class WrapperLink(Connectionless):
    """The wrapper of one side; implements `cosem.link.base.Link`."""

    def __init__(self, *, server: bool = False, tolerances: Tolerances | None = None) -> None:
        super().__init__()
        self.server = server
        self.tolerances = tolerances or (SERVER_TOLERANCES if server else TOLERANT)
        self._buffer = bytearray()
        self._out: list[bytes] = []
        self._broken = False
        self._searching = False

    def send(self, address: Address, apdu: bytes, now: float, *, confirmed: bool = True) -> None:
        """Queue one APDU."""
        if self.server:
            self._out.append(build(address.server, address.client, apdu))
        else:
            self._out.append(build(address.client, address.server, apdu))

    def take(self) -> bytes:
        """Return the octets to send."""
        out = self._out
        if not out:
            return b""
        octets = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return octets

    def receive(self, octets: bytes, now: float) -> list[LinkEvent]:
        """Take octets; several APDUs, halves of them, or both may arrive at once."""
        if self._broken:
            return [Discarded(octets, "the wrapper lost its synchronisation")] if octets else []
        if self._buffer:
            self._buffer += octets
            octets = bytes(self._buffer)
        events: list[LinkEvent] = []
        offset, size = 0, len(octets)
        while offset < size:
            if self._searching:
                following = _next_header(octets, offset)
                if following > offset:
                    events.append(Discarded(octets[offset:following], "no wrapper header"))
                    offset = following
                if size - offset <= HEADER.size:
                    break
                self._searching = False
            try:
                source, destination, apdu, end = parse(octets, offset)
            except IncompleteError:
                break
            except DecodeError as error:
                if self.tolerances.wrapper_noise and not self._open:
                    self._searching = True
                    continue
                events.append(Discarded(octets[offset:], error.what))
                events += self._desynchronised(error.what)
                offset = size
                break
            offset = end
            if not apdu:
                events.append(Discarded(octets[end - 8 : end], "an empty APDU"))
                continue
            ends = (source, destination, None) if self.server else (destination, source, None)
            address = _new(Address, ends)
            if self.server and address not in self._open:
                if len(self._open) >= MAX_ADDRESSES:
                    events.append(Discarded(apdu, f"more than {MAX_ADDRESSES} address pairs"))
                    continue
                self._open.add(address)
                events.append(LinkUp(address))
            events.append(_new(ApduReceived, (address, apdu, True)))
        if self._buffer or offset < size:
            self._buffer[:] = octets[offset:]
        return events

    def _desynchronised(self, reason: str) -> list[LinkEvent]:
        """Give the transport up."""
        self._broken = True
        return self._all_down(reason)

    def next_timer(self) -> float | None:
        """Return None: the wrapper has no timers, TCP has."""
        return None

    def handle_timer(self, now: float) -> list[LinkEvent]:
        """Do nothing."""
        return []

    def lost(self, now: float) -> list[LinkEvent]:
        """Close every address because the transport is gone."""
        self._buffer.clear()
        self._out.clear()
        self._broken = self._searching = False
        return self._all_down("the transport was lost")


class DatagramWrapperLink(WrapperLink):
    """The wrapper over UDP: a datagram holds one or more whole APDUs; the rest of one that was cut short is gone.

    What `take` returns may hold several APDUs: `datagrams` cuts it for sending.
    """

    def send(self, address: Address, apdu: bytes, now: float, *, confirmed: bool = True) -> None:
        """Queue one APDU. Raises `LocalProtocolError` for one that fits no datagram."""
        if len(apdu) > MAX_DATAGRAM - HEADER.size:
            raise LocalProtocolError(f"a datagram carries {MAX_DATAGRAM - HEADER.size} octets, not {len(apdu)}")
        super().send(address, apdu, now, confirmed=confirmed)

    def receive(self, octets: bytes, now: float) -> list[LinkEvent]:
        """Take one datagram."""
        events = super().receive(octets, now)
        self._searching = False
        if self._buffer:
            events.append(Discarded(bytes(self._buffer), "a datagram that was cut short"))
            self._buffer.clear()
        return events

    def _desynchronised(self, reason: str) -> list[LinkEvent]:
        return []


def datagrams(octets: bytes) -> list[bytes]:
    """Cut what a link had to send into datagrams, an APDU in each: a lost one then costs one APDU."""
    cut, offset = [], 0
    while offset < len(octets):
        end = parse(octets, offset)[3]
        cut.append(octets[offset:end])
        offset = end
    return cut
