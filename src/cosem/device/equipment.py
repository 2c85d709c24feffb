"""What an electricity meter has besides measuring: each behaviour is put in here, in the order in which they act."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosem.classes.common import AttributeReference
from cosem.device.agenda import Agenda
from cosem.device.billing import Billing
from cosem.device.parameter_monitor import ParameterMonitorBehaviour
from cosem.device.scripts import DISCONNECT, DISCONNECTION, GLOBAL_RESET, RECONNECT, ScriptTables, calling
from cosem.device.tariffs import Tariffs
from cosem.obis import obis

if TYPE_CHECKING:
    from cosem.device.meter import ElectricityMeter

_PARAMETERS = tuple(
    AttributeReference(class_id, obis(name), attribute)
    for class_id, name, attributes in (
        (8, "0-0:1.0.0.255", (3, 5, 6, 7, 8)),
        (7, "1-0:99.1.0.255", (3, 4)),
        (7, "1-0:99.2.0.255", (3, 4)),
        (20, "0-0:13.0.0.255", (6, 7, 8, 9, 10)),
        (11, "0-0:11.0.0.255", (2,)),
        (22, "0-0:15.0.0.255", (4,)),
        (70, "0-0:96.3.10.255", (4,)),
    )
    for attribute in attributes
)
"""What the parameter monitor looks at: what makes values and bills what they are."""


class Equipment:
    """The behaviours of one electricity meter, by name. They act after measuring and profiles at the same moment."""

    def __init__(self, meter: ElectricityMeter) -> None:
        self.host = meter.host
        self.scripts = ScriptTables(self.host)
        self.agenda = Agenda(self.host)
        self.tariffs = Tariffs(self.host, meter.metering, self.agenda, self.scripts)
        self.billing = Billing(meter, self.agenda, self.scripts)
        self.parameters = ParameterMonitorBehaviour(self.host, _PARAMETERS)
        breaker = meter.disconnector.object
        self.scripts.add(DISCONNECTION, DISCONNECT, calling(breaker.class_id, breaker.obis, 1))
        self.scripts.add(DISCONNECTION, RECONNECT, calling(breaker.class_id, breaker.obis, 2))
        profiles = (meter.load_profile.object, meter.daily_profile.object)
        self.scripts.add(GLOBAL_RESET, 1, *(calling(item.class_id, item.obis, 1) for item in profiles))
