"""HDLC frames of type 3 (IEC 62056-46, 6.4): octets <-> frames, with no memory between two of them.

A frame on the line: flag 7E, format (A, segmentation bit, 11 bits of length), destination, source, control, HCS,
information, FCS, flag. The length counts everything between the flags.
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import NamedTuple

from cosem.errors import DecodeError, IncompleteError

FLAG = 0x7E
MAX_LENGTH = 0x7FF
"""Octets between the flags: the format field has 11 bits for them."""
_MIN_LENGTH = 7  # format 2, addresses 1 + 1, control 1, HCS (which is the FCS) 2

_REVERSED = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))
_REVERSED16 = [int(f"{value:016b}"[::-1], 2) for value in range(0x10000)]


def crc(octets: bytes, start: int = 0xFFFF) -> int:
    """Return the FCS of `octets` (CRC-16/X-25), least significant octet first on the line when packed with ``<H``.

    Runs at the speed of C: `crc_hqx` knows the same polynomial with the bits of octets and result the other way round.
    """
    return _REVERSED16[crc_hqx(octets.translate(_REVERSED), 0xFFFF)] ^ 0xFFFF


class HdlcAddress(NamedTuple):
    """One address field. `octets` as on the line; `lower` is None in the one-octet form."""

    octets: bytes
    upper: int
    lower: int | None

    @property
    def broadcast(self) -> bool:
        """Whether a part of it is the all-station address: 7F, or 3FFF in the form of four octets."""
        everyone = 0x3FFF if len(self.octets) == 4 else 0x7F
        return everyone in (self.upper, self.lower)

    @classmethod
    def of(cls, upper: int, lower: int | None = None, size: int | None = None) -> HdlcAddress:
        """Return the address of `upper` and `lower` in its shortest form, or in `size` octets (1, 2 or 4).

        Raises `ValueError` where they do not fit.
        """
        if size is None:
            size = 1 if lower is None and upper < 0x80 else 2 if upper < 0x80 and (lower or 0) < 0x80 else 4
        if size == 1 and lower is None and 0 <= upper < 0x80:
            return cls(bytes((upper << 1 | 1,)), upper, None)
        low = lower or 0
        if size == 2 and 0 <= upper < 0x80 and 0 <= low < 0x80:
            return cls(bytes((upper << 1, low << 1 | 1)), upper, low)
        if size == 4 and 0 <= upper < 0x4000 and 0 <= low < 0x4000:
            octets = bytes(((upper >> 7) << 1, upper << 1 & 0xFE, (low >> 7) << 1, (low & 0x7F) << 1 | 1))
            return cls(octets, upper, low)
        raise ValueError(f"upper {upper} and lower {lower} do not fit an address of {size} octets")


class Frame(NamedTuple):
    """One frame. `kind` is SNRM, UA, DISC, DM, FRMR, UI, I, RR, RNR or REJ; `ns` and `nr` where the kind has them."""

    segmented: bool
    length: int
    destination: HdlcAddress
    source: HdlcAddress
    control: int
    kind: str
    ns: int | None
    nr: int | None
    pf: bool
    info: bytes
    hcs: int | None
    fcs: int


_UNNUMBERED = {0x83: "SNRM", 0x63: "UA", 0x43: "DISC", 0x0F: "DM", 0x87: "FRMR", 0x03: "UI"}
_SUPERVISORY = {0x01: "RR", 0x05: "RNR", 0x09: "REJ"}
_CONTROLS: list[tuple[str, int | None, int | None, bool] | None] = []
for _octet in range(256):
    _pf = bool(_octet & 0x10)
    if not _octet & 1:
        _CONTROLS.append(("I", _octet >> 1 & 7, _octet >> 5, _pf))
    elif (_octet & 0x0F) in _SUPERVISORY:
        _CONTROLS.append((_SUPERVISORY[_octet & 0x0F], None, _octet >> 5, _pf))
    elif (_octet & 0xEF) in _UNNUMBERED:
        _CONTROLS.append((_UNNUMBERED[_octet & 0xEF], None, None, _pf))
    else:
        _CONTROLS.append(None)

CONTROL = {"SNRM": 0x83, "UA": 0x63, "DISC": 0x43, "DM": 0x0F, "FRMR": 0x87, "UI": 0x03, "RR": 0x01, "RNR": 0x05}
"""Control octets without P/F and N(R)."""


def build(destination: bytes, source: bytes, control: int, info: bytes = b"", segmented: bool = False) -> bytes:
    """Return a whole frame with its flags."""
    head_length = 5 + len(destination) + len(source)
    if info:
        length = head_length + 2 + len(info)
        if length > MAX_LENGTH:
            raise ValueError(f"a frame holds {MAX_LENGTH} octets, not {length}")
        head = (length | (0xA800 if segmented else 0xA000)).to_bytes(2, "big") + destination + source
        head += bytes((control,))
        hcs = _REVERSED16[crc_hqx(head.translate(_REVERSED), 0xFFFF)] ^ 0xFFFF
        body = head + hcs.to_bytes(2, "little") + info
    else:
        head = (head_length | (0xA800 if segmented else 0xA000)).to_bytes(2, "big") + destination + source
        body = head + bytes((control,))
    fcs = _REVERSED16[crc_hqx(body.translate(_REVERSED), 0xFFFF)] ^ 0xFFFF
    return b"\x7e" + body + fcs.to_bytes(2, "little") + b"\x7e"


def parse(octets: bytes) -> Frame:
    """Parse one frame with its flags. Raises `DecodeError`, or `IncompleteError` where octets are still to come."""
    if not octets or octets[0] != FLAG:
        raise DecodeError("no opening flag 7E", 0)
    frame, end = parse_at(octets, 0)
    if end + 1 != len(octets):
        raise DecodeError("octets behind the closing flag", end + 1)
    return frame


def parse_at(octets: bytes, start: int) -> tuple[Frame, int]:
    """Parse the frame whose opening flag stands at `start`; return it with the offset of its closing flag."""
    available = len(octets) - start
    if available < 3:
        raise IncompleteError("a frame format takes two octets", len(octets))
    form = octets[start + 1] << 8 | octets[start + 2]
    if form & 0xF000 != 0xA000:
        raise DecodeError(f"frame format type {form >> 12:X}, not A", start + 1)
    length = form & MAX_LENGTH
    if length < _MIN_LENGTH:
        raise DecodeError(f"a frame of {length} octets is too short", start + 1)
    end = start + 1 + length
    if end >= len(octets):
        raise IncompleteError(f"the frame has {length} octets, {available - 1} are there", len(octets))
    if octets[end] != FLAG:
        raise DecodeError("no closing flag where the length says", end)
    body = octets[start + 1 : end]
    offset = start + 3
    destination, offset = _address(octets, offset, end)
    source, offset = _address(octets, offset, end)
    if offset + 3 > end:
        raise DecodeError("no room for control and FCS", offset)
    what = _CONTROLS[octets[offset]]
    fcs = body[-2] | body[-1] << 8
    if fcs != _REVERSED16[crc_hqx(body[:-2].translate(_REVERSED), 0xFFFF)] ^ 0xFFFF:
        raise DecodeError("the frame check sequence is wrong", end - 2)
    if what is None:
        raise DecodeError(f"control octet {octets[offset]:02X} is not known", offset)
    control, offset = octets[offset], offset + 1
    left = end - offset
    hcs: int | None = None
    info = b""
    if left > 2:
        if left < 4:
            raise DecodeError("one octet between control and FCS", offset)
        head = octets[start + 1 : offset]
        hcs = octets[offset] | octets[offset + 1] << 8
        if hcs != _REVERSED16[crc_hqx(head.translate(_REVERSED), 0xFFFF)] ^ 0xFFFF:
            raise DecodeError("the header check sequence is wrong", offset)
        info = bytes(octets[offset + 2 : end - 2])
    kind, ns, nr, pf = what
    return (
        Frame(bool(form & 0x0800), length, destination, source, control, kind, ns, nr, pf, info, hcs, fcs),
        end,
    )


def _address(octets: bytes, offset: int, end: int) -> tuple[HdlcAddress, int]:
    if octets[offset] & 1:
        octet = octets[offset]
        return HdlcAddress(bytes((octet,)), octet >> 1, None), offset + 1
    if offset + 2 > end:
        raise DecodeError("an address is cut short", offset)
    if octets[offset + 1] & 1:
        raw = bytes(octets[offset : offset + 2])
        return HdlcAddress(raw, raw[0] >> 1, raw[1] >> 1), offset + 2
    if offset + 4 > end:
        raise DecodeError("an address is cut short", offset)
    raw = bytes(octets[offset : offset + 4])
    if raw[2] & 1 or not raw[3] & 1:
        raise DecodeError("an address has 1, 2 or 4 octets", offset)
    return HdlcAddress(raw, raw[0] >> 1 << 7 | raw[1] >> 1, raw[2] >> 1 << 7 | raw[3] >> 1), offset + 4
