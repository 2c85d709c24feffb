"""What a meter tells the people who live with it: messages, display, customer port (behaviours 6)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.classes.c004_extended_register import ExtendedRegister
from cosem.classes.c022_single_action_schedule import ExecutionTime, SingleActionSchedule
from cosem.classes.c040_push_setup import MessageType, SendDestinationAndMethod, TransportService
from cosem.classes.c071_limiter import EmergencyProfile, Limiter
from cosem.client import DeviceKeys
from cosem.client.listen import Listener, Senders
from cosem.codec import axdr
from cosem.device.customer import CUSTOMER_CLIENT, DISPLAY_MESSAGE, PAGE, PORT_MESSAGE, Display, Message, identified
from cosem.device.disconnector import CONNECTED, READY
from cosem.device.meter import ElectricityMeter
from cosem.io.pusher import framed
from cosem.link.wrapper import DatagramWrapperLink
from cosem.obis import Obis
from cosem.pushes.p1 import parse_p1
from cosem.results import ActionResult, DataAccessResult
from cosem.security import keywrap
from cosem.security.keys import Keys
from cosem.times import CosemDate, CosemDateTime, CosemTime
from cosem.units import ScalerUnit, Unit
from support.equipped import START, TO, Net, equipped, later
from support.meters import KEYS, bare_host

HOME = Keys(
    global_unicast_encryption_key=bytes(range(0x40, 0x50)),
    authentication_key=bytes(range(0x50, 0x60)),
)
MANAGERS = Obis.parse("0-0:43.0.0")
SETUP, SCHEDULE, SECURITY = Obis.parse("0-6:25.9.0"), Obis.parse("0-6:15.0.4"), Obis.parse("0-0:43.0.1")


def telegram(meter: ElectricityMeter) -> dict[str, tuple[str, ...]]:
    """The lines of the telegram of this moment; what a reader takes for right."""
    read = parse_p1(meter.equipment.customer.p1.telegram())
    assert read.crc_ok is True
    return {str(line.code).removesuffix(".255"): line.values for line in read.lines}


def message(meter: ElectricityMeter, text: bytes, name: Obis = PORT_MESSAGE) -> DataAccessResult:
    return meter.host.write(1, name, 2, axdr.octet_string(text))


def limit(meter: ElectricityMeter, number: int, value: Any) -> None:
    data = Limiter.attributes[number].type.to_data(value)
    assert meter.host.write(71, Obis.parse("0-0:17.0.0"), number, data) is DataAccessResult.SUCCESS


# --- the scenarios ----------------------------------------------------------------------------------------------------


def test_customer_1_the_tariff_changes_in_the_first_telegram_after_22_00() -> None:
    meter = equipped()
    seen: list[tuple[str, str]] = []

    def take(octets: bytes) -> None:
        lines = {str(line.code): line.values[0] for line in parse_p1(octets).lines}
        seen.append((lines["0-0:1.0.0.255"][6:], lines["0-0:96.14.0.255"]))

    later(meter, 36_000 - 3)  # 21:59:57
    meter.equipment.customer.p1.request(take)
    later(meter, 36_000 + 1)
    assert seen == [("215958S", "0001"), ("215959S", "0001"), ("220000S", "0002"), ("220001S", "0002")]


def test_customer_2_a_trip_of_the_limiter_and_the_button() -> None:
    meter = equipped(control_mode=4)
    assert telegram(meter)["0-0:96.3.10"] == ("1",)
    later(meter, 30_000)  # an evening: at noon the roof gives more than the house needs
    assert telegram(meter)["1-0:1.7.0"] != ("00.000*kW",)
    limit(meter, 4, axdr.double_long_unsigned(1))
    later(meter, 30_300)
    assert meter.disconnector.state == READY
    lines = telegram(meter)
    assert (lines["0-0:96.3.10"], lines["1-0:1.7.0"]) == (("2",), ("00.000*kW",))
    assert "press the button to reconnect" in meter.equipment.customer.display.texts
    assert "connected" not in meter.equipment.customer.display.texts
    meter.disconnector.press()
    assert telegram(meter)["0-0:96.3.10"] == ("1",)
    assert "connected" in meter.equipment.customer.display.texts


def test_customer_3_an_emergency_shows_its_limit() -> None:
    meter = equipped()
    assert telegram(meter)["0-0:17.0.0"] == ("017.2*kW",)
    limit(meter, 5, axdr.double_long_unsigned(1500))
    limit(meter, 9, (7,))
    moment = CosemDateTime.from_octets(meter.clock.octets(meter.now))
    limit(meter, 8, EmergencyProfile(7, moment, 600))
    assert telegram(meter)["0-0:17.0.0"] == ("001.5*kW",)
    later(meter, 601)
    assert telegram(meter)["0-0:17.0.0"] == ("017.2*kW",)


def test_customer_4_a_message_is_in_the_telegram_as_hex() -> None:
    meter = equipped()
    assert telegram(meter)["0-0:96.13.0"] == ("",)
    assert message(meter, b"abc") is DataAccessResult.SUCCESS
    assert telegram(meter)["0-0:96.13.0"] == ("616263",)
    assert message(meter, b"") is DataAccessResult.SUCCESS
    assert telegram(meter)["0-0:96.13.0"] == ("",)


def test_customer_5_a_silent_gas_meter_keeps_value_and_old_time() -> None:
    meter = equipped()
    captured = meter.clock.octets(meter.now)
    gas = ExtendedRegister("0-1:24.2.1", scaler_unit=ScalerUnit(-3, Unit.CUBIC_METRE))
    store: Any = gas.store
    store.values[2], store.values[5] = axdr.double_long_unsigned(1234567), axdr.octet_string(captured)
    meter.host.add(gas)
    before = telegram(meter)
    later(meter, 86_400)
    after = telegram(meter)
    assert before["0-1:24.2.1"] == after["0-1:24.2.1"] == ("260601120000S", "01234.567*m3")
    assert before["0-0:1.0.0"] != after["0-0:1.0.0"]


def test_customer_6_after_a_change_of_key_the_next_push_opens_with_the_new_one_only() -> None:
    meter, net = pushing()
    later(meter, 60)
    new = replace(HOME, global_unicast_encryption_key=bytes(range(0x60, 0x70)))
    assert KEYS.master_key is not None
    assert new.global_unicast_encryption_key is not None
    wrapped = keywrap.wrap(KEYS.master_key, new.global_unicast_encryption_key)
    transfer = axdr.structure(axdr.enum(0), axdr.octet_string(wrapped))
    parameter = axdr.array(transfer)
    assert meter.host.invoke(64, SECURITY, 2, parameter) is ActionResult.SUCCESS
    later(meter, 120)
    first, second = (delivery for _, delivery in net.sent)
    assert (opens(first, HOME), opens(first, new)) == (True, False)
    assert (opens(second, HOME), opens(second, new)) == (False, True)
    assert not opens(second, KEYS)


def transferred(meter: ElectricityMeter, name: Obis, wrapping: bytes | None, key_id: int, key: bytes) -> ActionResult:
    assert wrapping is not None
    row = axdr.structure(axdr.enum(key_id), axdr.octet_string(keywrap.wrap(wrapping, key)))
    return meter.host.invoke(64, name, 2, axdr.array(row))


@pytest.mark.parametrize("own", [None, bytes(range(0x70, 0x80))])
def test_a_new_master_key_is_the_customer_ports_too_unless_that_has_its_own(own: bytes | None) -> None:
    meter = equipped(customer_keys=replace(HOME, master_key=own), security_version=1)
    new, other = bytes(range(0x80, 0x90)), bytes(range(0x90, 0xA0))
    assert transferred(meter, MANAGERS, KEYS.master_key, 3, new) is ActionResult.SUCCESS
    assert transferred(meter, SECURITY, own or new, 0, other) is ActionResult.SUCCESS
    assert transferred(meter, SECURITY, KEYS.master_key, 0, other) is ActionResult.OTHER_REASON
    customer = meter.logical.associations[CUSTOMER_CLIENT].spec.keys
    assert (customer.global_unicast_encryption_key, customer.master_key) == (other, own or new)
    # One that was given to the port is its own from then on.
    assert transferred(meter, SECURITY, own or new, 3, other) is ActionResult.SUCCESS
    assert transferred(meter, MANAGERS, new, 3, KEYS.master_key or b"") is ActionResult.SUCCESS
    assert transferred(meter, SECURITY, other, 0, new) is ActionResult.SUCCESS


# --- the push ---------------------------------------------------------------------------------------------------------


def pushing() -> tuple[ElectricityMeter, Net]:
    """A meter that pushes to the house every minute."""
    net = Net()
    meter = equipped(customer_keys=HOME)
    net.meter = meter
    customer = meter.equipment.customer.push
    assert customer is not None
    customer.network = net
    customer.setup.object.send_destination_and_method = SendDestinationAndMethod(
        TransportService.HDLC, TO, MessageType.A_XDR_ENCODED_XDLMS_APDU
    )
    times = (ExecutionTime(CosemTime(None, None, 0, 0), CosemDate()),)
    data = SingleActionSchedule.attributes[4].type.to_data(times)
    assert meter.host.write(22, SCHEDULE, 4, data) is DataAccessResult.SUCCESS
    return meter, net


def heard(delivery: Any, keys: Keys) -> Any:
    listener = Listener(DatagramWrapperLink(), Senders([DeviceKeys("m", keys)]))
    (push,) = listener.receive(framed(delivery, DatagramWrapperLink()), 0.0)
    return push


def opens(delivery: Any, keys: Keys) -> bool:
    return heard(delivery, keys).problem is None


def test_the_house_hears_power_registers_tariff_limit_supply_and_demand() -> None:
    meter, net = pushing()
    message(meter, b"hello")
    later(meter, 3600)
    assert net.times == list(range(60, 3601, 60))
    values = [part.value for part in heard(net.sent[-1][1], HOME).value.value]
    power, limit_now, message_now = values[3], values[10], values[-1]
    assert (power, values[9], limit_now, values[11], message_now) == (
        meter.metering.power(1),
        1,
        17_250,
        CONNECTED,
        b"hello",
    )
    assert values[5] == meter.metering.watt_hours(1)
    assert values[12] == meter.maximum.object.store.data(2).value  # type: ignore[attr-defined]


def test_who_listens_may_not_manage_nor_read_anything_else() -> None:
    meter, _ = pushing()
    association = meter.logical.associations[103]
    assert {class_id for class_id, _, _ in association.methods} <= {15}  # its own association
    assert not any(entry.access & 0x02 for entry in association.attributes.values())
    assert (64, bytes(SECURITY), 2) not in association.attributes


def test_without_keys_of_the_customer_nothing_is_pushed() -> None:
    meter = equipped()
    assert meter.equipment.customer.push is None
    assert meter.host.find(SETUP) is None
    assert 103 not in meter.logical.associations


# --- the P1 port ------------------------------------------------------------------------------------------------------


def test_a_telegram_every_second_while_data_is_requested() -> None:
    meter = equipped()
    port, seen = meter.equipment.customer.p1, []
    later(meter, 10)
    port.request(seen.append)
    later(meter, 15)
    assert len(seen) == 5
    port.release()
    later(meter, 20)
    assert len(seen) == 5
    assert port.next_time() is None


def test_the_whole_telegram() -> None:
    meter = equipped(serial="123/!")
    later(meter, 3600)
    text = meter.equipment.customer.p1.telegram().decode("ascii")
    assert text.startswith("/CSM5\\123\r\n\r\n1-3:0.2.8(50)\r\n0-0:1.0.0(260601130000S)\r\n")
    lines = telegram(meter)
    assert lines["0-0:96.1.1"] == (b"123/!".hex().upper(),)
    assert lines["1-0:31.4.0"] == ("063*A",)
    assert lines["1-0:32.7.0"] == (f"{meter.metering.voltage(0) / 10:05.1f}*V",)
    at, demand = lines["1-0:1.6.0"]
    assert at.endswith("S")
    assert demand.endswith("*kW")


def test_the_registers_in_the_telegram_are_exact() -> None:
    meter = equipped()
    later(meter, 86_400)
    lines = telegram(meter)
    for rate in (1, 2):
        counted = meter.metering.watt_hours(1, rate)
        assert counted
        assert lines[f"1-0:1.8.{rate}"] == (f"{counted // 1000:06d}.{counted % 1000:03d}*kWh",)


def test_where_nothing_limits_the_telegram_says_so() -> None:
    meter = equipped(limit=2_000_000)
    assert telegram(meter)["0-0:17.0.0"] == ("999.9*kW",)


def test_winter_time_is_marked() -> None:
    meter = equipped(start=START + 183 * 86_400)
    assert telegram(meter)["0-0:1.0.0"][0].endswith("W")


@pytest.mark.parametrize(
    ("manufacturer", "serial", "expected"), [(b"CSM", "1", "CSM5\\1"), (b"\x00/A", "1(2", "XXA5\\12")]
)
def test_the_identification(manufacturer: bytes, serial: str, expected: str) -> None:
    assert identified(manufacturer, serial) == expected


# --- messages and the display -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "result"), [(1024, DataAccessResult.SUCCESS), (1025, DataAccessResult.OTHER_REASON)]
)
def test_a_message_has_a_limit(length: int, result: DataAccessResult) -> None:
    meter = equipped()
    message(meter, b"before")
    assert message(meter, b"x" * length) is result
    shown = telegram(meter)["0-0:96.13.0"][0]
    assert shown == (b"x" * length if result is DataAccessResult.SUCCESS else b"before").hex().upper()


def test_a_message_is_text() -> None:
    meter = equipped()
    number = axdr.double_long_unsigned(7)
    assert meter.host.write(1, DISPLAY_MESSAGE, 2, number) is DataAccessResult.TYPE_UNMATCHED
    assert meter.host.write(1, DISPLAY_MESSAGE, 2, axdr.octet_string(b"07")) is DataAccessResult.SUCCESS
    assert meter.equipment.customer.display.text == "07"


def test_the_display_cycles_through_its_list() -> None:
    meter = equipped()
    display = meter.equipment.customer.display
    count = len(display.texts)
    seen = []
    for turn in range(count + 1):
        later(meter, turn * PAGE)
        seen.append(display.text)
    assert seen[0] == seen[-1] == "2026-06-01"
    assert seen[1] == "12:00:10"
    assert "96.14.0 0001" in seen
    assert "connected" in seen


def test_a_message_comes_at_once_and_takes_turns_with_the_list() -> None:
    meter = equipped()
    display = meter.equipment.customer.display
    later(meter, 13)
    message(meter, b"pay", DISPLAY_MESSAGE)
    seen = []
    for turn in range(4):
        later(meter, 13 + turn * PAGE)
        seen.append(display.text)
    assert seen == ["pay", "2026-06-01", "pay", "12:00:43"]
    message(meter, b"", DISPLAY_MESSAGE)
    assert display.text == "2026-06-01"


@given(st.integers(1, 200), st.integers(0, 300))
def test_behaviour_a_message_with_a_time_goes_by_itself(message_time: int, wait: int) -> None:
    host = bare_host()
    display = Display(host, Message(host, DISPLAY_MESSAGE), message_time=message_time)
    host.write(1, DISPLAY_MESSAGE, 2, axdr.octet_string(b"soon over"))
    host.device.advance(host.now + wait)
    assert (display.text == "soon over") is (wait < message_time and wait // PAGE % 2 == 0)


def test_the_message_to_the_port_is_not_on_the_display() -> None:
    meter = equipped()
    message(meter, b"for the port")
    assert meter.equipment.customer.display.text == "2026-06-01"
