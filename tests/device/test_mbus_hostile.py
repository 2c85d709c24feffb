"""Devices that answer anything: the meter stays alive, says so by results, and keeps what it had."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.classes.c072_mbus_client import CaptureDefinitionElement, MBusClient
from cosem.codec import axdr
from cosem.device.mbus.readout import utc_of
from cosem.errors import DecodeError
from cosem.mbus.moments import Moment
from cosem.mbus.record import decode_records
from cosem.mbus.secondary import Request
from cosem.obis import Obis
from cosem.times import CosemDateTime
from support.mbus_house import CLIENT, VALUE, House, house
from support.mbus_slaves import NEW_KEY, Slave
from support.meters import utc

NAME = Obis.parse(CLIENT)


class Liar(Slave):
    """A slave that answers with what it was given, once it is installed."""

    says: tuple[int, bytes] | None = None

    def answer(self, request: Request) -> Sequence[tuple[int, bytes]]:
        return super().answer(request) if self.says is None else [self.says]


_HOME: list[tuple[House, Liar]] = []


def home() -> tuple[House, Liar]:
    if not _HOME:
        from support.equipped import START

        slave = Liar(START)
        _HOME.append((House(1, slave), slave))
        assert not _HOME[0][0].meter.host.invoke(72, NAME, 1, axdr.unsigned(1))
    made, slave = _HOME[0]
    slave.says = None
    made.meter.host.invoke(72, NAME, 7, axdr.octet_string(b""))
    return made, slave


header = st.binary(min_size=4, max_size=4)
records = st.binary(max_size=40) | st.lists(
    st.tuples(
        st.sampled_from([b"\x01", b"\x04", b"\x05", b"\x06", b"\x0c", b"\x0d", b"\x44", b"\x84\x10", b"\x07", b"\x00"]),
        st.sampled_from([b"\x13", b"\x6d", b"\xfd\x1a", b"\xfd\x17", b"\x7c\x01a", b"\x6c", b"\xff\x01", b"\x78"]),
        st.binary(min_size=9, max_size=9),
    ),
    max_size=4,
).map(lambda items: b"".join(dib + vib + data[: _size(dib)] for dib, vib, data in items))


def _size(dib: bytes) -> int:
    return {1: 1, 4: 4, 5: 4, 6: 6, 12: 4, 13: 1, 7: 8, 0: 0}[dib[0] & 0x0F]


@settings(max_examples=200)
@given(
    st.sampled_from([0x72, 0x78, 0x7A, 0x73, 0x70, 0x71, 0x7D, 0x1F]) | st.integers(0, 255),
    header,
    records,
    st.booleans(),
)
def test_any_answer_is_a_value_or_a_result(ci: int, tail: bytes, octets: bytes, keyed: bool) -> None:
    house_, slave = home()
    invoke = house_.meter.host.invoke
    elements = []
    # Of what is no records nothing is captured.
    with suppress(DecodeError):
        elements = [
            CaptureDefinitionElement(record.dib.octets, record.vib.octets)
            for record in decode_records(octets).records
            if record.vib.octets
        ][:4]
    kind = MBusClient.attributes[3].type
    assert not house_.meter.host.write(72, NAME, 3, kind.to_data(elements))
    if keyed:
        invoke(72, NAME, 7, axdr.octet_string(NEW_KEY))
    slave.says = (ci, (slave.address.header if ci in (0x72, 0x73) else b"") + tail + octets)
    assert invoke(72, NAME, 3, axdr.integer(0)) in (0, 2)
    for method in (4, 5):
        assert invoke(72, NAME, method, axdr.integer(0)) in (0, 2)
    assert invoke(70, Obis.parse("0-1:24.4.0.255"), 1, axdr.integer(0)) in (0, 2)
    assert invoke(70, Obis.parse("0-1:24.4.0.255"), 2, axdr.integer(0)) in (0, 2)
    for number in house_.at(CLIENT).attributes:
        assert house_.meter.host.read(72, NAME, number) is not None
    for obj in house_.mbus.channels[1].client.values.objects:
        for number in (2, 3, 4, 5):
            data = house_.meter.host.read(4, obj.obis, number)
            assert data is not None
            obj.attributes[number].type.from_data(data)
            assert axdr.decode(axdr.encode(data)) == data or data.value != data.value
    house_.meter.equipment.customer.p1.telegram()
    house_.live(60)


def answered(*octets: bytes) -> list[int | None]:
    """What stands in the first value after an answer with these records: value, status; minutes past of its time."""
    made, slave = house()
    liar = Liar(made.meter.now)
    made.bus.stations[:] = [liar]
    made.install()
    made.live(3600)
    assert made.call(3) == 0
    liar.says = (0x72, liar.address.header + bytes(4) + b"".join(octets))
    assert made.call(3) == 0
    assert slave.primary == 0
    moment = CosemDateTime.from_octets(made.get(VALUE, 5))
    return [made.get(VALUE, 2), made.get(VALUE, 4), moment.minute]


def test_digits_that_are_none_leave_the_value_there_was() -> None:
    assert answered(b"\x0c\x13\xff\xff\xff\xff")[:2] == [12, 0x80]
    assert answered(b"\x0c\x13\x34\x12\x00\x00")[:2] == [1234, 0]


def test_the_time_of_a_value_is_the_one_with_its_storage_number() -> None:
    stored = b"\x44\x6d" + Moment.of("F", datetime(2026, 6, 1, 8, 17)).octets
    present = b"\x04\x6d" + Moment.of("F", datetime(2026, 6, 1, 8, 23)).octets
    assert answered(stored, present, b"\x0c\x13\x01\x00\x00\x00") == [1, 0, 23]
    assert answered(present, stored, b"\x0c\x13\x01\x00\x00\x00") == [1, 0, 23]


def test_a_device_that_says_it_is_summer_is_an_hour_ahead() -> None:
    local = datetime(2026, 6, 1, 8)
    winter, summer = (utc_of(Moment.of("F", local, summer_time=flag), 60) for flag in (False, True))
    assert (winter, summer) == (utc(2026, 6, 1, 7), utc(2026, 6, 1, 6))
    assert utc_of(Moment("F", b"\xff\xff\xff\xff"), 60) is None


@settings(max_examples=150)
@given(st.binary(max_size=80), st.integers(-200, 50))
def test_any_octets_in_the_air_are_counted(octets: bytes, rssi: int) -> None:
    made, _ = home()
    before = made.mbus.unknown
    made.mbus.hear(octets, made.meter.now, rssi)
    assert made.mbus.unknown == before + 1


def test_a_device_without_an_address_in_its_header_is_not_installed() -> None:
    made, slave = house()
    liar = Liar(made.meter.now, "55555555")
    liar.says = (0x7A, bytes(4) + b"\x04\x13\x01\x00\x00\x00")
    made.bus.stations[:] = [liar]
    assert made.install() == 250
    liar.says = (0x72, liar.address.header + bytes(4) + b"\x04\x13\x01")
    assert made.install() == 0, "its records are cut short, and it is there all the same"
    assert slave.primary == 0
