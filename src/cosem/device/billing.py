"""Billing periods: what is kept of the registers at the end of each, and what begins anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from cosem.classes.c009_script_table import ScriptAction
from cosem.classes.c022_single_action_schedule import ExecutionTime
from cosem.classes.common import CaptureObject
from cosem.device.agenda import Agenda
from cosem.device.causes import Cause
from cosem.device.metering import TARIFFS
from cosem.device.profile import ProfileBuffer
from cosem.device.scripts import END_OF_BILLING, ScriptTables, calling
from cosem.device.single_action import SingleActionBehaviour
from cosem.obis import Obis
from cosem.times import CosemDate, CosemTime

if TYPE_CHECKING:
    from cosem.device.meter import ElectricityMeter

BILLING_PROFILE: Final = "0-0:98.1.0.255"
BILLING_SCHEDULE: Final = "0-0:15.0.0.255"
PERIODS: Final = 24
"""Billing periods kept."""
CAPTURE, RESET = 2, 1

MONTHLY: Final = ExecutionTime(CosemTime(0, 0, 0, 0), CosemDate(day=1))


def billing_columns() -> list[CaptureObject]:
    """Return what is kept: the time, energies in all and by tariff, and the maximum demands with their times."""
    columns = [CaptureObject(8, Obis.parse("0-0:1.0.0.255"), 2)]
    for channel in (1, 2):
        columns += [CaptureObject(3, Obis(bytes((1, 0, channel, 8, rate, 255))), 2) for rate in (0, *TARIFFS)]
    for channel in (1, 2):
        maximum = Obis(bytes((1, 0, channel, 6, 0, 255)))
        columns += [CaptureObject(4, maximum, 2), CaptureObject(4, maximum, 5)]
    return columns


class Billing:
    """The monthly billing of an electricity meter: script 1 of 0-0:10.0.1 ends a period, at 0:00 of every first.

    `also` is what that script does besides, after the profile was captured and before the maxima begin anew.
    """

    def __init__(
        self, meter: ElectricityMeter, agenda: Agenda, scripts: ScriptTables, also: Sequence[ScriptAction] = ()
    ) -> None:
        host = meter.host
        self.profile: ProfileBuffer = meter.profile(BILLING_PROFILE, 0, PERIODS, billing_columns())

        def capture(parameter: int) -> None:
            self.profile.capture()
            # A client, another script and a date that does not come again end a period before its time.
            host.note(Cause.BILLING_RESET, periodic=self.schedule.recurring)

        host.handle(self.profile.object, CAPTURE, capture)
        end = scripts.add(
            END_OF_BILLING,
            1,
            calling(7, BILLING_PROFILE, CAPTURE),
            *also,
            calling(4, meter.maximum.object.obis, RESET),
            calling(4, meter.export_maximum.object.obis, RESET),
        )
        self.schedule = SingleActionBehaviour(host, agenda, scripts, BILLING_SCHEDULE, end, times=[MONTHLY])
