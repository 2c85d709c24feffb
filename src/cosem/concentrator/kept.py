"""What a concentrator has read: rows of profiles by device, as octets, and how far each device was read."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final, NamedTuple

from cosem.apdu.base import AttributeDescriptor
from cosem.client.table import TIME_OCTETS, Column, cells_of
from cosem.codec.axdr import Data
from cosem.errors import CosemError
from cosem.obis import Obis
from cosem.times import CosemDateTime

MAX_ROWS: Final = 100_000
"""Rows of one profile of one device; the oldest go."""


class KeptRow(NamedTuple):
    """One row: its time in UTC seconds, and the octets of its columns."""

    time: int
    cells: tuple[bytes, ...]


_time = attrgetter("time")


@dataclass(slots=True)
class KeptProfile:
    """The rows of one profile of one device, in the order of time, each time once."""

    columns: tuple[Column, ...]
    period: int
    rows: list[KeptRow] = field(default_factory=list)

    def take(self, octets: bytes) -> int:
        """Keep the rows of an array that are not there yet and return how many; rows without a time are left out.

        Raises `DecodeError`.
        """
        index = next((at for at, column in enumerate(self.columns) if column.is_time), None)
        taken = 0
        for _, cells in cells_of(octets):
            moment = None if index is None or index >= len(cells) else _utc(cells[index])
            if moment is None:
                continue
            at = bisect_left(self.rows, moment, key=_time)
            if at < len(self.rows) and self.rows[at].time == moment:
                continue
            insort(self.rows, KeptRow(moment, tuple(cells)), key=_time)
            taken += 1
        if len(self.rows) > MAX_ROWS:
            del self.rows[: len(self.rows) - MAX_ROWS]
        return taken

    @property
    def last(self) -> int | None:
        """The time of the newest row."""
        return self.rows[-1].time if self.rows else None


def _utc(cell: bytes) -> int | None:
    if len(cell) < TIME_OCTETS:
        return None
    try:
        return int(CosemDateTime.from_octets(cell[-TIME_OCTETS:]).to_datetime().timestamp())
    except (CosemError, OverflowError, ValueError):
        return None


class Kept:
    """Profiles by device and logical name, and single attributes, in memory."""

    def __init__(self) -> None:
        self.values: dict[tuple[bytes, AttributeDescriptor], Data] = {}
        """Single attributes of devices as they were last read."""
        self._profiles: dict[tuple[bytes, Obis], KeptProfile] = {}

    def profile(self, name: bytes, profile: Obis) -> KeptProfile | None:
        """Return what is kept of one profile of one device."""
        return self._profiles.get((name, profile))

    def open(self, name: bytes, profile: Obis, columns: tuple[Column, ...], period: int) -> KeptProfile:
        """Return what is kept of a profile, begun anew where the device captures something else now."""
        held = self._profiles.get((name, profile))
        if held is None or [item.capture for item in held.columns] != [item.capture for item in columns]:
            held = self._profiles[name, profile] = KeptProfile(columns, period)
        return held

    def of(self, name: bytes) -> Iterator[tuple[Obis, KeptProfile]]:
        """Return the profiles of one device."""
        return ((profile, held) for (owner, profile), held in self._profiles.items() if owner == name)

    def __len__(self) -> int:
        return len(self._profiles)
