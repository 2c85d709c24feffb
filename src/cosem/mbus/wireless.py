"""Frames of wireless M-Bus as octets: formats A and B, their CRCs, and the link layer's header (EN 13757-4).

A frame begins with L, C, M (2 octets) and A (identification 4, version 1, medium 1); what follows begins with CI.

- Format A: L counts the octets behind it without CRCs. The first block has 10 octets, each further one up to 16, and
  each block is followed by a CRC.
- Format B: L counts the octets behind it with CRCs. The first 126 octets are followed by one CRC over all of them, what
  is longer by a second one. Frames of this format are never longer than 256 octets.
- Stripped: what a receiver hands on that has checked the CRCs and taken them out; L counts without them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from cosem.errors import DecodeError, EncodeError
from cosem.mbus.addresses import SecondaryAddress
from cosem.mbus.crc import crc16
from cosem.mbus.manufacturer import manufacturer_code, manufacturer_octets

HEADER = 10
"""Octets of L, C, M and A."""
BLOCK_A = 16
FIRST_B = 126
"""Octets of format B in front of the first CRC."""
MAX_L = 0xFF
CRC = 2


class Format(StrEnum):
    """How a frame carries its CRCs."""

    A = "A"
    B = "B"
    STRIPPED = "stripped"


class Address(NamedTuple):
    """Who a meter is: manufacturer (2 octets as sent), identification (4 octets as sent), version and medium."""

    manufacturer: bytes
    identification: bytes
    version: int
    medium: int

    @classmethod
    def from_link(cls, octets: bytes) -> Address:
        """Return the address of a link layer: M, identification, version, medium; 8 octets."""
        return cls(octets[:2], octets[2:6], octets[6], octets[7])

    @classmethod
    def from_header(cls, octets: bytes) -> Address:
        """Return the address of a long transport header: identification, M, version, medium; 8 octets."""
        return cls(octets[4:6], octets[:4], octets[6], octets[7])

    @classmethod
    def of(cls, code: str, number: str, version: int, medium: int) -> Address:
        """Return the address of ``("KAM", "12345678", 1, 4)``. Raises `ConfigError` for a code that is none."""
        try:
            identification = bytes.fromhex(number)[::-1]
        except ValueError:
            identification = b""
        if len(identification) != 4:
            raise EncodeError(f"an identification number has eight digits: {number!r}")
        if not (0 <= version <= 0xFF and 0 <= medium <= 0xFF):
            raise EncodeError(f"version and medium have an octet each: {version}, {medium}")
        return cls(manufacturer_octets(code), identification, version, medium)

    @property
    def link(self) -> bytes:
        """Return the 8 octets in the order of the link layer."""
        return self.manufacturer + self.identification + bytes((self.version, self.medium))

    @property
    def header(self) -> bytes:
        """Return the 8 octets in the order of a long transport header."""
        return self.identification + self.manufacturer + bytes((self.version, self.medium))

    @property
    def number(self) -> str:
        """Return the identification number as it is printed on the meter: eight digits."""
        return self.identification[::-1].hex().upper()

    @property
    def code(self) -> str:
        """Return the manufacturer's three letters."""
        return manufacturer_code(self.manufacturer)

    def __str__(self) -> str:
        return str(SecondaryAddress(self.header))


class WirelessFrame(NamedTuple):
    """A frame without its CRCs. `payload` begins with CI; `format` says how it came and how it is sent."""

    control: int
    address: Address
    payload: bytes
    format: Format = Format.STRIPPED

    @property
    def stripped(self) -> bytes:
        """Return the frame without CRCs, L counting what is left."""
        body = bytes((self.control,)) + self.address.link + self.payload
        return bytes((len(body) & 0xFF,)) + body


CONTROLS = {
    0x00: ("ACK", "from meter"),
    0x06: ("CNF-IR", "to meter"),
    0x08: ("RSP-UD", "from meter"),
    0x40: ("SND-NKE", "to meter"),
    0x43: ("SND-UD2", "to meter"),
    0x44: ("SND-NR", "from meter"),
    0x46: ("SND-IR", "from meter"),
    0x47: ("ACC-NR", "from meter"),
    0x48: ("ACC-DMD", "from meter"),
    0x53: ("SND-UD", "to meter"),
    0x5A: ("REQ-UD1", "to meter"),
    0x5B: ("REQ-UD2", "to meter"),
    0x63: ("SND-UD3", "to meter"),
    0x73: ("SND-UD", "to meter"),
    0x7A: ("REQ-UD1", "to meter"),
    0x7B: ("REQ-UD2", "to meter"),
}
"""C field: name and direction; 53h/73h, 5Ah/7Ah and 5Bh/7Bh differ in the frame count bit (EN 13757-4, 12.2)."""
ANSWER_BITS = 0x30
"""In answers of a meter (ACC, DFC), which are no part of the function."""


def control_name(control: int) -> str:
    """Return the name of a C field, or its octet in hex where the standard has none."""
    entry = CONTROLS.get(control) or (CONTROLS.get(control & ~ANSWER_BITS) if not control & 0x40 else None)
    return entry[0] if entry else f"{control:02X}"


def length_a(l_field: int) -> int:
    """Return how many octets a frame of format A has on the air when its L is `l_field`."""
    behind = l_field + 1 - HEADER
    return l_field + 1 + CRC + (behind + BLOCK_A - 1) // BLOCK_A * CRC


def _check_l(octets: bytes, least: int) -> int:
    if not octets:
        raise DecodeError("an empty frame", 0)
    if octets[0] < least:
        raise DecodeError(f"L is {octets[0]}, a frame has at least {least} octets behind it", 0)
    return octets[0]


def _strip_a(octets: bytes) -> bytes:
    l_field = _check_l(octets, HEADER - 1)
    if len(octets) != length_a(l_field):
        raise DecodeError(
            f"a frame of format A with L {l_field} has {length_a(l_field)} octets, not {len(octets)}", len(octets)
        )
    parts = []
    start, number = 0, 1
    size = HEADER
    while start < len(octets):
        end = min(start + size, len(octets) - CRC)
        block = octets[start:end]
        if crc16(block) != octets[end] << 8 | octets[end + 1]:
            raise DecodeError(f"the CRC of block {number} is wrong (format A)", end)
        parts.append(block)
        start, number, size = end + CRC, number + 1, BLOCK_A
    return b"".join(parts)


def _strip_b(octets: bytes) -> bytes:
    l_field = _check_l(octets, HEADER - 1 + CRC)
    if len(octets) != l_field + 1:
        raise DecodeError(
            f"a frame of format B with L {l_field} has {l_field + 1} octets, not {len(octets)}", len(octets)
        )
    end = min(len(octets) - CRC, FIRST_B)
    rest = len(octets) - end - CRC
    if 0 < rest <= CRC:
        raise DecodeError(f"a last block of {rest} octets has no data in front of its CRC", end + CRC)
    if crc16(octets[:end]) != octets[end] << 8 | octets[end + 1]:
        raise DecodeError("the CRC of block 2, which covers block 1, is wrong (format B)", end)
    stripped = octets[:end]
    if rest:
        start, end = end + CRC, len(octets) - CRC
        if crc16(octets[start:end]) != octets[end] << 8 | octets[end + 1]:
            raise DecodeError("the CRC of block 3 is wrong (format B)", end)
        stripped += octets[start:end]
    return bytes((len(stripped) - 1,)) + stripped[1:]


def guess_format(octets: bytes) -> Format:
    """Return the format of a frame by its length; B is told from stripped by its CRC, for their lengths are equal."""
    l_field = octets[0] if octets else 0
    if l_field >= HEADER - 1 and len(octets) == length_a(l_field):
        return Format.A
    if len(octets) == l_field + 1 and l_field >= HEADER - 1 + CRC:
        end = min(len(octets) - CRC, FIRST_B)
        if crc16(octets[:end]) == octets[end] << 8 | octets[end + 1]:
            return Format.B
    return Format.STRIPPED


def decode_frame(octets: bytes, form: Format | None = None) -> WirelessFrame:
    """Read a frame in `form`, or in the one its length and CRC tell. Raises `DecodeError` naming the block.

    Where a format is not given, an altered frame of format B cannot be told from a stripped one: whoever knows the
    format should say it.
    """
    if form is None:
        form = guess_format(octets)
    if form is Format.STRIPPED:
        l_field = _check_l(octets, HEADER - 1)
        if len(octets) != l_field + 1:
            raise DecodeError(
                f"L is {l_field}: the frame has {l_field + 1} octets without CRCs, {length_a(l_field)} in format A, "
                f"not {len(octets)}",
                len(octets),
            )
        plain = octets
    elif form is Format.A:
        plain = _strip_a(octets)
    else:
        plain = _strip_b(octets)
    return WirelessFrame(
        plain[1], Address(bytes(plain[2:4]), bytes(plain[4:8]), plain[8], plain[9]), bytes(plain[10:]), form
    )


def encode_frame(frame: WirelessFrame) -> bytes:
    """Return the octets of a frame in its format. Raises `EncodeError` where L cannot say its length."""
    body = bytes((frame.control,)) + frame.address.link + frame.payload
    if frame.format is Format.B:
        size = len(body) + CRC + (CRC if len(body) + 1 > FIRST_B else 0)
        if size > MAX_L:
            raise EncodeError(f"a frame of format B has up to {MAX_L} octets behind L, not {size}")
        plain = bytes((size,)) + body
        first, rest = plain[:FIRST_B], plain[FIRST_B:]
        octets = first + crc16(first).to_bytes(2, "big")
        return octets + rest + crc16(rest).to_bytes(2, "big") if rest else octets
    if len(body) > MAX_L:
        raise EncodeError(f"a frame has up to {MAX_L} octets behind L, not {len(body)}")
    plain = bytes((len(body),)) + body
    if frame.format is Format.STRIPPED:
        return plain
    blocks = [plain[:HEADER], *(plain[i : i + BLOCK_A] for i in range(HEADER, len(plain), BLOCK_A))]
    return b"".join(block + crc16(block).to_bytes(2, "big") for block in blocks)


def place(form: Format, index: int) -> int:
    """Return where octet `index` of a stripped frame stands in the frame with its CRCs."""
    if form is Format.STRIPPED or index < 0:
        return index
    if form is Format.B:
        return index if index < FIRST_B else index + CRC
    return index if index < HEADER else index + CRC + (index - HEADER) // BLOCK_A * CRC
