"""Profiles in records: many values with one distance in time (EN 13757-3:2018, Annex F).

A compact profile is one record of variable length. Its first octet says how the values are written: increment mode
(2 bits), unit of the spacing (2 bits), data field of an element (4 bits); the second is the spacing. It goes on from a
base: the value with the same VIB, and the time with the same storage number, that stand beside it. A standard load
profile is one record for each value, told apart by the storage number.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from typing import Final, NamedTuple

from cosem.errors import DecodeError, EncodeError
from cosem.mbus import values
from cosem.mbus.dib import BCD, INTEGERS, SIZES, DataField, Dib
from cosem.mbus.moments import Moment
from cosem.mbus.record import Head, Record, Records, Value
from cosem.mbus.vib import Vib
from cosem.mbus.vif_tables import INVERSE_PROFILE, QUALIFIERS, Kind


class Increment(IntEnum):
    """How an element stands to the one before it. A difference is the younger value minus the older."""

    ABSOLUTE = 0  # the value itself, with a sign
    POSITIVE = 1  # the difference, never negative
    NEGATIVE = 2  # the difference without its minus, never positive
    SIGNED = 3  # the difference


class SpacingUnit(IntEnum):
    """What the spacing counts."""

    SECOND = 0
    MINUTE = 1
    HOUR = 2
    DAY = 3


SPACINGS: Final = {
    SpacingUnit.SECOND: timedelta(seconds=1),
    SpacingUnit.MINUTE: timedelta(minutes=1),
    SpacingUnit.HOUR: timedelta(hours=1),
    SpacingUnit.DAY: timedelta(days=1),
}
MAX_SPACING: Final = 250
ARRAY: Final = 0
"""A spacing of 0: the elements are an array, no time is between them."""
HALF_MONTH, MONTHS = 253, 254
MONTHS_BY_UNIT: Final = {SpacingUnit.DAY: 1, SpacingUnit.HOUR: 3, SpacingUnit.MINUTE: 6}
"""Months of a spacing of 254 by its unit."""
ELEMENTS: Final = frozenset((*INTEGERS, *BCD, DataField.REAL_32))


class CompactProfile(NamedTuple):
    """What is in a compact profile. `elements` as on the line, None where one is the code for "no valid value"."""

    mode: Increment
    field: DataField
    unit: SpacingUnit
    spacing: int
    elements: tuple[int | float | None, ...]

    @classmethod
    def from_octets(cls, octets: bytes) -> CompactProfile:
        """Read the octets behind LVAR. Raises `DecodeError` for elements without a size or one that is cut short."""
        if len(octets) < 2:
            raise DecodeError("spacing control and spacing are missing", len(octets))
        control, spacing = octets[0], octets[1]
        field = DataField(control & 0x0F)
        if field not in ELEMENTS:
            raise DecodeError(f"a compact profile has no elements of data field {field:X}")
        size, body = SIZES[field], octets[2:]
        if len(body) % size:
            raise DecodeError(f"{len(body)} octets are no elements of {size} octets", len(octets))
        mode = Increment(control >> 6)
        kind = _element_kind(mode)
        read = values.reader(field, kind)
        elements: list[int | float | None] = []
        for at in range(0, len(body), size):
            piece = body[at : at + size]
            raw = None if values.is_invalid(field, kind, piece) else read(piece)
            elements.append(raw if isinstance(raw, (int, float)) else None)
        return cls(mode, field, SpacingUnit(control >> 4 & 3), spacing, tuple(elements))

    def to_octets(self) -> bytes:
        """Return the octets behind LVAR. Raises `EncodeError` for an element that does not fit."""
        if self.field not in ELEMENTS or not 0 <= self.spacing <= 0xFF:
            raise EncodeError(f"no compact profile: data field {self.field:X}, spacing {self.spacing}")
        kind, size = _element_kind(self.mode), SIZES[self.field]
        none = _no_value(self.field, kind, size)
        head = bytes((self.mode << 6 | self.unit << 4 | self.field, self.spacing))
        return head + b"".join(
            none if element is None else values.encode(self.field, kind, element) for element in self.elements
        )

    @property
    def months(self) -> int | None:
        """The months between two elements, where the spacing is in months."""
        return MONTHS_BY_UNIT.get(self.unit) if self.spacing == MONTHS else None

    @property
    def interval(self) -> timedelta | None:
        """The time between two elements, where it is always the same."""
        return SPACINGS[self.unit] * self.spacing if ARRAY < self.spacing <= MAX_SPACING else None

    def moment(self, base: datetime, steps: int) -> datetime | None:
        """Return the time `steps` elements away from `base`; None where it cannot be told (half months, arrays).

        Months are counted from the base, and a day that a month does not have is its last.
        """
        try:
            if self.interval is not None:
                return base + self.interval * steps
            if self.months is None:
                return None
            year, month = divmod(base.year * 12 + base.month - 1 + self.months * steps, 12)
            day = min(base.day, calendar.monthrange(year, month + 1)[1])
            return base.replace(year=year, month=month + 1, day=day)
        except (OverflowError, ValueError):
            return None

    def absolute(self, base: int | float | None, *, inverse: bool = False) -> tuple[int | float | None, ...]:
        """Return the values that the elements stand for; None from the first on that cannot be told.

        `inverse`: each element is older than the one before it.
        """
        if self.mode is Increment.ABSOLUTE:
            return self.elements
        sign = -1 if (self.mode is Increment.NEGATIVE) != inverse else 1
        found: list[int | float | None] = []
        value = base
        for element in self.elements:
            value = None if value is None or element is None else value + sign * element
            found.append(value)
        return tuple(found)


class Point(NamedTuple):
    """One value of a profile. `moment` and `value` are None where they cannot be told."""

    storage: int
    moment: datetime | None
    value: Value


class Series(NamedTuple):
    """A profile: what its values are, and the values by storage number."""

    vib: Vib
    dib: Dib
    points: tuple[Point, ...]


def compact_series(record: Record, records: Records | Iterable[Record]) -> Series:
    """Return the values of a compact profile, the base in front of them where there is one.

    `records` are those of the telegram, among them the base. Raises `DecodeError` where `record` is no profile, or its
    elements are differences and the base is missing.
    """
    vib, dib = record.vib, record.dib
    if vib.profile is None or not isinstance(record.raw, bytes):
        raise DecodeError("no compact profile")
    profile = CompactProfile.from_octets(record.raw)
    inverse = vib.profile == INVERSE_PROFILE
    others = _items(records)
    base = next((other for other in others if _is_base(other, record)), None)
    first = None if base is None or base.invalid else base.raw
    if profile.mode is not Increment.ABSOLUTE and base is None:
        raise DecodeError("a compact profile of differences without its base value")
    start = _time_of(others, dib.storage)
    points = [] if base is None else [Point(dib.storage, start, base.value)]
    raws = profile.absolute(first if isinstance(first, (int, float)) else None, inverse=inverse)
    for step, raw in enumerate(raws, start=1):
        moment = None if start is None else profile.moment(start, -step if inverse else step)
        points.append(Point(dib.storage + step, moment, _scaled(vib, raw)))
    return Series(vib, dib, tuple(points))


def compact_record(base: Head, vife: int, profile: CompactProfile) -> Record:
    """Return the record of a compact profile that goes on from a base with this header. Raises `EncodeError`."""
    dib = base.dib
    octets = base.vib.octets[:-1] + bytes((base.vib.octets[-1] | 0x80, vife))
    return Record.of(
        Dib.of(DataField.VARIABLE, dib.function, dib.storage, dib.tariff, dib.subunit), octets, profile.to_octets()
    )


def differences(
    raws: Sequence[int], base: int, mode: Increment, *, inverse: bool = False
) -> tuple[int | float | None, ...]:
    """Return the elements that stand for `raws` after `base`; what `CompactProfile.absolute` undoes."""
    if mode is Increment.ABSOLUTE:
        return tuple(raws)
    sign = -1 if (mode is Increment.NEGATIVE) != inverse else 1
    return tuple(sign * (raw - before) for before, raw in zip((base, *raws), raws, strict=False))


def load_profiles(
    records: Records | Iterable[Record], interval: timedelta | None = None, *, later: bool = True
) -> tuple[Series, ...]:
    """Return the standard load profiles in a telegram: values that differ in the storage number alone, two at least.

    A value has the time that stands under its storage number. With `interval` (`storage_interval` gives what the
    telegram says) the times between are counted from the nearest one: `later` says that higher storage numbers are
    younger, which EN 13757-3 leaves to the device.
    """
    items = _items(records)
    found: dict[tuple[object, ...], list[Record]] = {}
    for record in items:
        vib, dib = record.vib, record.dib
        if vib.kind in (Kind.SIGNED, Kind.UNSIGNED, Kind.BITS) and vib.profile is None:
            found.setdefault((vib.octets, dib.function, dib.tariff, dib.subunit), []).append(record)
    times = {storage: _time_of(items, storage) for storage in {record.storage for record in items}}
    known = {storage: moment for storage, moment in times.items() if moment is not None}
    answer = []
    for members in found.values():
        if len({record.storage for record in members}) < 2:
            continue
        ordered = sorted(members, key=lambda record: record.storage)
        points = tuple(
            Point(item.storage, _counted(item.storage, known, interval, later), None if item.invalid else item.value)
            for item in ordered
        )
        answer.append(Series(ordered[0].vib, ordered[0].dib, points))
    return tuple(answer)


def storage_interval(records: Records | Iterable[Record]) -> timedelta | None:
    """Return the storage interval that a telegram says; None where it says none, or one in months or years."""
    units = {"s": SpacingUnit.SECOND, "min": SpacingUnit.MINUTE, "h": SpacingUnit.HOUR, "d": SpacingUnit.DAY}
    for record in _items(records):
        raw = record.raw
        if record.quantity == "storage interval" and record.unit in units and isinstance(raw, int):
            try:
                return SPACINGS[units[record.unit]] * raw
            except OverflowError:
                return None
    return None


def _counted(storage: int, known: dict[int, datetime], interval: timedelta | None, later: bool) -> datetime | None:
    if storage in known or interval is None or not known:
        return known.get(storage)
    nearest = min(known, key=lambda other: abs(other - storage))
    steps = storage - nearest
    try:
        return known[nearest] + interval * (steps if later else -steps)
    except OverflowError:
        return None


def _is_base(other: Record, profile: Record) -> bool:
    mine, theirs = profile.vib, other.vib
    word = QUALIFIERS[mine.profile or 0]
    return (
        theirs.profile is None
        and (other.storage, other.tariff, other.subunit, other.function)
        == (profile.storage, profile.tariff, profile.subunit, profile.function)
        and (theirs.quantity, theirs.unit, theirs.exponent, theirs.factor, theirs.extension)
        == (mine.quantity, mine.unit, mine.exponent, mine.factor, mine.extension)
        and theirs.qualifiers == tuple(qualifier for qualifier in mine.qualifiers if qualifier != word)
    )


def _time_of(records: Iterable[Record], storage: int) -> datetime | None:
    """Return the time that stands under a storage number."""
    for record in records:
        if record.storage == storage and record.vib.kind is Kind.MOMENT and not record.vib.qualifiers:
            raw = record.raw
            if isinstance(raw, Moment):
                try:
                    return raw.to_datetime()
                except DecodeError:
                    continue
    return None


def _scaled(vib: Vib, raw: int | float | None) -> Decimal | None:
    if raw is None:
        return None
    return values.scale(raw * vib.factor if isinstance(raw, int) else raw, vib.exponent)


def _element_kind(mode: Increment) -> Kind:
    return Kind.SIGNED if mode in (Increment.ABSOLUTE, Increment.SIGNED) else Kind.UNSIGNED


def _no_value(field: DataField, kind: Kind, size: int) -> bytes:
    if field is DataField.REAL_32:
        return b"\0\0\xc0\x7f"
    return b"\0" * (size - 1) + b"\x80" if field in INTEGERS and kind is Kind.SIGNED else b"\xff" * size


def _items(records: Records | Iterable[Record]) -> tuple[Record, ...]:
    return records.records if isinstance(records, Records) else tuple(records)
