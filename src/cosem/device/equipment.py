"""What an electricity meter has besides measuring: each behaviour is put in here, in the order in which they act."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosem.device.scripts import DISCONNECT, DISCONNECTION, GLOBAL_RESET, RECONNECT, ScriptTables, calling

if TYPE_CHECKING:
    from cosem.device.meter import ElectricityMeter


class Equipment:
    """The behaviours of one electricity meter, by name. They act after measuring and profiles at the same moment."""

    def __init__(self, meter: ElectricityMeter) -> None:
        self.host = meter.host
        self.scripts = ScriptTables(self.host)
        breaker = meter.disconnector.object
        self.scripts.add(DISCONNECTION, DISCONNECT, calling(breaker.class_id, breaker.obis, 1))
        self.scripts.add(DISCONNECTION, RECONNECT, calling(breaker.class_id, breaker.obis, 2))
        profiles = (meter.load_profile.object, meter.daily_profile.object)
        self.scripts.add(GLOBAL_RESET, 1, *(calling(item.class_id, item.obis, 1) for item in profiles))
