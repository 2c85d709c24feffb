"""Values of records as octets and back: types A to M and every kind of variable length (EN 13757-3:2018, Annex A).

A reader takes the octets of a value and never raises: what is no value of its type is None, and the octets are still
there. The writers are for values that are one; they raise `EncodeError`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from decimal import Context, Decimal
from typing import Final, TypeAlias

from cosem.errors import DecodeError, EncodeError
from cosem.mbus.dib import BCD, INTEGERS, SIZES, VARIABLE_LENGTH, DataField
from cosem.mbus.moments import TYPES, Moment
from cosem.mbus.vif_tables import Kind
from cosem.units import scaled

Raw: TypeAlias = int | float | str | bytes | Moment | None
"""A value before it is scaled: numbers of types A to D and H, text, moments, and octets with a layout of their own."""
Reader: TypeAlias = Callable[[bytes], Raw]

TEXT_UNTIL: Final = 0xBF
"""Up to here LVAR counts characters, the last one first."""
POSITIVE_BCD, NEGATIVE_BCD, BINARY = 0xC0, 0xD0, 0xE0
BCD_OCTETS: Final = 9
LARGE_BINARY: Final = {0xF0 + n: 4 * (4 + n) for n in range(5)} | {0xF5: 48, 0xF6: 64}
REAL_64: Final = 0xF8
"""A float of 8 octets, as the first edition has it; later ones reserve the code."""

EXACT: Final = Context(prec=1000, traps=[])
"""Enough for the 64 octets of the largest number: nothing is rounded."""

_REAL_32: Final = struct.Struct("<f")
_REAL_64: Final = struct.Struct("<d")


def variable_size(code: int) -> int | None:
    """Return how many octets follow LVAR; None for a reserved one, behind which nobody knows where to go on."""
    if code <= TEXT_UNTIL:
        return code
    if BINARY <= code < BINARY + 16:
        return code - BINARY
    if code in LARGE_BINARY:
        return LARGE_BINARY[code]
    if code == REAL_64:
        return 8
    octets = code & 0x0F
    return octets if code < BINARY and octets <= BCD_OCTETS else None


# --- readers -----------------------------------------------------------------------------------------------------


def nothing(data: bytes) -> None:
    """Read no data."""


def signed(data: bytes) -> int:
    """Read type B."""
    return int.from_bytes(data, "little", signed=True)


def unsigned(data: bytes) -> int:
    """Read type C; type D as the number that its bits are."""
    return int.from_bytes(data, "little")


def bcd(data: bytes) -> int | None:
    """Read type A: two digits in each octet, F in front of them is a minus; None where a digit is none."""
    digits = data[::-1].hex()
    if digits.isdecimal():
        return int(digits)
    if digits[:1] == "f" and digits[1:].isdecimal():
        return -int(digits[1:])
    return None if digits else 0


def real(data: bytes) -> float:
    """Read type H."""
    value: float = (_REAL_32 if len(data) == 4 else _REAL_64).unpack(data)[0]
    return value


def moment(data: bytes) -> Moment:
    """Read type F, G, I or J by the size."""
    return Moment(TYPES[len(data)], data)


def octets(data: bytes) -> bytes:
    """Keep octets with a layout of their own: containers, and types K, L and M, whose layouts are not at hand."""
    return data


def variable(data: bytes, kind: Kind = Kind.SIGNED) -> Raw:
    """Read LVAR and what it announces; containers, type L and moments of type M stay octets.

    A binary number has a sign where an integer under the same VIF has one: the standard says "binary number" only.
    """
    code, body = data[0], data[1:]
    if code <= TEXT_UNTIL:
        return body if kind is Kind.OCTETS else body[::-1].decode("latin-1")
    if code < NEGATIVE_BCD:
        return _digits(body)
    if code < BINARY:
        number = _digits(body)
        return None if number is None else -number
    if code == REAL_64:
        return real(body)
    if kind is Kind.MOMENT or kind in _LAYOUTS:
        return body
    return signed(body) if kind is Kind.SIGNED else unsigned(body)


def scale(raw: int | float, exponent: int) -> Decimal:
    """Return ``raw * 10**exponent`` exactly; a float stands for the shortest decimal that reads back as it."""
    return EXACT.scaleb(Decimal(raw), exponent) if isinstance(raw, int) else scaled(raw, exponent)


def _digits(body: bytes) -> int | None:
    digits = body[::-1].hex()
    return int(digits) if digits.isdecimal() else None if digits else 0


def _variable_of(kind: Kind) -> Reader:
    return lambda data: variable(data, kind)


_VARIABLE: Final = {kind: _variable_of(kind) for kind in Kind}
_UNSIGNED: Final = (Kind.UNSIGNED, Kind.BITS)
_LAYOUTS: Final = (Kind.DAYLIGHT_SAVING, Kind.LISTENING_WINDOW, Kind.OCTETS)
_BINARY_LAYOUTS: Final = (Kind.MOMENT, Kind.DAYLIGHT_SAVING, Kind.LISTENING_WINDOW)


def reader(field: DataField, kind: Kind) -> Reader:
    """Return what reads a value of this data field under a VIF of this kind."""
    size = SIZES[field]
    if size == VARIABLE_LENGTH:
        return _VARIABLE[kind]
    if field in BCD:
        return bcd
    if field is DataField.REAL_32:
        return real
    if field in INTEGERS:
        if kind is Kind.MOMENT and size in TYPES:
            return moment
        if kind in _LAYOUTS:
            return octets
        return unsigned if kind in _UNSIGNED else signed
    return nothing


def type_letter(field: DataField, kind: Kind) -> str:
    """Return the letter of the type, ``LVAR``, or nothing where there is no data."""
    size = SIZES[field]
    if size == VARIABLE_LENGTH:
        return {Kind.MOMENT: "M", Kind.LISTENING_WINDOW: "L"}.get(kind, "LVAR")
    if field in BCD:
        return "A"
    if field is DataField.REAL_32:
        return "H"
    if field not in INTEGERS:
        return ""
    if kind is Kind.MOMENT:
        return TYPES.get(size, "B")
    return {Kind.UNSIGNED: "C", Kind.BITS: "D", Kind.DAYLIGHT_SAVING: "K", Kind.LISTENING_WINDOW: "L"}.get(kind, "B")


def is_invalid(field: DataField, kind: Kind, data: bytes) -> bool:
    """Say whether the octets are what the types keep for "no valid value" (Annex A).

    B: the smallest number, A: digits that are none, C: all ones, H: no number. Bits, dates and text have no such thing.
    """
    if field in BCD:
        return bcd(data) is None
    if field is DataField.REAL_32:
        return data[3] & 0x7F == 0x7F and data[2] & 0x80 != 0
    if field not in INTEGERS:
        return False
    if kind is Kind.SIGNED:
        return data[-1] == 0x80 and not any(data[:-1])
    return kind is Kind.UNSIGNED and data == b"\xff" * len(data)


# --- writers -----------------------------------------------------------------------------------------------------


def encode(field: DataField, kind: Kind, raw: Raw) -> bytes:
    """Return the octets of `raw` in this data field, with LVAR where it is of variable length. Raises `EncodeError`."""
    size = SIZES[field]
    if size == VARIABLE_LENGTH:
        return encode_variable(kind, raw)
    if isinstance(raw, Moment):
        data = raw.octets
    elif isinstance(raw, bytes):
        data = raw
    elif raw is None:
        data = b""
    elif isinstance(raw, str):
        raise EncodeError("text has a variable length")
    elif field is DataField.REAL_32:
        data = _pack_real(_REAL_32, raw)
    elif not isinstance(raw, int):
        raise EncodeError(f"{raw} is no whole number")
    elif field in BCD:
        data = encode_bcd(raw, size)
    else:
        data = _integer(raw, size, signed=reader(field, kind) is signed)
    if len(data) != size:
        raise EncodeError(f"a value of {size} octets is wanted, there are {len(data)}")
    return data


def encode_bcd(number: int, size: int) -> bytes:
    """Return type A in `size` octets; a minus takes the first digit. Raises `EncodeError` for a number with more."""
    text = f"{abs(number):0{2 * size - (number < 0)}d}"
    if number < 0:
        text = f"f{text}"
    if len(text) != 2 * size:
        raise EncodeError(f"{number} has no {2 * size} digits of BCD")
    return bytes.fromhex(text)[::-1]


def encode_variable(kind: Kind, raw: Raw) -> bytes:
    """Return LVAR and the shortest form of `raw` behind it: text, a binary number, or octets. Raises `EncodeError`.

    Floats take the 8 octets of the first edition. BCD is for numbers that have no other form under this kind only: a
    device that wants it else says so with a DIF.
    """
    if isinstance(raw, str):
        try:
            return _counted(raw.encode("latin-1")[::-1])
        except UnicodeEncodeError:
            raise EncodeError("text has the characters of ISO 8859-1 only") from None
    if isinstance(raw, bytes):
        return _counted(raw) if kind not in _BINARY_LAYOUTS else bytes((_binary_code(len(raw), exact=True),)) + raw
    if isinstance(raw, float):
        return bytes((REAL_64,)) + _pack_real(_REAL_64, raw)
    if not isinstance(raw, int):
        raise EncodeError(f"{raw} has no form of variable length")
    has_sign = kind is Kind.SIGNED
    if not has_sign and (raw < 0 or kind not in _UNSIGNED):
        digits = f"{abs(raw):d}"
        size = -(-len(digits) // 2)
        if size > BCD_OCTETS:
            raise EncodeError(f"{raw} has more than {2 * BCD_OCTETS} digits")
        return bytes(((NEGATIVE_BCD if raw < 0 else POSITIVE_BCD) + size,)) + encode_bcd(abs(raw), size)
    bits = (raw + 1 if raw < 0 else raw).bit_length() + has_sign
    code = _binary_code(-(-bits // 8))
    return bytes((code,)) + _integer(raw, variable_size(code) or 0, signed=has_sign)


def _binary_code(size: int, *, exact: bool = False) -> int:
    """Return the LVAR of a binary number with at least, or exactly, so many octets."""
    if size < 16:
        return BINARY + size
    for code, most in LARGE_BINARY.items():
        if size == most or (size < most and not exact):
            return code
    raise EncodeError(f"there is no binary number of {size} octets")


def _counted(body: bytes) -> bytes:
    if len(body) > TEXT_UNTIL:
        raise EncodeError(f"{len(body)} octets are too many: {TEXT_UNTIL}")
    return bytes((len(body),)) + body


def _integer(number: int, size: int, *, signed: bool) -> bytes:
    try:
        return number.to_bytes(size, "little", signed=signed)
    except OverflowError:
        raise EncodeError(f"{number} does not fit {size} octets{'' if signed else ' without a sign'}") from None


def _pack_real(form: struct.Struct, number: float) -> bytes:
    try:
        return form.pack(number)
    except OverflowError:
        raise EncodeError(f"{number} is too large for a float of {form.size} octets") from None


def take_variable(octets: bytes, at: int) -> int:
    """Return where the value that begins with LVAR at `at` ends. Raises `DecodeError`."""
    if at >= len(octets):
        raise DecodeError("the length of the value is missing", at)
    size = variable_size(octets[at])
    if size is None:
        raise DecodeError(f"LVAR {octets[at]:02X} is reserved: where the value ends cannot be told", at)
    return at + 1 + size
