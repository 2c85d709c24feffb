"""Register table, status mapping, parameter monitor, compact data (behaviours 4.10)."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.classes.c001_data import Data as DataObject
from cosem.classes.c003_register import Register
from cosem.classes.c011_special_days_table import SpecialDay
from cosem.classes.c061_register_table import TableCellDefinition
from cosem.classes.c062_compact_data import CaptureMethod
from cosem.classes.c063_status_mapping import MappingTable
from cosem.classes.common import AttributeReference, CaptureObject
from cosem.codec import axdr
from cosem.codec.compact import read_compact
from cosem.codec.data import Data, Tag
from cosem.device.causes import Cause
from cosem.device.compact_data import CompactDataBehaviour
from cosem.device.parameter_monitor import MAX_PARAMETERS, ParameterMonitorBehaviour
from cosem.device.register_table import RegisterTableBehaviour
from cosem.device.status_mapping import StatusMappingBehaviour
from cosem.errors import ConfigError
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult
from cosem.times import CosemDate
from cosem.units import ScalerUnit, Unit
from support.meters import bare_host, build, utc

START = utc(2026, 6, 1)
FIRST, SECOND = Obis.parse("0-0:96.13.0.255"), Obis.parse("0-0:96.13.1.255")
ENERGIES = [Obis.parse(f"1-0:1.8.{rate}.255") for rate in range(3)]


class Rig:
    def __init__(self) -> None:
        self.host = bare_host(START)
        for name in (FIRST, SECOND):
            self.host.add(DataObject(name, value=axdr.unsigned(0)))
        for number, name in enumerate(ENERGIES):
            energy = self.host.add(Register(name, scaler_unit=ScalerUnit(0, Unit.WATT_HOUR)))
            energy.store.values[2] = axdr.double_long_unsigned(1000 * number)  # type: ignore[union-attr]

    def write(self, obj: Any, attribute: int, value: Any) -> DataAccessResult:
        data = value if isinstance(value, Data) else type(obj).attributes[attribute].type.to_data(value)
        return self.host.write(obj.class_id, obj.obis, attribute, data)

    def call(self, obj: Any, method: int, value: Any = 0) -> ActionResult:
        data = type(obj).methods[method].parameter.to_data(value)
        return self.host.invoke(obj.class_id, obj.obis, method, data)

    def mark(self, name: Obis, value: int) -> DataAccessResult:
        return self.host.write(1, name, 2, axdr.unsigned(value))


# --- parameter monitor ------------------------------------------------------------------------------------------------


def monitored(rig: Rig, *names: Obis) -> ParameterMonitorBehaviour:
    return ParameterMonitorBehaviour(rig.host, [AttributeReference(1, name, 2) for name in names])


def test_of_two_writes_the_changed_parameter_shows_the_second() -> None:
    rig = Rig()
    monitor = monitored(rig, FIRST, SECOND)
    noted: list[Any] = []
    rig.host.causes.listeners.append(noted.append)
    rig.mark(FIRST, 5)
    rig.host.device.advance(START + 60)
    rig.mark(SECOND, 7)
    assert monitor.object.changed_parameter == (1, SECOND, 2, 7)
    assert monitor.object.capture_time.to_octets() == rig.host.clock.octets(START + 60)
    assert [happening.cause for happening in noted] == [Cause.PARAMETER_CHANGED] * 2
    assert noted[1].details == {"class_id": 1, "name": SECOND, "attribute": 2}


@given(st.lists(st.tuples(st.sampled_from([FIRST, SECOND]), st.integers(0, 3)), max_size=12))
def test_the_digest_changes_if_and_only_if_a_value_changes(writes: list[tuple[Obis, int]]) -> None:
    rig = Rig()
    monitor = monitored(rig, FIRST, SECOND)
    values = {FIRST: 0, SECOND: 0}
    seen: dict[tuple[int, ...], bytes] = {}
    for name, value in writes:
        values[name] = value
        assert rig.mark(name, value) is DataAccessResult.SUCCESS
        digest = monitor.object.parameter_value_digest
        assert seen.setdefault(tuple(values.values()), digest) == digest
        assert len(set(seen.values())) == len(seen)
        assert monitor.object.parameter_values == Data(Tag.STRUCTURE, tuple(map(axdr.unsigned, values.values())))
    assert hashlib.sha256(bytes([17, values[FIRST], 17, values[SECOND]])).digest() == monitor.digest()


def test_only_what_is_listed_counts() -> None:
    rig = Rig()
    monitor = monitored(rig, FIRST)
    rig.mark(SECOND, 1)
    assert monitor.object.changed_parameter.class_id == 0
    second = AttributeReference(1, SECOND, 2)
    assert rig.call(monitor.object, 1, second) is ActionResult.SUCCESS
    assert rig.call(monitor.object, 1, second) is ActionResult.SUCCESS, "one that is listed already is no error"
    assert len(monitor.object.parameter_list) == 2
    rig.mark(SECOND, 1)
    assert monitor.object.changed_parameter == (1, SECOND, 2, 1)
    assert rig.call(monitor.object, 2, AttributeReference(1, FIRST, 2)) is ActionResult.SUCCESS
    assert rig.call(monitor.object, 2, AttributeReference(1, FIRST, 2)) is ActionResult.OTHER_REASON
    rig.mark(FIRST, 1)
    assert monitor.object.changed_parameter == (1, SECOND, 2, 1)


def test_behaviour_of_writing_the_same_value_again_is_a_change() -> None:
    rig = Rig()
    monitor = monitored(rig, FIRST)
    rig.mark(FIRST, 0)
    assert monitor.object.changed_parameter == (1, FIRST, 2, 0)


def test_what_is_not_there_or_secret_cannot_be_listed() -> None:
    meter = build(START, START)
    monitor = meter.equipment.parameters.object
    bad = [
        AttributeReference(15, Obis.parse("0-0:40.0.2.255"), 7),
        AttributeReference(3, FIRST, 2),
        AttributeReference(1, Obis.parse("0-0:42.0.0.255"), 9),
        AttributeReference(65, monitor.obis, 4),
    ]
    kind = type(monitor).methods[1].parameter
    for item in bad:
        assert meter.host.invoke(65, monitor.obis, 1, kind.to_data(item)) is ActionResult.OTHER_REASON
    listed = type(monitor).attributes[4].type
    for items in ((bad[0],), (monitor.parameter_list[0],) * 2, monitor.parameter_list * MAX_PARAMETERS):
        assert meter.host.write(65, monitor.obis, 4, listed.to_data(tuple(items))) is DataAccessResult.OTHER_REASON


def test_the_meter_tells_of_a_special_day_that_a_method_put_in() -> None:
    meter = build(START, START)
    table = meter.equipment.tariffs.special_days.object
    day = type(table).methods[1].parameter.to_data(SpecialDay(1, CosemDate(2026, 6, 2), 2))
    assert meter.host.invoke(11, table.obis, 1, day) is ActionResult.SUCCESS
    assert meter.equipment.parameters.object.changed_parameter[:3] == (11, table.obis, 2)


# --- compact data -----------------------------------------------------------------------------------------------------

COMPACT = Obis.parse("0-0:66.0.0.255")
TEMPLATE = CaptureObject(62, COMPACT, 4)
CLOCK_TIME = CaptureObject(8, Obis.parse("0-0:1.0.0.255"), 2)


def test_captured_when_read_two_reads_differ_in_the_octets_of_the_clock() -> None:
    rig = Rig()
    compact = CompactDataBehaviour(rig.host, str(COMPACT), [TEMPLATE, CLOCK_TIME], 23, CaptureMethod.WHEN_READ)
    first = compact.object.compact_buffer
    rig.host.device.advance(START + 1)
    second = compact.object.compact_buffer
    assert first[0] == second[0] == 23
    assert first[1:] == b"\x0c" + rig.host.clock.octets(START)
    assert second[1:] == b"\x0c" + rig.host.clock.octets(START + 1)


def test_captured_by_method_the_buffer_stays_and_description_and_contents_make_a_compact_array() -> None:
    rig = Rig()
    captures = [TEMPLATE, CLOCK_TIME, CaptureObject(3, ENERGIES[1], 2), CaptureObject(3, ENERGIES[1], 3, 2)]
    compact = CompactDataBehaviour(rig.host, str(COMPACT), captures, 1)
    assert compact.object.compact_buffer == b""
    assert rig.call(compact.object, 2) is ActionResult.SUCCESS
    rig.host.device.advance(START + 60)
    buffer = compact.object.compact_buffer
    octets = compact.object.template_description + bytes([len(buffer)]) + buffer
    whole, _ = read_compact(octets, 0, len(octets), 0)
    (row,) = whole.values
    values = [item.value for item in row.value]
    assert values == [1, rig.host.clock.octets(START), 1000, int(Unit.WATT_HOUR)]
    assert compact.object.template_description == b"\x02\x04\x11\x09\x06\x16"
    assert rig.call(compact.object, 1) is ActionResult.SUCCESS
    assert compact.object.compact_buffer == b""


def test_another_template_or_list_empties_the_buffer() -> None:
    rig = Rig()
    compact = CompactDataBehaviour(rig.host, str(COMPACT), [TEMPLATE, CLOCK_TIME], 1)
    for attribute, value in ((4, 2), (3, (TEMPLATE, CaptureObject(3, ENERGIES[0], 2)))):
        rig.call(compact.object, 2)
        assert compact.object.compact_buffer
        assert rig.write(compact.object, attribute, value) is DataAccessResult.SUCCESS
        assert compact.object.compact_buffer == compact.object.template_description == b""
    rig.call(compact.object, 2)
    assert compact.object.compact_buffer == b"\x02\x00\x00\x00\x00"


def test_what_cannot_be_captured_is_refused_or_null() -> None:
    rig = Rig()
    compact = CompactDataBehaviour(rig.host, str(COMPACT), [TEMPLATE, CaptureObject(3, ENERGIES[0], 2, 7)], 1)
    rig.call(compact.object, 2)
    assert compact.object.compact_buffer == b"\x01"
    assert compact.object.template_description == b"\x02\x02\x11\x00"
    for captures in (
        (),
        (CLOCK_TIME,),
        (TEMPLATE, CaptureObject(62, COMPACT, 2)),
        (TEMPLATE, CaptureObject(3, FIRST, 2)),
    ):
        assert rig.write(compact.object, 3, captures) is DataAccessResult.OTHER_REASON
    with pytest.raises(ConfigError, match="template"):
        CompactDataBehaviour(rig.host, "0-0:66.0.1.255", [CLOCK_TIME], 1)


# --- register table ---------------------------------------------------------------------------------------------------


def cells(*rates: int) -> TableCellDefinition:
    return TableCellDefinition(3, Obis.parse("1-0:1.8.255.255"), rates, 2)


def test_a_capture_copies_the_registers_and_stays() -> None:
    rig = Rig()
    table = RegisterTableBehaviour(rig.host, "0-0:21.0.6.255", cells(2, 0, 9), ScalerUnit(0, Unit.WATT_HOUR))
    assert table.object.table_cell_values == ()
    assert rig.call(table.object, 2) is ActionResult.SUCCESS
    rig.host.write(3, ENERGIES[2], 2, axdr.double_long_unsigned(7))
    assert table.object.table_cell_values == (2000, 0, None), "there is no tariff 9"
    assert rig.call(table.object, 1) is ActionResult.SUCCESS
    assert table.object.table_cell_values == ()


def test_another_definition_empties_the_table_and_tells_who_captures_it() -> None:
    rig = Rig()
    table = RegisterTableBehaviour(rig.host, "0-0:21.0.6.255", cells(2), ScalerUnit(0, Unit.WATT_HOUR))
    told: list[int] = []
    table.on_redefined.append(lambda: told.append(1))
    rig.call(table.object, 2)
    assert rig.write(table.object, 3, cells(1, 2)) is DataAccessResult.SUCCESS
    assert (table.object.table_cell_values, told) == ((), [1])
    rig.call(table.object, 2)
    assert table.object.table_cell_values == (1000, 2000)


# --- status mapping ---------------------------------------------------------------------------------------------------


def test_a_status_word_is_made_when_read_and_its_table_fits_its_bits() -> None:
    rig = Rig()
    word = axdr.unsigned(0)
    status = StatusMappingBehaviour(rig.host, "0-0:96.5.0.255", lambda: word, MappingTable(1, 100))
    word = axdr.unsigned(0x81)
    assert status.object.status_word == 0x81
    for table, fits in (
        (MappingTable(1, tuple(range(8))), True),
        (MappingTable(1, tuple(range(7))), False),
        (MappingTable(1, 65535), False),
        (MappingTable(2, 65528), True),
    ):
        expected = DataAccessResult.SUCCESS if fits else DataAccessResult.OTHER_REASON
        assert rig.write(status.object, 3, table) is expected
    assert status.object.mapping_table == MappingTable(2, 65528)


@pytest.mark.parametrize(
    "word",
    [
        Data(Tag.BIT_STRING, "1" * 24),
        Data(Tag.OCTET_STRING, b"abc"),
        Data(Tag.VISIBLE_STRING, "abc"),
        Data(Tag.UTF8_STRING, "é "),
    ],
)
def test_words_of_every_type_have_their_bits(word: Data) -> None:
    rig = Rig()
    StatusMappingBehaviour(rig.host, "0-0:96.5.0.255", lambda: word, MappingTable(1, tuple(range(24))))
    with pytest.raises(ConfigError, match="does not fit"):
        StatusMappingBehaviour(rig.host, "0-0:96.5.1.255", lambda: word, MappingTable(1, tuple(range(8))))
    odd = Data(Tag.BIT_STRING, "101")
    with pytest.raises(ConfigError, match="does not fit"):
        StatusMappingBehaviour(rig.host, "0-0:96.5.2.255", lambda: odd, MappingTable(1, (1, 2, 3)))
