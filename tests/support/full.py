"""A meter with every behaviour there is, and a management client of it over the in-memory link."""

from __future__ import annotations

from typing import Any

from cosem.association.initiator import Initiator
from cosem.association.responder import Responder
from cosem.association.settings import AssociationSettings
from cosem.classes.c028_auto_answer import AutoAnswerMode
from cosem.classes.c029_auto_connect import AutoConnectMode
from cosem.classes.c061_register_table import TableCellDefinition
from cosem.classes.c063_status_mapping import MappingTable
from cosem.classes.common import ActionItem, CaptureObject
from cosem.classes.model import InterfaceClass
from cosem.client.core import Core
from cosem.codec import axdr
from cosem.codec.axdr import Data
from cosem.device.arbitrator import ArbitratorBehaviour
from cosem.device.auto_answer import AutoAnswerBehaviour
from cosem.device.auto_connect import AutoConnectBehaviour
from cosem.device.compact_data import CompactDataBehaviour
from cosem.device.meter import ElectricityMeter
from cosem.device.port_protection import PortProtectionBehaviour
from cosem.device.random import SeededRandom
from cosem.device.register_table import RegisterTableBehaviour
from cosem.device.schedule import ScheduleBehaviour
from cosem.device.scripts import DISCONNECT, DISCONNECTION, RECONNECT
from cosem.device.status_mapping import StatusMappingBehaviour
from cosem.errors import AccessError
from cosem.io.memory import MemoryDriver
from cosem.link.wrapper import WrapperLink
from cosem.obis import Obis
from cosem.simulator.meter import DEMO_IMAGE_KEY
from cosem.units import ScalerUnit, Unit
from support.equipped import START, Net, equipped
from support.meters import KEYS

ENERGIES = [Obis.parse(f"1-0:1.8.{rate}.255") for rate in range(3)]
SCHEDULE = "0-0:12.0.0.255"


def full_meter(net: Net | None = None, **settings: Any) -> ElectricityMeter:
    """Return a meter that has all of `device/` in it, behaviours that no meter of ours has by itself too."""
    given: dict[str, Any] = {
        "switches": {"0-0:96.3.11.255": 4, "0-1:24.4.0.255": 5},
        "broadcast_title": b"CSMtoall",
        "image_key": DEMO_IMAGE_KEY,
        "last_gasp": True,
        "push_version": 2,
        "customer_keys": KEYS,
        "security_version": 1,
        "profile_capacity": 300,
    }
    meter = equipped(net, **(given | settings))
    host, equipment = meter.host, meter.equipment
    off, on = (ActionItem(Obis.parse(DISCONNECTION), number) for number in (DISCONNECT, RECONNECT))
    ScheduleBehaviour(host, equipment.agenda, equipment.scripts, SCHEDULE, equipment.tariffs.special_days)
    ArbitratorBehaviour(host, equipment.scripts, "0-0:96.3.20.255", [off, on], ["11", "11"], [[1, 10], [100, 1]])
    RegisterTableBehaviour(
        host,
        "0-0:98.10.0.255",
        TableCellDefinition(3, Obis.parse("1-0:1.8.255.255"), (0, 1, 2), 2),
        ScalerUnit(0, Unit.WATT_HOUR),
    )
    StatusMappingBehaviour(host, "0-0:96.5.0.255", lambda: axdr.unsigned(5), MappingTable(1, 1))
    CompactDataBehaviour(
        host,
        "0-0:66.0.0.255",
        [CaptureObject(62, Obis.parse("0-0:66.0.0.255"), 4), CaptureObject(8, Obis.parse("0-0:1.0.0.255"), 2)],
        1,
    )
    AutoConnectBehaviour(host, lambda destination: False, mode=AutoConnectMode.NO_AUTO_CONNECT, destinations=[b"x:1"])
    AutoAnswerBehaviour(host, mode=AutoAnswerMode.NO_MODEM)
    PortProtectionBehaviour(host, "0-0:25.0.0.255", "0-0:44.2.0.255")
    for association in meter.logical.associations.values():
        association.build(meter.logical.objects.values())
    return meter


class Manager:
    """The management client of a meter: what it asks goes over the link, what it gets are results."""

    def __init__(self, meter: ElectricityMeter) -> None:
        self.meter = meter
        self._connect()

    def _connect(self) -> None:
        settings = AssociationSettings(client_sap=1, keys=KEYS)
        initiator = Initiator(WrapperLink(), settings)
        self.responder = Responder(WrapperLink(server=True), self.meter.device, SeededRandom(3))
        self.core = Core(initiator, SeededRandom(2))
        self.driver = MemoryDriver(initiator, self.responder)
        self.driver.run(self.core.open())

    def _result(self, talk: Any) -> int:
        try:
            self.driver.run(talk)
        except AccessError as refused:
            return int(refused.result)
        return 0

    def get(self, obj: InterfaceClass[Any], number: int) -> Data | int:
        """Return an attribute, or why not."""
        try:
            found: Data = self.driver.run(self.core.get_data(obj.class_id, obj.obis, number))
        except AccessError as refused:
            return int(refused.result)
        return found

    def set(self, obj: InterfaceClass[Any], number: int, value: Data) -> int:
        """Write an attribute; return the result."""
        return self._result(self.core.set_data(obj.class_id, obj.obis, number, value))

    def call(self, obj: InterfaceClass[Any], number: int, parameter: Data | None) -> int:
        """Invoke a method; return the result."""
        return self._result(self.core.call_data(obj.class_id, obj.obis, number, parameter))


__all__ = ["START", "Manager", "Net", "full_meter"]
