"""What SNRM and UA negotiate: information field lengths and windows (IEC 62056-46, 6.4.4.4.3.2)."""

from __future__ import annotations

from typing import NamedTuple

from cosem.errors import DecodeError

_NAMES = {5: "max_info_tx", 6: "max_info_rx", 7: "window_tx", 8: "window_rx"}


MAX_INFO = 2030
"""The longest information field: 2047 octets between the flags, less the longest header and the check sequences."""
MAX_WINDOW = 7
"""Sequence numbers have three bits."""


class HdlcParameters(NamedTuple):
    """Limits of one side, seen from the side that sends them: it transmits at most ..._tx and takes ..._rx."""

    max_info_tx: int = 128
    max_info_rx: int = 128
    window_tx: int = 1
    window_rx: int = 1

    def encode(self) -> bytes:
        """Return the information field of an SNRM or UA; lengths over 255 take two octets."""

        def length(number: int, value: int) -> bytes:
            return bytes((number, 1, value)) if value < 0x100 else bytes((number, 2)) + value.to_bytes(2, "big")

        body = length(5, self.max_info_tx) + length(6, self.max_info_rx)
        body += b"\x07\x04" + self.window_tx.to_bytes(4, "big") + b"\x08\x04" + self.window_rx.to_bytes(4, "big")
        return b"\x81\x80" + bytes((len(body),)) + body

    def agreed(self, peer: HdlcParameters) -> HdlcParameters:
        """Return what holds for this side once `peer` has said its limits."""
        return HdlcParameters(
            min(self.max_info_tx, peer.max_info_rx),
            min(self.max_info_rx, peer.max_info_tx),
            min(self.window_tx, peer.window_rx),
            min(self.window_rx, peer.window_tx),
        )


DEFAULT = HdlcParameters()
"""What holds where a parameter, or the whole information field, is missing."""


def parse(info: bytes) -> HdlcParameters:
    """Read an information field of SNRM or UA; an empty one gives the defaults. Raises `DecodeError`."""
    return checked(_read(info))


def proposed(info: bytes) -> HdlcParameters:
    """Read an information field as a station does that must answer: what cannot be read, and a 0, mean the default,
    and what no frame can keep means the most that one can."""
    try:
        values = _read(info)
    except DecodeError:
        return DEFAULT
    limits = (MAX_INFO, MAX_INFO, MAX_WINDOW, MAX_WINDOW)
    return HdlcParameters(
        *(min(value or default, limit) for value, default, limit in zip(values, DEFAULT, limits, strict=True))
    )


def _read(info: bytes) -> HdlcParameters:
    if not info:
        return DEFAULT
    if len(info) < 3 or info[0] != 0x81 or info[1] != 0x80:
        raise DecodeError("negotiation starts with 81 80", 0)
    if info[2] != len(info) - 3:
        raise DecodeError(f"the parameter group says {info[2]} octets, {len(info) - 3} are there", 2)
    values: dict[str, int] = {}
    offset = 3
    while offset < len(info):
        if offset + 2 > len(info):
            raise DecodeError("a parameter is cut short", offset)
        number, width = info[offset], info[offset + 1]
        stop = offset + 2 + width
        if stop > len(info) or width not in (1, 2, 4):
            raise DecodeError(f"parameter {number} of {width} octets", offset)
        if (name := _NAMES.get(number)) is not None:
            values[name] = int.from_bytes(info[offset + 2 : stop], "big")
        offset = stop
    return HdlcParameters(**values)


def checked(parameters: HdlcParameters) -> HdlcParameters:
    """Return `parameters` if an HDLC line can keep them; raise `DecodeError` otherwise."""
    if parameters.max_info_tx < 1 or parameters.max_info_rx < 1:
        raise DecodeError("a maximum information field of 0 octets", 0)
    if not (1 <= parameters.window_tx <= MAX_WINDOW and 1 <= parameters.window_rx <= MAX_WINDOW):
        raise DecodeError("a window outside 1 to 7", 0)
    return parameters
