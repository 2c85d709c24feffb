"""A multi-utility concentrator reads a house's meters, shows them by COSEM, and is a gateway to the others."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cosem.association.initiator import Initiator
from cosem.association.settings import AssociationSettings
from cosem.classes.c004_extended_register import ExtendedRegister
from cosem.classes.c072_mbus_client import MBusClient
from cosem.client.core import Core
from cosem.client.profile import ProfileReader
from cosem.codec import axdr
from cosem.concentrator.multi_utility import HOUSE, MultiUtilitySettings, channels, identities
from cosem.device.random import SeededRandom
from cosem.errors import ConfigError, Timeout
from cosem.io.memory import MemoryDriver
from cosem.link.gateway import GatewayLink
from cosem.link.wrapper import WrapperLink
from cosem.obis import obis
from cosem.security.counters import MemoryCounterStore
from cosem.simulator.house import House, simulated_house
from cosem.simulator.meter import DEMO_KEYS
from cosem.simulator.utilities import utilities_of

END = datetime(2026, 11, 3, 12, tzinfo=UTC)


class Client:
    """The data collection system over one connection: to the concentrator, or through it to a meter."""

    def __init__(self, house: House, behind: bytes | None = None, title: bytes = b"CSMHE\x00\x00\x07") -> None:
        link = WrapperLink()
        store = MemoryCounterStore()
        settings = AssociationSettings(
            client_sap=1,
            mechanism=5,
            protection=0x30,
            keys=DEMO_KEYS,
            system_title=title,
            lease=lambda count: store.lease("it", count),
            response_timeout=2.0,
        )
        initiator = Initiator(link if behind is None else GatewayLink(link, HOUSE, behind), settings)
        self.core = Core(initiator, SeededRandom(5))
        self.driver = MemoryDriver(initiator, house.concentrator.machine())
        self.driver.run(self.core.open())

    def value(self, class_id: int, name: str, attribute: int = 2):
        return self.driver.run(self.core.get_data(class_id, obis(name), attribute)).value

    def call(self, class_id: int, name: str, method: int, parameter: axdr.Data) -> None:
        self.driver.run(self.core.call_data(class_id, obis(name), method, parameter))


@pytest.fixture(scope="module")
def house() -> House:
    return simulated_house(end=END, days=1.5, utilities=("gas", "water", "heat", "water-radio"), meters=1)


def test_what_the_meters_of_the_house_counted_is_read_from_the_concentrator(house):
    client = Client(house)
    for channel, speaker in house.utilities.speakers.items():
        register = ExtendedRegister(f"0-{channel}:24.2.1.255")
        data = client.value(4, f"0-{channel}:24.2.1.255")
        unit = client.driver.run(client.core.scaler_unit(4, register.obis))
        assert data > 0
        assert unit.unit.symbol in ("m³", "Wh")
        assert client.value(72, f"0-{channel}:24.1.0.255", MBusClient.device_type.id) == speaker.address.medium
        rows = client.driver.run(ProfileReader(client.core, obis(f"0-{channel}:24.3.0.255")).read())
        assert 34 <= len(rows) <= 37
    assert len(identities(house.concentrator)) == 4


def test_it_measures_nothing_itself(house):
    classes = {obj.class_id for obj in house.concentrator.logical.objects.values()}
    assert not classes & {3, 5, 71}, "no register, no demand, no limiter"
    assert {4, 7, 70, 72, 74} <= classes


def test_a_valve_is_closed_through_it():
    house = simulated_house(end=END, days=0.25, utilities=("gas",))
    client = Client(house)
    client.call(70, "0-1:24.4.0.255", 1, axdr.integer(0))
    house.advance(house.now + 2 * 3600)
    assert client.value(70, "0-1:24.4.0.255", 3) == 0
    assert house.utilities.speakers[1].meter.valve == "closed"


def test_a_meter_of_the_house_is_reached_through_the_gateway_with_its_own_protection(house):
    meter = house.meters[0]
    behind = Client(house, meter.settings.serial.encode(), title=b"CSMHE\x00\x00\x08")
    assert behind.value(3, "1-0:1.8.0.255") == meter.metering.watt_hours(1)
    assert bytes(behind.value(1, "0-0:96.1.0.255")).decode() == meter.settings.serial
    itself = Client(house, title=b"CSMHE\x00\x00\x09")
    assert bytes(itself.value(1, "0-0:96.1.0.255")).decode() == house.concentrator.settings.serial


def test_of_a_meter_that_is_not_there_nothing_is_heard(house):
    with pytest.raises(Timeout):
        Client(house, b"nobody")


def test_sixty_four_channels_on_the_wire_and_by_radio_are_read():
    kinds = ("water", "heat", "electricity", "gas") * 10 + ("water-radio", "heat-radio", "gas-radio") * 8
    house = simulated_house(end=END, days=0.25, utilities=kinds[:64])
    client = Client(house)
    assert len(identities(house.concentrator)) == 64
    values = [client.value(4, f"0-{channel}:24.2.1.255") for channel in range(1, 65)]
    assert all(isinstance(value, int) for value in values)
    assert sum(value > 0 for value in values) >= 60


def test_the_same_seed_gives_the_same_house():
    one, other = (simulated_house(seed=9, end=END, days=0.5, utilities=("gas", "heat-radio")) for _ in range(2))
    first, second = Client(one), Client(other)
    for channel in (1, 2):
        name = f"0-{channel}:24.2.1.255"
        assert first.value(4, name) == second.value(4, name)


def test_what_no_concentrator_has_is_refused(house):
    for wired, wireless in ((0, 0), (65, 0), (40, 40), (-1, 5)):
        with pytest.raises(ConfigError, match="channels"):
            channels(wired, wireless)
    with pytest.raises(ConfigError, match="already"):
        house.concentrator.attach(house.meters[0].settings.serial.encode(), house.meters[0].device)
    with pytest.raises(ConfigError, match="address"):
        house.concentrator.attach(b"", house.meters[0].device)
    assert len(MultiUtilitySettings().mbus.channels) == 64
    assert utilities_of(house.meters[0]) is None
