"""Behaviour of the M-Bus diagnostic (class 77): signal, link and frames of one channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cosem.classes.c077_mbus_diagnostic import LinkStatus, MBusDiagnostic
from cosem.classes.common import AttributeCaptureTime, attribute_capture_time
from cosem.codec.axdr import Data, Tag
from cosem.device.host import Host
from cosem.device.shown import NO_TIME
from cosem.mbus.master import Statistics
from cosem.obis import Obis
from cosem.times import CosemDateTime

SIGNAL, LINK, TRANSMISSIONS, FCS_OK, FCS_NOK = 2, 4, 6, 7, 8
STRONGEST: Final = 0xFF


class Diagnostic:
    """The diagnostic of one channel. Frames are those of the exchanges with its device, repetitions among them."""

    def __init__(self, host: Host, channel: int) -> None:
        self.link = LinkStatus.NO_LINK
        self.signal = 0
        """Strength of what was heard last in -dBm, 0 on a wire."""
        self._host = host
        self._counts = dict.fromkeys((TRANSMISSIONS, FCS_OK, FCS_NOK), 0)
        self._changed = (0, NO_TIME)
        self.object = host.add(MBusDiagnostic(Obis(bytes((0, channel, 24, 9, 0, 255)))))
        shown: dict[int, tuple[Tag, Callable[[], int]]] = {
            SIGNAL: (Tag.UNSIGNED, lambda: self.signal),
            3: (Tag.UNSIGNED, lambda: channel),
            LINK: (Tag.ENUM, lambda: int(self.link)),
            TRANSMISSIONS: (Tag.DOUBLE_LONG_UNSIGNED, lambda: self._counts[TRANSMISSIONS]),
            FCS_OK: (Tag.DOUBLE_LONG_UNSIGNED, lambda: self._counts[FCS_OK]),
            FCS_NOK: (Tag.DOUBLE_LONG_UNSIGNED, lambda: self._counts[FCS_NOK]),
        }
        for attribute, (tag, read) in shown.items():
            host.compute(self.object, attribute, _shower(tag, read))
        host.compute(self.object, 9, self._capture_time)
        host.handle(self.object, 1, self._reset)

    def _capture_time(self) -> Data:
        attribute, octets = self._changed
        return attribute_capture_time.to_data(AttributeCaptureTime(attribute, CosemDateTime.from_octets(octets)))

    def _add(self, attribute: int, count: int) -> None:
        if count:
            self._counts[attribute] = self._counts[attribute] + count & 0xFFFFFFFF
            self._changed = attribute, self._host.clock.octets(self._host.clock.now)

    def _reset(self, parameter: int) -> None:
        self._counts = dict.fromkeys(self._counts, 0)
        self._changed = (0, NO_TIME)

    # --- what is told --------------------------------------------------------------------------------------

    @staticmethod
    def begin(statistics: Statistics) -> tuple[int, int, int]:
        """Return what `count` needs to know of a bus before an exchange."""
        return statistics.sent, statistics.silent, statistics.garbled

    def count(self, before: tuple[int, int, int], statistics: Statistics) -> None:
        """Count the frames of an exchange: what was sent, and was neither answered by silence nor garbled, was good."""
        sent, silent, garbled = (now - then for now, then in zip(self.begin(statistics), before, strict=True))
        self._add(FCS_NOK, garbled)
        self._add(TRANSMISSIONS, sent)
        self._add(FCS_OK, max(0, sent - silent - garbled))

    def heard(self, rssi: int) -> None:
        """Count a wireless frame and take its strength (dBm)."""
        self.signal = min(STRONGEST, max(0, -rssi))
        self._add(FCS_OK, 1)

    def answered(self) -> None:
        """The link works."""
        self.link = LinkStatus.LINK_OK

    def missed(self, *, lost: bool) -> None:
        """The device was not read, once or for long."""
        self.link = LinkStatus.LINK_PERMANENTLY_INTERRUPTED if lost else LinkStatus.LINK_TEMPORARILY_INTERRUPTED

    def none(self) -> None:
        """There is no device."""
        self.link, self.signal = LinkStatus.NO_LINK, 0


def _shower(tag: Tag, read: Callable[[], int]) -> Callable[[], Data]:
    return lambda: Data(tag, read())
