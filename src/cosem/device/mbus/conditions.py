"""What the status octet of a device says, as things that begin and end, and the alarm octet that is made of them.

Status bits: 0 and 1 the application (3: abnormal, which is a fraud attempt here), 2 power low, 3 permanent error, 5
a valve that does not move, as the companion profile has it. Alarm bits: 0 battery, 1 fraud attempt, 2 to 7 the valve.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from cosem.device.causes import Cause, Happening
from cosem.device.host import Host

APPLICATION: Final = 0x03
ANY_ERROR, ABNORMAL = 2, 3
POWER_LOW, PERMANENT_ERROR, VALVE = 0x04, 0x08, 0x20


class Condition(NamedTuple):
    """Something that lasts: bits of the status that are so, what it is when it begins and ends."""

    mask: int
    value: int
    begins: Cause
    ends: Cause


CONDITIONS: Final = (
    Condition(POWER_LOW, POWER_LOW, Cause.MBUS_BATTERY_LOW, Cause.MBUS_BATTERY_OK),
    Condition(APPLICATION, ABNORMAL, Cause.MBUS_FRAUD, Cause.MBUS_FRAUD_OVER),
    Condition(PERMANENT_ERROR, PERMANENT_ERROR, Cause.MBUS_PERMANENT_ERROR, Cause.MBUS_PERMANENT_ERROR_OVER),
    Condition(VALVE, VALVE, Cause.MBUS_VALVE_ALARM, Cause.MBUS_VALVE_OK),
)
ALARMS: Final = {
    Cause.MBUS_BATTERY_LOW: 0,
    Cause.MBUS_FRAUD: 1,
    Cause.MBUS_MANUAL_DISCONNECTION: 2,
    Cause.MBUS_MANUAL_CONNECTION: 3,
    Cause.MBUS_REMOTE_DISCONNECTION: 4,
    Cause.MBUS_REMOTE_CONNECTION: 5,
    Cause.MBUS_LOCAL_DISCONNECTION: 6,
    Cause.MBUS_LOCAL_CONNECTION: 7,
}
"""The bit of the alarm octet that each sets."""


class Conditions:
    """The conditions of one channel. `alarm` keeps what happened until it is reset; a new edge sets it again."""

    def __init__(self, host: Host, channel: int) -> None:
        self.alarm = 0
        self._host = host
        self._channel = channel
        self._lasting: set[Cause] = set()
        host.causes.listeners.append(self._happened)

    def take(self, status: int) -> None:
        """Note what began and ended since the last status octet."""
        for mask, value, begins, ends in CONDITIONS:
            lasts = status & mask == value
            if lasts == (begins in self._lasting):
                continue
            (self._lasting.add if lasts else self._lasting.discard)(begins)
            self._host.note(begins if lasts else ends, channel=self._channel)

    def forget(self) -> None:
        """Begin anew: there is another device, or none."""
        self._lasting.clear()
        self.alarm = 0

    def _happened(self, happening: Happening) -> None:
        if happening.details.get("channel") == self._channel and (bit := ALARMS.get(happening.cause)) is not None:
            self.alarm |= 1 << bit
