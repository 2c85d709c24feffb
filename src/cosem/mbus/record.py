"""Records of M-Bus: header (DIB and VIB) and data, one after the other (EN 13757-3:2018, 6).

A telegram is split into records, and a value is read when somebody asks for it: a record is its header, which all
records of the same kind share, and its octets. So nothing a meter sends is lost, and writing a record is putting its
octets down again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias

from cosem.codec import data as cosem
from cosem.codec.data import Data
from cosem.errors import DecodeError, EncodeError
from cosem.mbus import values
from cosem.mbus.dib import (
    GLOBAL_READOUT,
    IDLE_FILLER,
    MANUFACTURER_DATA,
    MORE_RECORDS_FOLLOW,
    SIZES,
    SPECIAL,
    VARIABLE_LENGTH,
    DataField,
    Dib,
    Function,
)
from cosem.mbus.moments import Moment
from cosem.mbus.values import Raw, Reader
from cosem.mbus.vib import Vib, chain_end, vib_end
from cosem.mbus.vif_tables import ACTIONS, RECORD_ERRORS, Kind
from cosem.units import ScalerUnit

Value: TypeAlias = Decimal | str | bytes | Moment | None
"""A value with its power of ten: numbers exactly; what is no number as `Raw` has it."""

MAX_HEADERS: Final = 4096
"""Headers that are remembered. A peer that sends ever new ones makes them forgotten, not more."""


@dataclass(frozen=True, slots=True)
class Head:
    """DIB and VIB of a record, read once and shared. `size`: octets of data, -1 for LVAR."""

    octets: bytes
    dib: Dib
    vib: Vib
    length: int = field(init=False, compare=False)
    size: int = field(init=False, compare=False)
    read: Reader = field(init=False, compare=False, repr=False)
    evaluate: Callable[[bytes], Value] = field(init=False, compare=False, repr=False)
    form: dict[str, Any] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        read = values.reader(self.dib.field, self.vib.kind)
        for name, value in (
            ("length", len(self.octets)),
            ("size", SIZES[self.dib.field]),
            ("read", read),
            ("evaluate", _evaluation(read, self.vib.factor, self.vib.exponent)),
            ("form", self._form()),
        ):
            object.__setattr__(self, name, value)

    def _form(self) -> dict[str, Any]:
        """Return what is the same in the JSON of all records with this header."""
        dib, vib = self.dib, self.vib
        return {
            "quantity": vib.quantity,
            "value": None,
            "unit": vib.unit,
            "function": dib.function.words,
            "storage": dib.storage,
            "tariff": dib.tariff,
            "subunit": dib.subunit,
            "dib": self.octets.hex(),
            "vib": vib.octets.hex(),
            "type": values.type_letter(dib.field, vib.kind),
            "data": "",
        }

    @classmethod
    def of(cls, dib: Dib, vib: bytes) -> Head:
        """Return the header of a record to be sent. Raises `EncodeError` where `vib` is no whole VIB."""
        try:
            end = vib_end(vib, 0)
        except DecodeError as error:
            raise EncodeError(error.what) from None
        if end != len(vib):
            raise EncodeError(f"{vib.hex()} is a VIB of {end} octets and something behind it")
        return cls(dib.octets + vib, dib, Vib.from_octets(vib))


class Record(NamedTuple):
    """One value with all that is said of it. `data` begins with LVAR where the length is variable."""

    head: Head
    data: bytes

    @classmethod
    def of(cls, dib: Dib, vib: bytes, raw: Raw = None) -> Record:
        """Return a record to be sent; `raw` is the value before it is scaled. Raises `EncodeError`."""
        head = Head.of(dib, vib)
        return cls(head, values.encode(dib.field, head.vib.kind, raw))

    @property
    def octets(self) -> bytes:
        """The record as on the line."""
        return self.head.octets + self.data

    @property
    def dib(self) -> Dib:
        """How the value is coded, and which it is."""
        return self.head.dib

    @property
    def vib(self) -> Vib:
        """What the value is."""
        return self.head.vib

    @property
    def quantity(self) -> str:
        """What is measured, in words."""
        return self.head.vib.quantity

    @property
    def unit(self) -> str | None:
        """The unit without a prefix; empty for a number without one, None where none is known."""
        return self.head.vib.unit

    @property
    def function(self) -> Function:
        """Instantaneous value, maximum, minimum, or value during an error."""
        return self.head.dib.function

    @property
    def storage(self) -> int:
        """The storage number; 0 is now."""
        return self.head.dib.storage

    @property
    def tariff(self) -> int:
        """The tariff; 0 is the total."""
        return self.head.dib.tariff

    @property
    def subunit(self) -> int:
        """The subunit; 0 is the device itself."""
        return self.head.dib.subunit

    @property
    def raw(self) -> Raw:
        """The value before it is scaled: the integer or float on the line, text, a moment, octets; None for none."""
        return self.head.read(self.data)

    @property
    def value(self) -> Value:
        """The value in `unit`, exactly; None where there is none (no data, BCD that is no number)."""
        return self.head.evaluate(self.data)

    @property
    def invalid(self) -> bool:
        """Whether the octets are what the type keeps for "no valid value"; the number they are is still given."""
        head = self.head
        return values.is_invalid(head.dib.field, head.vib.kind, self.data)

    @property
    def error(self) -> str | None:
        """Why the slave could not serve this record, in words."""
        code = self.head.vib.condition
        return RECORD_ERRORS.get(code, f"reserved error {code:02X}h") if code else None

    @property
    def action(self) -> str | None:
        """What a master wants done with the object, in words; None where it just writes."""
        code = self.head.vib.condition
        return None if code is None else ACTIONS.get(code)

    @property
    def flags(self) -> tuple[str, ...]:
        """What there is to know of the value beside it, in words."""
        raw = self.raw
        words = raw.flags if isinstance(raw, Moment) else ()
        return (*words, "invalid") if self.invalid else words

    def scaler_unit(self) -> ScalerUnit | None:
        """Return what a COSEM register holds beside `cosem_data`; None where COSEM has no such unit."""
        return self.head.vib.scaler_unit

    def cosem_data(self, *, unsigned: bool = False) -> Data:
        """Return the value as a COSEM register holds it (Blue Book ed. 9, 4.7.2): raw, `scaler_unit` tells the rest.

        Type B is a double-long or long64 by its size, types A, C and D are unsigned; a negative number of type A is
        not. With `unsigned` type B is unsigned as well where it is not negative, as companions want it that have
        double-long-unsigned for counters. Text is an octet-string in the order it is read in, a moment an octet-string
        of 12 octets, the rest the octets as they are.
        """
        raw = self.raw
        if raw is None:
            return cosem.null()
        if isinstance(raw, Moment):
            return cosem.octet_string(raw.to_cosem().to_octets())
        if isinstance(raw, str):
            return cosem.octet_string(raw.encode("latin-1"))
        if isinstance(raw, bytes):
            return cosem.octet_string(raw)
        if isinstance(raw, float):
            return cosem.float32(raw) if len(self.data) == 4 else cosem.float64(raw)
        head = self.head
        negative = raw < 0 or (head.read is values.signed and not unsigned)
        bits = 31 if negative else 32
        small = len(self.data) <= 4 if head.size != VARIABLE_LENGTH else raw.bit_length() <= bits
        if small:
            return cosem.double_long(raw) if negative else cosem.double_long_unsigned(raw)
        if raw.bit_length() <= 2 * bits + negative:
            return cosem.long64(raw) if negative else cosem.long64_unsigned(raw)
        return cosem.octet_string(self.data)

    def json(self) -> dict[str, Any]:
        """Return the record in the form of the command line: exact decimals in strings, dates in ISO 8601."""
        head, data = self
        vib, value = head.vib, head.evaluate(data)
        answer = head.form.copy()
        answer["data"] = data.hex()
        if isinstance(value, Decimal):
            answer["value"] = f"{value:f}"
        elif isinstance(value, Moment):
            answer["value"] = value.isoformat()
            answer["flags"] = list(value.flags)
        else:
            answer["value"] = value.hex() if isinstance(value, bytes) else value
        if vib.qualifiers:
            answer["qualifiers"] = list(vib.qualifiers)
        if vib.extension:
            answer["manufacturer_vife"] = vib.extension.hex()
        if self.invalid:
            answer["flags"] = list(self.flags)
        if vib.condition:
            answer["error"] = self.error
        return answer


class Records(NamedTuple):
    """What a telegram carries: records, and behind them data that only the manufacturer understands.

    `end` is the DIF that ended the records: 0Fh and 1Fh for data of the manufacturer, a reserved one, or None where
    the octets just ended. `fillers`: for every idle filler (2Fh), how many records stand in front of it.
    """

    records: tuple[Record, ...]
    manufacturer_data: bytes = b""
    end: int | None = None
    fillers: tuple[int, ...] = ()

    @property
    def more_follows(self) -> bool:
        """Whether the next telegram goes on with further records."""
        return self.end == MORE_RECORDS_FOLLOW

    def find(self, dib: bytes, vib: bytes) -> Record | None:
        """Return the first record with exactly these DIB and VIB octets, as a capture definition names it."""
        wanted = dib + vib
        return next((record for record in self.records if record.head.octets == wanted), None)

    def placed(self) -> Iterator[tuple[int, Record]]:
        """Yield every record with its offset in the octets that were decoded."""
        places = iter(self.fillers)
        filler = next(places, None)
        at = 0
        for index, record in enumerate(self.records):
            while filler is not None and filler <= index:
                at += 1
                filler = next(places, None)
            yield at, record
            at += record.head.length + len(record.data)

    def json(self) -> list[dict[str, Any]]:
        """Return all records in the form of the command line."""
        return [record.json() for record in self.records]


class RecordError(DecodeError):
    """A record that cannot be read to its end. `before` has the records in front of it, which can."""

    def __init__(
        self,
        what: str,
        offset: int = 0,
        path: tuple[str, ...] = (),
        before: Records = Records(()),  # noqa: B008
    ) -> None:
        super().__init__(what, offset, path)
        self.before = before

    def within(self, name: str, offset: int = 0) -> RecordError:
        """Return the same error as seen from the element around it."""
        return type(self)(self.what, self.offset + offset, (name, *self.path), self.before)


_short_heads: Final[dict[bytes, Head]] = {}
"""Headers of two octets by them."""
_long_heads: Final[dict[bytes, Head]] = {}
"""All headers by their octets."""


_HEADER: Final = re.compile(rb"[\x80-\xff]*[\x00-\x7f][\x80-\xff]*[\x00-\x7f]")
"""A header without plain text: two chains of extension bits. It only finds what is remembered by these octets."""


def decode_records(octets: bytes) -> Records:
    """Split the data of a telegram into records.

    Raises `RecordError` where a record is cut short, has more than ten DIFEs or VIFEs, or a length that is reserved;
    its `offset` is where in `octets`, its path names the record. Everything else is kept, known or not.
    """
    octets = bytes(octets)
    records: list[Record] = []
    fillers: list[int] = []
    add, make = records.append, tuple.__new__
    short, known, match = _short_heads.get, _long_heads.get, _HEADER.match
    at, end = 0, len(octets)
    while at < end:
        head = short(octets[at : at + 2])
        if head is None:
            dif = octets[at]
            if dif == IDLE_FILLER:
                fillers.append(len(records))
                at += 1
                continue
            if dif & SPECIAL == SPECIAL and dif != GLOBAL_READOUT:
                return Records(tuple(records), octets[at + 1 :], dif, tuple(fillers))
            found = match(octets, at)
            head = None if found is None else known(found.group())
            if head is None:
                try:
                    head = head_at(octets, at)
                except DecodeError as error:
                    raise _cut(error, records, fillers) from None
        start = at + head.length
        size = head.size
        if size < 0:
            try:
                at = values.take_variable(octets, start)
            except DecodeError as error:
                raise _cut(error, records, fillers) from None
        else:
            at = start + size
        if at > end:
            what = f"a value of {at - start} octets, {end - start} are there"
            raise _cut(DecodeError(what, end), records, fillers)
        add(make(Record, (head, octets[start:at])))
    return Records(tuple(records), b"", None, tuple(fillers))


def _cut(error: DecodeError, records: list[Record], fillers: list[int]) -> RecordError:
    before = Records(tuple(records), fillers=tuple(fillers))
    return RecordError(error.what, error.offset, (f"record {len(records)}", *error.path), before)


def head_at(octets: bytes, at: int) -> Head:
    """Return the header that begins at `at`. Raises `DecodeError`, also for a DIF that begins no record."""
    dif = octets[at]
    if dif & SPECIAL == SPECIAL:
        if dif == GLOBAL_READOUT:
            return GLOBAL_READOUT_HEAD
        raise DecodeError(f"DIF {dif:02X} begins no record", at)
    middle = chain_end(octets, at, "DIFE")
    end = vib_end(octets, middle)
    whole = octets[at:end]
    head = _long_heads.get(whole)
    if head is None:
        head = Head(whole, Dib.from_octets(octets[at:middle]), Vib.from_octets(octets[middle:end]))
        if len(_long_heads) >= MAX_HEADERS:
            _long_heads.clear()
            _short_heads.clear()
        _long_heads[whole] = head
        if len(whole) == 2:
            _short_heads[whole] = head
    return head


def encode_records(content: Records | Iterable[Record]) -> bytes:
    """Return the octets of records, with fillers and what ends them where they are `Records`."""
    if not isinstance(content, Records):
        content = Records(tuple(content))
    pieces: list[bytes] = []
    at = 0
    for place in content.fillers:
        pieces += [record.octets for record in content.records[at:place]]
        pieces.append(_FILLER)
        at = max(at, place)
    pieces += [record.octets for record in content.records[at:]]
    if content.end is not None:
        pieces.append(bytes((content.end,)))
        pieces.append(content.manufacturer_data)
    elif content.manufacturer_data:
        pieces += (_MANUFACTURER, content.manufacturer_data)
    return b"".join(pieces)


_FILLER: Final = bytes((IDLE_FILLER,))
_MANUFACTURER: Final = bytes((MANUFACTURER_DATA,))


def _evaluation(read: Reader, factor: int, exponent: int) -> Callable[[bytes], Value]:
    """Return what reads a value and scales it. What most values need is spelt out for speed."""
    scale, number = values.EXACT.scaleb, int.from_bytes
    if factor == 1 and read in (values.signed, values.unsigned):
        is_signed = read is values.signed
        if exponent == 0:
            return lambda data: Decimal(number(data, "little", signed=is_signed))
        return lambda data: scale(Decimal(number(data, "little", signed=is_signed)), exponent)

    if factor == 1 and read is values.bcd:

        def evaluate_bcd(data: bytes) -> Value:
            digits = data[::-1].hex()
            if digits.isdecimal():
                return scale(Decimal(digits), exponent)
            raw = values.bcd(data)
            return None if raw is None else scale(Decimal(raw), exponent)

        return evaluate_bcd

    def evaluate(data: bytes) -> Value:
        raw = read(data)
        if isinstance(raw, (int, float)):
            return values.scale(raw * factor, exponent)
        return raw

    return evaluate


GLOBAL_READOUT_HEAD: Final = Head(
    bytes((GLOBAL_READOUT,)),
    Dib(bytes((GLOBAL_READOUT,)), DataField.SELECTION, Function.INSTANTANEOUS, 0, 0, 0),
    Vib(b"", "global readout", None, 0, Kind.SIGNED),
)
"""The header of the request for everything: all storage numbers, tariffs, subunits and functions; it has no VIB."""
