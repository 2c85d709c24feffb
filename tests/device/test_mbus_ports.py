"""The meter as a slave itself, images that it passes on, and devices of which the customer sees something."""

from __future__ import annotations

import pytest

from cosem.classes.c018_image_transfer import ImageTransfer
from cosem.classes.c040_push_setup import TransportService
from cosem.codec import axdr
from cosem.device.image import Image, ImageOptions
from cosem.device.mbus.image import BLOCK, LAST
from cosem.device.mbus.settings import SlaveSettings
from cosem.errors import ConfigError
from cosem.mbus.telegram import decode_message
from cosem.pushes.p1 import parse_p1
from cosem.security.image import MBUS_DEVICE, ImagePart, make_image
from cosem.simulator.meter import DEMO_IMAGE_KEY, demo_signing_key
from cosem.times import CosemDateTime
from support.equipped import equipped
from support.mbus_house import DENIED, HOUR, OTHER_REASON, TEMPORARY_FAILURE, House, house
from support.mbus_slaves import wired
from support.meters import KEYS

PORT, MODE_Q, SERVER = "0-0:24.0.0.255", "0-0:31.0.0.255", "0-0:24.8.0.255"


# --- a slave itself ---------------------------------------------------------------------------------------------------


def slave_house() -> House:
    return House(1, mbus={"slave": SlaveSettings()})


def test_another_meter_installs_and_reads_this_one() -> None:
    home = slave_house()
    station = home.mbus.slave.station
    assert [home.get(PORT, number) for number in (2, 3, 4, 5)] == [3, 5, 0, 0]
    concentrator = House(1)
    wired(concentrator.meter, station)
    assert concentrator.install(17) == 0
    assert [home.get(PORT, number) for number in (4, 5)] == [1, 17]
    assert concentrator.get("0-1:24.1.0.255", 9) == 2
    home.live(HOUR)
    assert concentrator.call(3) == 0
    energy = home.get("1-0:1.8.0.255", 2)
    assert concentrator.get("0-1:24.2.1.255", 2) == energy
    assert concentrator.get("0-1:24.2.2.255", 2) == home.get("1-0:2.8.0.255", 2) > 0
    assert [part.value for part in concentrator.get("0-1:24.2.1.255", 3)] == [0, 30]


def test_the_ports_of_a_slave_say_what_they_are() -> None:
    home = slave_house()
    address = home.mbus.slave.address
    assert home.get(SERVER, 6) == int(home.meter.settings.serial) == int(address.number)
    assert home.get(SERVER, 3) == 3
    assert home.set(SERVER, 5, axdr.unsigned(251)) == OTHER_REASON
    assert home.set(PORT, 5, axdr.unsigned(251)) == OTHER_REASON
    assert home.set(PORT, 5, axdr.unsigned(5)) == 0
    assert home.get(SERVER, 5) == 5 == home.mbus.slave.station.primary
    assert home.set(PORT, 2, axdr.enum(5)) == DENIED
    assert home.set(MODE_Q, 3, axdr.octet_string(b"\x01\x02\x03")) == OTHER_REASON
    assert home.set(MODE_Q, 3, axdr.octet_string(b"\x01\x02")) == 0
    assert home.get(MODE_Q, 2) == 1
    assert home.set(MODE_Q, 4, axdr.octet_string(b"\xff\x00")) == 0


def test_a_meter_that_restarts_cannot_be_reached_for_a_while() -> None:
    home = slave_house()
    name = home.at(SERVER).obis
    for reason, reached in (("restart", 1), (None, 3)):
        home.meter.device.come_up("restart") if reason is None else home.meter.device.go_down(reason)
        data = home.meter.host.read(76, name, 3)
        assert data is not None
        assert data.value == reached


def test_a_port_has_speeds_of_a_bus() -> None:
    with pytest.raises(ConfigError):
        SlaveSettings(baud=9600, fastest=2400)
    with pytest.raises(ConfigError):
        SlaveSettings(baud=1234)


# --- images -----------------------------------------------------------------------------------------------------------


def image(payload: bytes, channel: int = 1) -> Image:
    return Image(MBUS_DEVICE, channel, b"new", b"", len(payload), payload)


def test_an_image_is_passed_on_block_by_block() -> None:
    home, slave = house()
    home.install()
    payload = bytes(range(256)) * 2
    assert home.mbus.deliver(image(payload))
    parts = [decode_message(order, wired=True).application for order in slave.orders]
    assert [int.from_bytes(part[:2], "little") for part in parts] == [0, 1, 2 | LAST]
    assert b"".join(part[2:] for part in parts) == payload
    assert len(parts[0]) == BLOCK + 2
    assert home.meter.equipment.image.deliver == home.mbus.deliver


@pytest.mark.parametrize("channel", [1, 2, 9])
def test_an_image_that_nobody_takes_stays(channel: int) -> None:
    home, slave = house()
    home.install()
    slave.silent = True
    assert not home.mbus.deliver(image(b"x" * 10, channel))


def test_an_image_that_a_client_transfers_ends_in_the_device() -> None:
    home, slave = house(
        meter={"image_key": DEMO_IMAGE_KEY, "image": ImageOptions(verify_duration=0, activation_duration=0)}
    )
    home.install()
    payload = b"octets of a gas meter's firmware " * 20
    whole = make_image([ImagePart(MBUS_DEVICE, 1, b"G7", payload)], demo_signing_key())
    name, methods = "0-0:44.0.0.255", ImageTransfer.methods
    size = home.get(name, 2)
    assert home.call(1, methods[1].parameter.to_data((b"G7", len(whole))), name) == 0
    for number in range(-(-len(whole) // size)):
        block = whole[number * size : (number + 1) * size]
        assert home.call(2, methods[2].parameter.to_data((number, block)), name) == 0
    assert home.call(3, name=name) == 0
    slave.silent = True
    assert home.call(4, name=name) == TEMPORARY_FAILURE
    slave.silent = False
    assert home.call(4, name=name) == 0
    parts = [decode_message(order, wired=True).application for order in slave.orders]
    assert b"".join(part[2:] for part in parts) == payload
    assert home.get(name, 6) == 6


# --- what the customer sees -------------------------------------------------------------------------------------------


def lines(home: House) -> dict[str, tuple[str, ...]]:
    telegram = parse_p1(home.meter.equipment.customer.p1.telegram())
    return {str(line.code): line.values for line in telegram.lines if line.code[1]}


def test_p1_shows_devices_and_no_empty_channels() -> None:
    home, slave = house(capture_period=HOUR)
    assert not any(name.startswith("0-") for name in lines(home) if not name.startswith("0-0"))
    home.install()
    home.live(HOUR)
    shown = lines(home)
    assert shown["0-1:24.1.0.255"] == ("003",)
    assert bytes.fromhex(shown["0-1:96.1.0.255"][0]) == b"CSM12345678"
    assert shown["0-1:24.2.1.255"] == ("260601130000S", "00000.012*m3")
    assert shown["0-1:24.4.0.255"] == ("1",)
    assert not any(name.startswith("0-2") for name in shown)
    slave.silent = True
    home.live(24 * HOUR)
    assert lines(home)["0-1:24.2.1.255"] == ("260601130000S", "00000.012*m3"), "the old value with its old time"
    home.call(1, name="0-1:24.4.0.255")
    assert lines(home)["0-1:24.4.0.255"] == ("1",)


def test_the_customer_port_pushes_the_devices() -> None:
    home, _ = house(meter={"customer_keys": KEYS}, capture_period=HOUR)
    home.install()
    home.live(HOUR)
    customer = home.meter.equipment.customer.push
    sent: list[bytes] = []
    customer.network = lambda delivery: sent.append(delivery.body)
    customer.send_to(TransportService.TCP, b"192.0.2.1:4059")
    assert not home.meter.host.invoke(40, customer.setup.object.obis, 1, axdr.integer(0))
    home.live(60)
    values = [part.value for part in axdr.decode(sent[0]).value]
    at = customer.pushed.index((72, "0-1:24.1.0", 9))
    kind, name, value, unit, moment, valve = values[at : at + 6]
    assert (kind, name, value, [part.value for part in unit], valve) == (3, b"CSM12345678", 12, [-3, 13], 1)
    assert CosemDateTime.from_octets(moment).hour == 13
    assert values[customer.pushed.index((72, "0-2:24.1.0", 9))] == 0


def test_electricity_meters_without_m_bus_show_what_they_showed() -> None:
    meter = equipped(customer_keys=KEYS)
    assert not any(name.startswith("0-1:") for _, name, _ in meter.equipment.customer.push.pushed)
