"""The value information block: what a value is, in which unit and power of ten (EN 13757-3:2018, 6.4).

Nothing in it is fatal: codes nobody knows are kept, and the value behind them is still a number.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from cosem.errors import DecodeError, EncodeError
from cosem.mbus.dib import MAX_EXTENSIONS
from cosem.mbus.vif_tables import (
    ANY,
    ANY_VIF,
    AT_BASE,
    AT_BASE_CONDITIONS,
    COMBINABLE_EXTENSION,
    COSEM_UNITS,
    COUNTS,
    DURATIONS,
    EXTENSIONS,
    FURTHER,
    FURTHER_QUALIFIERS,
    FURTHER_SECOND_EXTENSION,
    INVERSE_PROFILE,
    MANUFACTURER,
    MANUFACTURER_VIF,
    MANUFACTURER_VIFE,
    MOMENTS,
    NON_METRIC,
    PER,
    PLAIN_TEXT,
    PRIMARY,
    PROFILE,
    QUALIFIERS,
    REGISTER_PROFILE,
    RESERVED,
    SECOND,
    TIMES,
    TIMES_THOUSAND,
    TYPE_C,
    TYPE_D,
    Kind,
    Meaning,
)
from cosem.units import ScalerUnit

PROFILES: Final = (INVERSE_PROFILE, REGISTER_PROFILE, PROFILE)


class Vib(NamedTuple):
    """A VIB. The value is raw times `factor` times ten to the power of `exponent`, in `unit` (None: it has none known).

    `qualifiers` are what combinable VIFEs add, in words. `condition` is the code of a record error from a slave, or of
    an action from a master (`RECORD_ERRORS`, `ACTIONS`). `profile` is the VIFE of a compact profile. `extension` is
    what only the manufacturer understands. `additive`: a constant of 10**(n-3) units is to be added, which is
    named in the qualifiers and not done: whether its unit takes the power of ten of the VIF along is not settled.
    """

    octets: bytes
    quantity: str
    unit: str | None
    exponent: int
    kind: Kind
    factor: int = 1
    qualifiers: tuple[str, ...] = ()
    condition: int | None = None
    profile: int | None = None
    extension: bytes = b""
    additive: bool = False
    known: bool = True

    @classmethod
    def from_octets(cls, octets: bytes) -> Vib:
        """Read a VIF, its VIFEs and its text; the caller has found their end (`vib_end`)."""
        text, codes = _text_and_codes(octets)
        vif, rest = codes[0], codes[1:]
        known = True
        if text is not None:
            meaning = Meaning(text)
        elif vif & 0x7F == MANUFACTURER_VIF:
            return cls(octets, MANUFACTURER.quantity, None, 0, Kind.SIGNED, extension=rest)
        elif vif & 0x7F == ANY_VIF:
            meaning = ANY
        elif vif in EXTENSIONS and rest:
            found = EXTENSIONS[vif].get(rest[0] & 0x7F)
            if vif == SECOND and rest[0] == FURTHER | 0x80 and len(rest) > 1:
                found, rest = FURTHER_SECOND_EXTENSION.get(rest[1] & 0x7F), rest[1:]
            known = found is not None
            meaning, rest = found or RESERVED, rest[1:]
        else:
            found = PRIMARY.get(vif & 0x7F)
            known = found is not None
            meaning = found or RESERVED
        plain = text is not None or not known or meaning is ANY
        return _Combination(meaning, None if plain else meaning.unit).vib(octets, rest, known)

    @property
    def scaler_unit(self) -> ScalerUnit | None:
        """The scaler and unit of a COSEM register with the raw value; None where COSEM has no such unit."""
        if self.unit is None or self.factor != 1 or self.additive or not -128 <= self.exponent <= 127:
            return None
        if self.kind not in (Kind.SIGNED, Kind.UNSIGNED, Kind.BITS):
            return None
        unit = COSEM_UNITS.get(self.unit)
        if QUALIFIERS[AT_BASE_CONDITIONS] in self.qualifiers:
            unit = AT_BASE.get(self.unit, unit)
        return None if unit is None else ScalerUnit(self.exponent, unit)


class _Combination:
    """What VIFEs make of a meaning, one after the other."""

    def __init__(self, meaning: Meaning, unit: str | None) -> None:
        self.meaning = meaning
        self.unit = unit
        self.exponent = meaning.exponent
        self.factor = meaning.factor
        self.kind = meaning.kind
        self.qualifiers: list[str] = []
        self.condition: int | None = None
        self.profile: int | None = None
        self.additive = False

    def vib(self, octets: bytes, codes: bytes, known: bool) -> Vib:
        """Go through the combinable VIFEs and return the VIB."""
        extension = b""
        place = 0
        while place < len(codes):
            code = codes[place] & 0x7F
            place += 1
            if code == MANUFACTURER_VIFE:
                extension = codes[place:]
                break
            if code == COMBINABLE_EXTENSION and place < len(codes):
                self._further(codes[place] & 0x7F)
                place += 1
            else:
                self._combine(code)
        return Vib(
            octets,
            self.meaning.quantity,
            self.unit,
            self.exponent,
            self.kind,
            self.factor,
            tuple(self.qualifiers),
            self.condition,
            self.profile,
            extension,
            self.additive,
            known,
        )

    def _combine(self, code: int) -> None:
        if code < 0x10 or 0x15 <= code <= 0x1C:
            self.condition = code
            return
        if code in PER:
            self.unit = None if self.unit is None else f"{self.unit or '1'}/{PER[code]}"
            return
        if code in TIMES:
            self.unit = None if self.unit is None else f"{self.unit}·{TIMES[code]}".lstrip("·")
            return
        if 0x70 <= code <= 0x77:
            self.exponent += code - 0x76
            return
        if code == TIMES_THOUSAND:
            self.exponent += 3
            return
        if 0x78 <= code <= 0x7B:
            self.additive = True
            self.qualifiers.append(f"additive constant 10^{code - 0x7B}")
            return
        self.qualifiers.append(QUALIFIERS.get(code, f"VIFE {code:02X}h"))
        if code in MOMENTS:
            self._becomes(Kind.MOMENT, "")
        elif code in DURATIONS:
            self._becomes(Kind.UNSIGNED, DURATIONS[code])
        elif code in COUNTS:
            self._becomes(Kind.UNSIGNED, "")
        elif code in PROFILES:
            self.profile, self.kind = code, Kind.OCTETS
        elif code == NON_METRIC:
            self.unit = None  # which unit it is, is told by a table that is not at hand

    def _becomes(self, kind: Kind, unit: str) -> None:
        self.kind, self.unit, self.exponent, self.factor = kind, unit, 0, 1

    def _further(self, code: int) -> None:
        word = FURTHER_QUALIFIERS.get(code, f"VIFE FC {code:02X}h")
        self.qualifiers.append(word)
        if code == TYPE_C:
            self.kind = Kind.UNSIGNED
        elif code == TYPE_D:
            self.kind = Kind.BITS
        elif word == QUALIFIERS[NON_METRIC]:
            self.unit = None


def vib_end(octets: bytes, at: int) -> int:
    """Return where the VIB that begins at `at` ends. Raises `DecodeError` where it does not."""
    if at >= len(octets):
        raise DecodeError("the VIF is missing", at)
    if octets[at] & 0x7F != PLAIN_TEXT:
        return chain_end(octets, at, "VIFE")
    if octets[at] == PLAIN_TEXT:
        return _text_end(octets, at + 1)
    return _plain_text(octets, at + 1)[1]


def chain_end(octets: bytes, at: int, name: str) -> int:
    """Return the offset behind the first octet from `at` on without an extension bit. Raises `DecodeError`."""
    end = at
    size = len(octets)
    while end < size and octets[end] & 0x80:
        end += 1
    if end - at > MAX_EXTENSIONS:
        raise DecodeError(f"more than {MAX_EXTENSIONS} {name}s", at + MAX_EXTENSIONS + 1)
    if end >= size:
        raise DecodeError(f"the octets end where a {name} has to follow", size)
    return end + 1


def _text_end(octets: bytes, at: int) -> int:
    """Return where a text with its length in front ends."""
    if at >= len(octets):
        raise DecodeError("the length of the plain text is missing", at)
    end = at + 1 + octets[at]
    if end > len(octets):
        raise DecodeError(f"a plain text of {octets[at]} octets, {len(octets) - at - 1} are there", at)
    return end


def _text_first(octets: bytes, at: int) -> tuple[int, int]:
    """Read text, then VIFEs: where the text begins and where the block ends. This is what meters do."""
    if at < len(octets) and not 0 < octets[at] < 0x80:
        raise DecodeError("no plain text", at)
    return at, chain_end(octets, _text_end(octets, at), "VIFE")


def _text_last(octets: bytes, at: int) -> tuple[int, int]:
    """Read VIFEs, then text: this is what EN 13757-3, Annex C says since 2013."""
    start = chain_end(octets, at, "VIFE")
    return start, _text_end(octets, start)


def _plain_text(octets: bytes, at: int) -> tuple[int, int]:
    """Return where the length of the text stands and where the block ends; `at` is behind the VIF FCh.

    Which of the two orders it is, the text decides: the first in which it can be printed, else the first that fits.
    """
    fitting: list[tuple[int, int]] = []
    failure: DecodeError | None = None
    for reading in (_text_first, _text_last):
        try:
            start, end = reading(octets, at)
        except DecodeError as error:
            failure = error
            continue
        if _printable(octets[start + 1 : start + 1 + octets[start]]):
            return start, end
        fitting.append((start, end))
    if not fitting:
        raise failure or DecodeError("no plain text", at)
    return fitting[0]


def _printable(text: bytes) -> bool:
    return bool(text) and all(0x20 <= octet < 0x7F or octet >= 0xA0 for octet in text)


def _text_and_codes(octets: bytes) -> tuple[str | None, bytes]:
    """Return the plain text, if there is one, and the VIF with its VIFEs."""
    if octets[0] & 0x7F != PLAIN_TEXT:
        return None, octets
    start = 1 if octets[0] == PLAIN_TEXT else _plain_text(octets, 1)[0]
    end = start + 1 + octets[start]
    return _reversed(octets[start + 1 : end]), octets[:start] + octets[end:]


def _reversed(text: bytes) -> str:
    return text[::-1].decode("latin-1")


def plain_text_vib(text: str) -> bytes:
    """Return the VIB whose quantity is `text`, the last character first. Raises `EncodeError`."""
    try:
        octets = text.encode("latin-1")[::-1]
    except UnicodeEncodeError:
        raise EncodeError("plain text has the characters of ISO 8859-1 only") from None
    if not 0 < len(octets) < 0x80:
        raise EncodeError(f"a plain text has 1 to 127 characters, not {len(octets)}")
    return bytes((PLAIN_TEXT, len(octets))) + octets
