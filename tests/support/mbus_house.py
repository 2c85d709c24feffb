"""A meter with utility meters on its bus, and its manager over the in-memory link."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cosem.association.initiator import Initiator
from cosem.association.responder import Responder
from cosem.association.settings import AssociationSettings
from cosem.classes.model import InterfaceClass
from cosem.client.core import Core
from cosem.codec import axdr
from cosem.codec.axdr import Data
from cosem.device.mbus.settings import MBusChannel, MBusSettings
from cosem.device.random import SeededRandom
from cosem.io.memory import MemoryDriver
from cosem.link.wrapper import WrapperLink
from cosem.obis import Obis
from support.equipped import START, codes, equipped
from support.full import Manager
from support.mbus_slaves import Slave, wired
from support.meters import KEYS

CLIENT, VALUE, HOURLY = "0-1:24.1.0.255", "0-1:24.2.1.255", "0-1:24.3.0.255"
VALVE, CONTROL_LOG = "0-1:24.4.0.255", "0-1:24.5.0.255"
OTHER_REASON, TEMPORARY_FAILURE, DENIED = 250, 2, 3
INSTALL, DEINSTALL, CAPTURE, RESET_ALARM, SYNCHRONIZE, SEND, SET_KEY, TRANSFER_KEY = range(1, 9)
HOUR = 3600


class Protected(Manager):
    """The management client with everything authenticated and encrypted, which a key of a device needs."""

    def _connect(self) -> None:
        settings = AssociationSettings(
            client_sap=1,
            mechanism=5,
            keys=KEYS,
            ciphered=True,
            protection=0x30,
            system_title=b"CSM\x00MGMT",
            lease=self._lease,
        )
        initiator = Initiator(WrapperLink(), settings)
        self.responder = Responder(WrapperLink(server=True), self.meter.device, SeededRandom(3))
        self.core = Core(initiator, SeededRandom(2))
        self.driver = MemoryDriver(initiator, self.responder)
        self.driver.run(self.core.open())

    _next = 1

    def _lease(self, count: int) -> tuple[int, int]:
        first, self._next = self._next, self._next + count
        return first, count


class House:
    """A meter with slaves on its bus, and its manager. `channel` is how the first channel is built."""

    def __init__(
        self,
        version: int,
        *slaves: Slave,
        secure: bool = False,
        start: int = START,
        mbus: dict[str, Any] | None = None,
        meter: dict[str, Any] | None = None,
        **channel: Any,
    ) -> None:
        settings = MBusSettings(version=version, **(mbus or {}))
        if channel:
            settings = replace(settings, channels=(MBusChannel(1, **channel), *settings.channels[1:]))
        given: dict[str, Any] = ({"policy": 3, "mechanism": 5} if secure else {}) | (meter or {})
        self.meter = equipped(mbus=settings, start=start, **given)
        self.slaves = slaves
        self.bus = wired(self.meter, *slaves)
        self.client = Protected(self.meter) if secure else Manager(self.meter)

    @property
    def mbus(self) -> Any:
        return self.meter.equipment.mbus

    def at(self, name: str) -> InterfaceClass[Any]:
        found = self.meter.host.find(Obis.parse(name))
        assert found is not None
        return found

    def get(self, name: str, number: int) -> Any:
        found = self.client.get(self.at(name), number)
        assert isinstance(found, Data)
        return found.value

    def set(self, name: str, number: int, value: Data) -> int:
        return self.client.set(self.at(name), number, value)

    def call(self, method: int, parameter: Data | None = None, name: str = CLIENT) -> int:
        given = axdr.integer(0) if parameter is None else parameter
        return self.client.call(self.at(name), method, given)

    def install(self, address: int = 1, name: str = CLIENT) -> int:
        return self.call(INSTALL, axdr.unsigned(address), name)

    def live(self, seconds: int) -> None:
        self.meter.advance(self.meter.now + seconds)

    @property
    def log(self) -> list[int]:
        return codes(self.meter, "mbus")

    @property
    def alarms(self) -> int:
        return int(self.get("0-0:97.98.0.255", 2))

    def table(self, name: str = HOURLY) -> list[list[Any]]:
        return [[cell.value for cell in row.value] for row in self.get(name, 2)]

    def key_status(self) -> int:
        """What the client reads in version 1, and what the meter knows in version 0."""
        client = self.mbus.channels[1].client
        if client.settings.version:
            assert self.get(CLIENT, 14) == client.key_status
        return int(client.key_status)


def house(version: int = 1, *, secure: bool = False, start: int = START, **more: Any) -> tuple[House, Slave]:
    """Return a house with one slave, which has no address yet."""
    slave = Slave(start)
    return House(version, slave, secure=secure, start=start, **more), slave
