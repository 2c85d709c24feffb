"""The connectionless LLC as a link: APDUs between access points, one M_sdu each (IEC 61334-4-32).

The octets of this link are M_sdus, and the MAC layer carries them one by one: `receive` takes one, `take` returns one,
and is asked again until it returns nothing. Nothing is cut into segments: what is longer than a frame goes by block
transfer, which both sides of an association agree on as soon as each says how much it takes (`max_apdu`).
"""

from __future__ import annotations

from collections import deque
from typing import Final

from cosem.errors import DecodeError, LocalProtocolError
from cosem.link.base import Address, ApduReceived, Connectionless, Discarded, LinkEvent, LinkUp
from cosem.plc import llc
from cosem.plc.llc import LlcData, LlcSettings, ServerSap

EVERYBODY: Final = 0x7F
"""The server SAP that everybody listens to, as associations name it; FF on the line."""
HDLC_OVERHEAD: Final = 16
"""Octets of an HDLC frame around its information field, at the most: flags, format, addresses, control, two checks."""
MAX_PAIRS: Final = 32
"""Pairs of access points of one server: a network has some few clients."""


class LlcLink(Connectionless):
    """One side of the LLC towards one station; implements `cosem.link.base.Link`."""

    def __init__(self, settings: LlcSettings | None = None, *, server: bool = False) -> None:
        super().__init__()
        self.settings = settings or LlcSettings()
        self.server = server
        self._out: deque[bytes] = deque()

    @property
    def max_apdu(self) -> int:
        """The longest APDU that one frame carries."""
        return self.settings.max_sdu

    def send(self, address: Address, apdu: bytes, now: float, *, confirmed: bool = True) -> None:
        """Queue one APDU. Raises `LocalProtocolError` for one that fits no frame, and for SAPs beyond 8 bits."""
        server = ServerSap.ALL if address.server == EVERYBODY else address.server
        ends = (address.client, server) if self.server else (server, address.client)
        if not 0 < len(apdu) <= self.max_apdu:
            raise LocalProtocolError(f"an APDU of {len(apdu)} octets: a frame carries 1 to {self.max_apdu}")
        if not (0 < ends[0] <= 0xFF and 0 < ends[1] <= 0xFF):
            raise LocalProtocolError(f"L_SAPs have 8 bits, and 0 is the network's own: {ends[0]}, {ends[1]}")
        self._out.append(llc.build(LlcData(*ends, apdu), self.settings))

    def take(self) -> bytes:
        """Return the next M_sdu to send, nothing where there is none."""
        return self._out.popleft() if self._out else b""

    def receive(self, octets: bytes, now: float) -> list[LinkEvent]:
        """Take one M_sdu."""
        if not octets:
            return []
        try:
            data = llc.parse(octets)
        except DecodeError as error:
            return [Discarded(octets, error.what)]
        if data.is_ciase:
            return [Discarded(octets, "for the management of the network")]
        to_all = self.server and data.destination == ServerSap.ALL
        if self.server:
            address = Address(data.source, EVERYBODY if to_all else data.destination)
        else:
            address = Address(data.destination, data.source)
        events: list[LinkEvent] = []
        if self.server and address not in self._open:
            if len(self._open) >= MAX_PAIRS:
                return [Discarded(octets, f"more than {MAX_PAIRS} pairs of access points")]
            self._open.add(address)
            events.append(LinkUp(address))
        events.append(ApduReceived(address, data.sdu, not to_all))
        return events

    def next_timer(self) -> float | None:
        """Return None: who waits for an answer is the initiator."""
        return None

    def handle_timer(self, now: float) -> list[LinkEvent]:
        """Do nothing."""
        return []

    def lost(self, now: float) -> list[LinkEvent]:
        """Close every address: the station is unregistered, or cannot be reached."""
        self._out.clear()
        return self._all_down("the station is out of reach")


def hdlc_frames(octets: bytes) -> list[bytes]:
    """Cut what an HDLC link has to send into frames with their flags: each is an M_sdu of its own.

    Raises `DecodeError` for what is no sequence of whole frames.
    """
    frames, offset = [], 0
    while offset < len(octets):
        head = octets[offset : offset + 3]
        end = offset + 2 + ((head[1] & 0x07) << 8 | head[2]) if len(head) == 3 else len(octets) + 1
        if head[:1] != b"\x7e" or end > len(octets):
            raise DecodeError("no whole HDLC frame", offset)
        frames.append(octets[offset:end])
        offset = end
    return frames
