"""A profile's octets as interval values: columns decoded at once, times to UTC, status to quality.

Which columns there are is known of the device's type and said once. A device that sends something else costs its own
session: `DecodeError` or `RemoteProtocolError`, never values in the wrong place.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
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

    def __post_init__(self) -> None:
        if len(self.channels) != len(self.columns) or self.time_index is None:
            raise ConfigError(f"the reading of {self.name} has no clock column, or not a channel for each column")

    @property
    def time_index(self) -> int | None:
        """Return the position of the clock column."""
        return next((index for index, column in enumerate(self.columns) if column.is_time), None)

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
        clock = self.time_index
        assert clock is not None
        times, known = utc_times(_octets(table.columns[clock], str(self.columns[clock].obis)), zone)
        quality = np.zeros(table.length, np.uint8)
        if self.status is not None:
            quality = _quality(_numbers(table.columns[self.status], "status"))
        whole = bool(known.all())
        if not whole:
            times, quality = times[known], quality[known]
        in_order = ascending(times)
        without = np.full(len(times), MISSING, np.int64)
        found = []
        for place, (column, channel) in enumerate(zip(table.columns, self.channels, strict=True)):
            if channel is None:
                continue
            values = _numbers(column, f"channel {channel}")
            if not whole:
                values = values[known]
            own = quality
            if self.captured and (at := self.captured[place]) is not None:
                own = quality | self._aged(table.columns[at], known, times, values, zone)
            if in_order:
                found.append(Series(device, channel, times, values, own, without))
            else:
                found.append(Series.of(device, channel, times, values, own))
        return found

    def _aged(self, column: Any, known: Any, times: Any, values: Any, zone: int) -> np.ndarray[Any, Any]:
        """Return what is against values that were captured before their interval: they are those of an earlier one."""
        moments, told = utc_times(_octets(column, "capture times"), zone)
        old = ~told[known] | (moments[known] < times - self.period)
        return np.where(old & (values != MISSING), np.uint8(Quality.INVALID), np.uint8(0)).astype(np.uint8)

    def _columns(self, octets: bytes) -> Columns:
        table = decode_columns(octets, native=True)
        if octets[:1] == b"\x01" and any(column.dtype == object for column in table.columns):
            # Null-data stands for "as before".
            table = decode_columns(expand_octets(octets, self.columns, self.period), native=True)
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


def _octets(column: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    if column.dtype == np.uint8 and column.ndim == 2 and column.shape[1] == 12:
        return column
    if column.dtype == object:
        # Some rows have no time: they are no point in time.
        rows = [value if isinstance(value, bytes) and len(value) == 12 else b"\xff" * 12 for value in column]
        return np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 12)
    raise DecodeError(f"the times of {name} are no date-times", 0)


def _numbers(column: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    if column.ndim == 1 and column.dtype.kind in "iub":
        if column.dtype == np.uint64 and len(column) and int(column.max()) > np.iinfo(np.int64).max:
            raise DecodeError(f"{name}: a number beyond 63 bits", 0)
        return column.astype(np.int64)
    if column.dtype == object:
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
    codes = np.zeros(len(status), np.uint8)
    if not status.any():
        return codes
    for bit, quality in _STATUS:
        codes |= np.where(status & bit != 0, np.uint8(quality), np.uint8(0)).astype(np.uint8)
    return codes
