"""A meter with every behaviour there is, and a management client of it over the in-memory link."""

from __future__ import annotations

from typing import Any

from cosem.association.initiator import Initiator
from cosem.association.responder import Responder
from cosem.association.settings import AssociationSettings
from cosem.classes.model import InterfaceClass
from cosem.client.core import Core
from cosem.codec.axdr import Data
from cosem.device.meter import ElectricityMeter
from cosem.device.random import SeededRandom
from cosem.device.schedule import ScheduleBehaviour
from cosem.errors import AccessError
from cosem.io.memory import MemoryDriver
from cosem.link.wrapper import WrapperLink
from cosem.obis import Obis
from cosem.simulator.meter import DEMO_IMAGE_KEY
from support.equipped import START, Net, equipped
from support.meters import KEYS

ENERGIES = [Obis.parse(f"1-0:1.8.{rate}.255") for rate in range(3)]
SCHEDULE = "0-0:12.0.0.255"


def full_meter(net: Net | None = None, **settings: Any) -> ElectricityMeter:
    """Return a meter that has all of `device/` in it, a schedule too, which no meter of ours has by itself."""
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
    ScheduleBehaviour(host, equipment.agenda, equipment.scripts, SCHEDULE, equipment.tariffs.special_days)
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
