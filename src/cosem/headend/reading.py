"""A profile's octets as interval values: columns decoded at once, times to UTC, status to quality.

Which columns there are is known of the device's type and said once. A device that sends something else costs its own
session: `DecodeError` or `RemoteProtocolError`, never values in the wrong place.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import numpy as np

from cosem.classes.common import CaptureObject
from cosem.client.table import Column, expand_octets
from cosem.codec.rows import Columns, decode_columns
from cosem.errors import ConfigError, CosemError, DecodeError
from cosem.headend.intervals import DAY, MISSING, Series, ascending
from cosem.headend.quality import Quality
from cosem.obis import Obis, obis

NO_DEVIATION: Final = -0x8000
MAX_ROWS: Final = 100_000
"""More rows than any meter keeps: what is beyond is a meter that lies."""
_CLOCK: Final = 8
_STATUS: Final = (
    (0x01, Quality.INVALID),
    (0x02, Quality.CLOCK_INVALID),
    (0x04, Quality.INVALID),
    (0x20, Quality.CLOCK_ADJUSTED),
    (0x80, Quality.POWER_DOWN),
)
"""The status octet of a row as IDIS and DSMR have it (bit 0 a critical error): what it means for the value's quality.

Daylight saving (08h) says nothing against a value.
"""
_QUALITY: Final = np.array([sum({int(q) for bit, q in _STATUS if octet & bit}) for octet in range(256)], np.uint8)
MAX_KEPT: Final = 12 * 3000
"""Octets of a clock column that is kept when it was read: a month of quarters."""


@dataclass(frozen=True, slots=True)
class ProfileReading:
    """What is read of one profile. `channels` has the channel's number for every column, None for what is no value.

    `period` in seconds; `status` is the column with the row's status, if there is one. `captured` has for columns
    whose values were captured elsewhere, and may be old, the column with their capture time.
    """

    name: Obis
    period: int
    columns: tuple[Column, ...]
    channels: tuple[int | None, ...]
    status: int | None = None
    captured: tuple[int | None, ...] = ()

    _clock: int = field(init=False, repr=False, compare=False)
    _needed: frozenset[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        clock = next((index for index, column in enumerate(self.columns) if column.is_time), None)
        if len(self.channels) != len(self.columns) or clock is None:
            raise ConfigError(f"the reading of {self.name} has no clock column, or not a channel for each column")
        needed = {clock, *(index for index, channel in enumerate(self.channels) if channel is not None)}
        needed.update(index for index in self.captured if index is not None)
        object.__setattr__(self, "_clock", clock)
        object.__setattr__(self, "_needed", frozenset(needed if self.status is None else {*needed, self.status}))

    def series(self, octets: bytes, device: int, *, zone: int = 0) -> list[Series]:
        """Return the values of a buffer by channel. `zone` is the deviation (minutes) of times that have none.

        A row whose time is not a point in time is dropped: there is no interval it could belong to.
        Raises `DecodeError` for anything that is not rows of these columns.
        """
        table = self._columns(octets)
        if not table.length:
            return []
        if table.length > MAX_ROWS:
            raise DecodeError(f"{table.length} rows, more than {MAX_ROWS}", 0)
        moments = _moments(_octets(table.columns[self._clock], self.columns[self._clock]).tobytes(), zone)
        if self.status is None:
            quality = np.zeros(table.length, np.uint8)
        else:
            quality = _quality(_numbers(table.columns[self.status], "status"))
        known = moments.known
        if known is not None:
            quality = quality[known]
        found = []
        for place, (column, channel) in enumerate(zip(table.columns, self.channels, strict=True)):
            if channel is None:
                continue
            values = _numbers(column, f"channel {channel}")
            if known is not None:
                values = values[known]
            own = quality
            if self.captured and (at := self.captured[place]) is not None:
                own = quality | self._aged(_octets(table.columns[at], self.columns[at]), moments, values, zone)
            if moments.in_order:
                found.append(Series(device, channel, moments.times, values, own, moments.without))
            else:
                found.append(Series.of(device, channel, moments.times, values, own))
        return found

    def _aged(
        self, octets: np.ndarray[Any, Any], rows: _Moments, values: np.ndarray[Any, Any], zone: int
    ) -> np.ndarray[Any, Any]:
        """Return what is against values that were captured before their interval: they are those of an earlier one."""
        captured, told = utc_times(octets, zone)
        if rows.known is not None:
            captured, told = captured[rows.known], told[rows.known]
        old = ~told | (captured < rows.times - self.period)
        return np.where(old & (values != MISSING), np.uint8(Quality.INVALID), np.uint8(0)).astype(np.uint8)

    def _columns(self, octets: bytes) -> Columns:
        table = decode_columns(octets, only=self._needed)
        if octets[:1] == b"\x01" and any(column.dtype.kind == "O" for column in table.columns):
            # Null-data stands for "as before".
            table = decode_columns(expand_octets(octets, self.columns, self.period), only=self._needed)
        if table.length and len(table.columns) != len(self.columns):
            raise DecodeError(f"rows of {len(table.columns)} columns where {len(self.columns)} are captured", 0)
        return table

    def document(self) -> dict[str, Any]:
        """Return this as plain values, for the database."""
        return {
            "name": str(self.name),
            "period": self.period,
            "status": self.status,
            "columns": [
                [
                    item.capture.class_id,
                    str(item.capture.logical_name),
                    item.capture.attribute_index,
                    item.capture.data_index,
                    channel,
                ]
                for item, channel in zip(self.columns, self.channels, strict=True)
            ],
        }

    @classmethod
    def of(cls, document: dict[str, Any]) -> ProfileReading:
        """Return the reading of a document. Raises `ConfigError` with what is wrong in it."""
        try:
            columns = tuple(
                Column(CaptureObject(int(class_id), obis(name), int(attribute), int(element)))
                for class_id, name, attribute, element, _ in document["columns"]
            )
            channels = tuple(None if item[4] is None else int(item[4]) for item in document["columns"])
            status = None if document.get("status") is None else int(document["status"])
            return cls(obis(document["name"]), int(document["period"]), columns, channels, status)
        except (KeyError, TypeError, ValueError, IndexError, CosemError) as error:
            raise ConfigError(f"no reading of a profile: {error!s}") from None


def over(now: float, period: int) -> int:
    """Return up to when intervals of `period` seconds are asked for (UTC); days and months end at local hours."""
    return int(now) if period >= DAY else int(now) // period * period


def load_readings(text: str) -> tuple[ProfileReading, ...]:
    """Return the readings of a device type, from the database's text."""
    try:
        document = json.loads(text)
    except ValueError:
        raise ConfigError("the readings of a device type are no JSON") from None
    return tuple(ProfileReading.of(item) for item in document.get("profiles", ()))


@dataclass(frozen=True, slots=True, eq=False)
class _Moments:
    """A clock column read: UTC seconds of its points in time, and which rows have one (None: all of them).

    `without` are as many values that are not there. Nobody may write into any of these.
    """

    times: np.ndarray[Any, Any]
    known: np.ndarray[Any, Any] | None
    in_order: bool
    without: np.ndarray[Any, Any]


def _moments(octets: bytes, zone: int) -> _Moments:
    """Return what a clock column says. Meters read in one night say the same: it is worked out once for all of them."""
    return (_kept_moments if len(octets) <= MAX_KEPT else _read_moments)(octets, zone)


def _read_moments(octets: bytes, zone: int) -> _Moments:
    times, known = utc_times(np.frombuffer(octets, np.uint8).reshape(-1, 12), zone)
    whole = bool(known.all())
    if not whole:
        times = times[known]
    without = np.full(len(times), MISSING, np.int64)
    for array in (times, without):
        array.flags.writeable = False
    return _Moments(times, None if whole else known, ascending(times), without)


_kept_moments = lru_cache(maxsize=64)(_read_moments)


def utc_times(octets: np.ndarray[Any, Any], zone: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return UTC seconds of date-times (count, 12), and which of them are points in time.

    `zone` is the deviation in minutes from local time to UTC where the date-time has none.
    """
    field = octets.astype(np.int64)
    year = field[:, 0] << 8 | field[:, 1]
    month, day, hour, minute, second = (field[:, index] for index in (2, 3, 5, 6, 7))
    deviation = field[:, 9] << 8 | field[:, 10]
    deviation = np.where(deviation >= 0x8000, deviation - 0x10000, deviation)
    deviation = np.where(deviation == NO_DEVIATION, zone, deviation)
    known = (
        (year >= 1970) & (year < 2100) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
        & (hour < 24) & (minute < 60) & (second < 60) & (np.abs(deviation) <= 840)
    )  # fmt: skip
    months = np.where(known, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    days = months.astype("datetime64[D]").astype(np.int64) + day - 1
    # The 31st of a month with 30 days is no day of it.
    known &= (np.where(known, days, 0).astype("datetime64[D]").astype("datetime64[M]") == months) | ~known
    times = days * 86_400 + hour * 3600 + minute * 60 + second + deviation * 60
    return np.where(known, times, 0), known


def _octets(column: np.ndarray[Any, Any], of: Column) -> np.ndarray[Any, Any]:
    if column.dtype == np.uint8 and column.ndim == 2 and column.shape[1] == 12:
        return column
    if column.dtype.kind == "O":
        # Some rows have no time: they are no point in time.
        rows = [value if isinstance(value, bytes) and len(value) == 12 else b"\xff" * 12 for value in column]
        return np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 12)
    raise DecodeError(f"the times of {of.obis} are no date-times", 0)


def _numbers(column: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    if column.ndim == 1 and column.dtype.kind in "iub":
        if column.dtype.str[1:] == "u8" and len(column) and int(column.max()) > np.iinfo(np.int64).max:
            raise DecodeError(f"{name}: a number beyond 63 bits", 0)
        return column.astype(np.int64)
    if column.dtype.kind == "O":
        values = np.full(len(column), MISSING, np.int64)
        for index, value in enumerate(column):
            if value is None:
                continue
            if type(value) is not int or not -(2**63) < value < 2**63:
                raise DecodeError(f"{name}: {type(value).__name__} where a number is expected", 0)
            values[index] = value
        return values
    raise DecodeError(f"{name}: the column has no numbers", 0)


def _quality(status: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    codes: np.ndarray[Any, Any] = _QUALITY[status & 0xFF]
    return codes
