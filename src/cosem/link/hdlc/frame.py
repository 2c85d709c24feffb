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

NO_STATION = 0x00
CALLING, CALLING_WIDE = 0x7E, 0x3FFE
ALL_STATION, ALL_STATION_WIDE = 0x7F, 0x3FFF
"""Reserved addresses (IEC 62056-46, 6.4.2.3), in the forms of one or two octets and of four."""

_REVERSED = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))
_REVERSED_INVERTED = bytes(octet ^ 0xFF for octet in _REVERSED)
_GOOD = 0x1D0F
"""What the check over octets and their own check sequence gives when nothing was altered."""
_new = tuple.__new__


def check_sequence(octets: bytes) -> bytes:
    """Return the two octets of the FCS of `octets` (CRC-16/X-25) as they stand on the line.

    Runs at the speed of C: `crc_hqx` knows the same polynomial with the bits of octets and result the other way round.
    """
    return crc_hqx(octets.translate(_REVERSED), 0xFFFF).to_bytes(2, "big").translate(_REVERSED_INVERTED)


class HdlcAddress(NamedTuple):
    """One address field. `octets` as on the line; `lower` is None in the one-octet form."""

    octets: bytes
    upper: int
    lower: int | None

    @property
    def broadcast(self) -> bool:
        """Whether a part of it is the all-station address: 7F, or 3FFF in the form of four octets."""
        everyone = ALL_STATION_WIDE if len(self.octets) == 4 else ALL_STATION
        return everyone in (self.upper, self.lower)

    @property
    def no_station(self) -> bool:
        """Whether a part of it is the no-station address 0, which nobody has."""
        return NO_STATION in (self.upper, self.lower)

    @property
    def calling(self) -> bool:
        """Whether it names the physical device that opened the line: lower part 7E, or 3FFE in four octets."""
        return self.lower == (CALLING_WIDE if len(self.octets) == 4 else CALLING)

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
    """One frame. `kind` is SNRM, UA, DISC, DM, FRMR, UI, I, RR, RNR or REJ; `ns` and `nr` where the kind has them.

    The frame in a `ControlError` has the kind UNKNOWN.
    """

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


class ControlError(DecodeError):
    """A frame that is right but for its control octet, which this profile of HDLC does not have. `frame` is all of it:
    a station answers such a frame with FRMR."""

    frame: Frame | None = None


UNKNOWN = "unknown"
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

_CONTROL_OCTETS = tuple(bytes((octet,)) for octet in range(256))


def control_text(control: int) -> str:
    """Return a control octet in words: `I N(S)=1 N(R)=2 P/F`."""
    what = _CONTROLS[control & 0xFF]
    if what is None:
        return f"control octet {control:02X}"
    kind, ns, nr, pf = what
    parts = (kind, f"N(S)={ns}", f"N(R)={nr}", "P/F")
    return " ".join(
        part for part, there in zip(parts, (True, ns is not None, nr is not None, pf), strict=True) if there
    )


CONTROL = {"SNRM": 0x83, "UA": 0x63, "DISC": 0x43, "DM": 0x0F, "FRMR": 0x87, "UI": 0x03, "RR": 0x01, "RNR": 0x05}
"""Control octets without P/F and N(R)."""


def build(destination: bytes, source: bytes, control: int, info: bytes = b"", segmented: bool = False) -> bytes:
    """Return a whole frame with its flags."""
    length = 5 + len(destination) + len(source)
    if not info:
        head = (length | (0xA800 if segmented else 0xA000)).to_bytes(2, "big") + destination + source
        body = head + _CONTROL_OCTETS[control]
        return b"\x7e" + body + check_sequence(body) + b"\x7e"
    length += 2 + len(info)
    if length > MAX_LENGTH:
        raise ValueError(f"a frame holds {MAX_LENGTH} octets, not {length}")
    head = (length | (0xA800 if segmented else 0xA000)).to_bytes(2, "big") + destination + source
    head += _CONTROL_OCTETS[control]
    head += crc_hqx(head.translate(_REVERSED), 0xFFFF).to_bytes(2, "big").translate(_REVERSED_INVERTED)
    # The FCS goes on where the HCS ended: what was checked once is not run through again.
    fcs = crc_hqx(info.translate(_REVERSED), _GOOD).to_bytes(2, "big").translate(_REVERSED_INVERTED)
    return b"\x7e" + head + info + fcs + b"\x7e"


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
        if _header_wrong(octets, start, end):
            # A length that was altered on the line is not waited for.
            raise DecodeError("the header check sequence is wrong", start + 1)
        raise IncompleteError(f"the frame has {length} octets, {available - 1} are there", len(octets))
    if octets[end] != FLAG:
        raise DecodeError("no closing flag where the length says", end)
    destination, offset = _address(octets, start + 3, end)
    source, offset = _address(octets, offset, end)
    if offset + 3 > end:
        raise DecodeError("no room for control and FCS", offset)
    control = octets[offset]
    what = _CONTROLS[control]
    offset += 1
    left = end - offset
    reversed_body = octets[start + 1 : end].translate(_REVERSED)
    if left == 2:
        hcs, info = None, b""
        if crc_hqx(reversed_body, 0xFFFF) != _GOOD:
            raise DecodeError("the frame check sequence is wrong", end - 2)
    else:
        head_end = offset - start + 1
        if left >= 4 and crc_hqx(reversed_body[:head_end], 0xFFFF) != _GOOD:
            raise DecodeError("the header check sequence is wrong", offset)
        if left < 4 or crc_hqx(reversed_body[head_end:], _GOOD) != _GOOD:
            raise DecodeError("the frame check sequence is wrong", end - 2)
        hcs = octets[offset] | octets[offset + 1] << 8
        info = octets[offset + 2 : end - 2]
    fcs = octets[end - 2] | octets[end - 1] << 8
    segmented = form & 0x0800 != 0
    if what is None:
        error = ControlError(f"control octet {control:02X} is not known", offset - 1)
        pf = control & 0x10 != 0
        error.frame = Frame(segmented, length, destination, source, control, UNKNOWN, None, None, pf, info, hcs, fcs)
        raise error
    kind, ns, nr, pf = what
    values = (segmented, length, destination, source, control, kind, ns, nr, pf, info, hcs, fcs)
    return _new(Frame, values), end


def _header_wrong(octets: bytes, start: int, end: int) -> bool:
    """Return whether the beginning of a frame is enough to say that it will never be one."""
    offset, there = start + 3, min(len(octets), end)
    for _ in range(2):
        size = 1
        while offset < there and not octets[offset] & 1 and size <= 4:
            offset += 1
            size += 1
        if offset < there and size not in (1, 2, 4):
            return True
        offset += 1
    check = offset + 3
    if check > there:
        return False
    return crc_hqx(octets[start + 1 : check].translate(_REVERSED), 0xFFFF) != _GOOD


_SHORT = tuple(HdlcAddress(bytes((octet,)), octet >> 1, None) for octet in range(256))


def _address(octets: bytes, offset: int, end: int) -> tuple[HdlcAddress, int]:
    first = octets[offset]
    if first & 1:
        return _SHORT[first], offset + 1
    if offset + 2 > end:
        raise DecodeError("an address is cut short", offset)
    second = octets[offset + 1]
    if second & 1:
        return _new(HdlcAddress, (octets[offset : offset + 2], first >> 1, second >> 1)), offset + 2
    if offset + 4 > end:
        raise DecodeError("an address is cut short", offset)
    third, fourth = octets[offset + 2], octets[offset + 3]
    if third & 1 or not fourth & 1:
        raise DecodeError("an address has 1, 2 or 4 octets", offset)
    upper, lower = first >> 1 << 7 | second >> 1, third >> 1 << 7 | fourth >> 1
    return _new(HdlcAddress, (octets[offset : offset + 4], upper, lower)), offset + 4
