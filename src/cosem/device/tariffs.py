"""The tariffs of the simulated meter: calendar, scripts, and the registers that count in each."""

from __future__ import annotations

from typing import Final

from cosem.classes.access import ObjectId
from cosem.classes.c006_register_activation import RegisterMask
from cosem.classes.c020_activity_calendar import DayAction, DayProfile, Season, WeekProfile
from cosem.classes.common import ActionItem
from cosem.codec import axdr
from cosem.device.activation import RegisterActivationBehaviour
from cosem.device.activity_calendar import ActivityCalendarBehaviour, Tables
from cosem.device.agenda import Agenda
from cosem.device.host import Host
from cosem.device.metering import TARIFFS, Metering
from cosem.device.scripts import TARIFFICATION, ScriptTables, writing
from cosem.device.special_days import SpecialDaysBehaviour
from cosem.obis import Obis
from cosem.times import CosemDateTime, CosemTime

ACTIVITY_CALENDAR: Final = "0-0:13.0.0.255"
SPECIAL_DAYS: Final = "0-0:11.0.0.255"
ACTIVATION: Final = "0-0:14.0.0.255"

WORKING_DAY, FREE_DAY = 1, 2


def mask_name(tariff: int) -> bytes:
    """Return the name of the mask of a tariff."""
    return b"T%d" % tariff


def _day(day_id: int, *switches: tuple[int, int]) -> DayProfile:
    script = Obis.parse(TARIFFICATION)
    return DayProfile(day_id, tuple(DayAction(CosemTime(hour, 0, 0, 0), script, rate) for hour, rate in switches))


TWO_TARIFFS: Final = Tables(
    b"two tariffs",
    (Season(b"year", CosemDateTime(month=1, day=1, hour=0, minute=0, second=0, hundredths=0), b"week"),),
    (WeekProfile(b"week", *(WORKING_DAY,) * 5, FREE_DAY, FREE_DAY),),
    (_day(WORKING_DAY, (0, 2), (6, 1), (22, 2)), _day(FREE_DAY, (0, 2))),
)
"""Tariff 1 on working days from 6 to 22, 2 at night and on weekends."""


class Tariffs:
    """What decides which registers count: script n of 0-0:10.0.100 makes tariff n the active one.

    While the clock is invalid the first tariff holds.
    """

    def __init__(self, host: Host, metering: Metering, agenda: Agenda, scripts: ScriptTables) -> None:
        places = [(channel, rate) for channel, rate in metering.registers if rate]
        names = [Obis(bytes((1, 0, channel, 8, rate, 255))) for channel, rate in places]
        masks = [
            RegisterMask(mask_name(tariff), tuple(n for n, (_, rate) in enumerate(places, 1) if rate == tariff))
            for tariff in TARIFFS
        ]
        registers = {
            Obis(bytes((1, 0, channel, 8, rate, 255))): (channel, rate) for channel, rate in metering.registers
        }

        def enable(register: Obis, counting: bool) -> None:
            if register in registers:
                metering.enable(*registers[register], counting)

        for tariff in TARIFFS:
            action = writing(6, ACTIVATION, 4, axdr.octet_string(mask_name(tariff)))
            scripts.add(TARIFFICATION, tariff, action)
        assigned = [ObjectId(3, name) for name in names]
        self.activation = RegisterActivationBehaviour(host, ACTIVATION, assigned, masks, mask_name(TARIFFS[0]), enable)
        self.special_days = SpecialDaysBehaviour(host, SPECIAL_DAYS)
        default = ActionItem(Obis.parse(TARIFFICATION), TARIFFS[0])
        self.calendar = ActivityCalendarBehaviour(
            host, agenda, scripts, ACTIVITY_CALENDAR, TWO_TARIFFS, self.special_days, default=default
        )
