"""Configuration objects: who may write them, what a write does, and which rows it leaves."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.device.gas.locks import ATTEMPTS, AUTO_CLOSE, PAUSE, Level
from cosem.device.gas.quality_input import encode_table
from cosem.errors import ConfigError
from cosem.gas.equation import Method
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult
from cosem.simulator.gas import DEMO_CODES
from support.gas_devices import HOURLY, START, check, converter, log, quality, read, rows, unlock, write

DENIED, SUCCESS, OTHER = (
    DataAccessResult.READ_WRITE_DENIED,
    DataAccessResult.SUCCESS,
    DataAccessResult.OTHER_REASON,
)
P_MAX, MP2, GAS_DAY, CYCLE = "7-0:0.5.14.255", "7-0:0.8.18.255", "7-0:0.9.3.255", "7-0:0.8.5.255"


def changes(device, which: str) -> list[tuple[int, str, object, object]]:  # type: ignore[no-untyped-def]
    """The rows of a log of changes: user, object, before, after."""
    buffer = getattr(device.records, which)
    found = []
    for row in buffer.rows:
        cells = [cell.value for cell in axdr.decode(row.octets).value]
        found.append((cells[1], str(Obis(cells[2])), cells[4], cells[5]))
    return found


def test_a_closed_lock_refuses_and_says_so() -> None:
    device = converter()
    assert write(device, 3, MP2, axdr.double_long_unsigned(1800)) is DENIED
    assert device.periods.lengths["mp2"] == 3600
    assert log(device, "standard") == [23]
    assert changes(device, "audit") == []


def test_a_shorter_interval_makes_the_archive_denser_and_loses_nothing() -> None:
    device = converter()
    device.advance(START + 2 * 3600 + 600)
    unlock(device, Level.SUPPLIER)
    assert write(device, 3, MP2, axdr.double_long_unsigned(1800)) is SUCCESS
    assert read(device, 7, HOURLY, 4) == 1800
    device.advance(START + 5 * 3600)
    times = [row.time - START for row in device.archives.buffers[Obis.parse(HOURLY)].rows if row.time > START]
    assert times == [3600, 7200, 7800, 7800, *range(9000, 18001, 1800)]
    assert changes(device, "audit") == [(0, MP2, 3600, 1800)]
    check(device)
    unlock(device, Level.SUPPLIER)
    assert write(device, 3, MP2, axdr.double_long_unsigned(7)) is OTHER
    assert write(device, 3, MP2, axdr.long_unsigned(1800)) is DataAccessResult.TYPE_UNMATCHED
    assert len(changes(device, "audit")) == 1


def test_the_gas_day_begins_when_it_is_told_to() -> None:
    device = converter()
    unlock(device, Level.SUPPLIER)
    assert write(device, 1, GAS_DAY, axdr.octet_string(bytes((0, 0, 0, 0)))) is SUCCESS
    assert write(device, 1, GAS_DAY, axdr.octet_string(bytes((24, 0, 0, 0)))) is OTHER
    device.advance(START + 2 * 86_400)
    days = device.archives.buffers[Obis.parse("7-0:99.99.3.255")].rows
    assert [row.time - START for row in days] == [18 * 3600, 42 * 3600]
    assert read(device, 1, GAS_DAY) == bytes(4)
    check(device)


def test_certified_parameters_need_the_seal_or_room_in_the_log() -> None:
    """Between 50 rows there is room for 24 changes: two rows each, and three have to be free."""
    device = converter(certification_rows=8)
    unlock(device, Level.SUPPLIER)
    assert write(device, 3, P_MAX, axdr.double_long_unsigned(90_000)) is DENIED
    unlock(device, Level.CERTIFICATION)
    assert write(device, 3, P_MAX, axdr.double_long_unsigned(90_000)) is SUCCESS
    assert device.converter.settings.pressure_limits[1] == 90
    assert changes(device, "certification") == [(0, P_MAX, 100_000, None), (0, P_MAX, 100_000, 90_000)]
    assert read(device, 3, "7-0:96.131.3.255") == 6
    assert write(device, 3, P_MAX, axdr.double_long_unsigned(80_000)) is SUCCESS
    assert write(device, 3, P_MAX, axdr.double_long_unsigned(70_000)) is SUCCESS
    assert write(device, 3, P_MAX, axdr.double_long_unsigned(60_000)) is DataAccessResult.TEMPORARY_FAILURE
    assert device.converter.settings.pressure_limits[1] == 70
    assert device.status.momentary & 0x800
    # Nobody but who breaks the seal can empty it, and he needs no room in it.
    certification = device.records.certification.object
    assert device.host.invoke(7, certification.obis, 1, axdr.integer(0)) is not DataAccessResult.SUCCESS
    assert len(device.records.certification.rows) == 6
    unlock(device, Level.CALIBRATION)
    assert write(device, 3, P_MAX, axdr.double_long_unsigned(60_000)) is SUCCESS
    assert len(device.records.certification.rows) == 6
    device.host.invoke(7, certification.obis, 1, axdr.integer(0))
    assert device.records.room == 8
    assert not device.status.momentary & 0x800
    assert [new for *_, new in changes(device, "audit")] == [90_000, 80_000, 70_000, 60_000]
    assert device.status.momentary & 0x1000
    device.locks.seal()
    assert not device.status.momentary & 0x1000


def test_a_limit_acts() -> None:
    device = converter()
    device.advance(START + 3600)
    unlock(device, Level.CALIBRATION)
    assert write(device, 3, P_MAX, axdr.double_long_unsigned(15_000)) is SUCCESS
    device.advance(START + 7200)
    assert device.status.momentary & 1
    unlock(device, Level.CALIBRATION)
    assert write(device, 3, P_MAX, axdr.double_long_unsigned(100)) is OTHER
    check(device)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (P_MAX, axdr.double_long_unsigned(2_000_000)),
        ("7-0:42.3.0.255", axdr.double_long_unsigned(4_294_967_295)),
        ("7-0:42.3.0.255", axdr.double_long_unsigned(0)),
        ("7-0:41.3.0.255", axdr.double_long(40_000)),
        ("7-0:42.2.0.255", axdr.double_long_unsigned(1)),
        ("7-0:41.2.0.255", axdr.double_long(-27_315)),
        ("7-0:55.11.0.255", axdr.double_long_unsigned(1)),
    ],
)
def test_states_that_no_pipe_has_are_refused(name: str, value: Data) -> None:
    """A substitute value with a digit too many would count more than there is gas."""
    device = converter()
    unlock(device, Level.CALIBRATION)
    before = device.converter.settings
    assert write(device, 3, name, value) is OTHER
    assert device.converter.settings == before


def test_pulse_constants_act() -> None:
    device = converter(input="pulse", pulse=Decimal("0.1"))
    device.advance(START + 3600)
    unlock(device, Level.CALIBRATION)
    assert write(device, 3, "7-0:0.7.0.255", axdr.double_long_unsigned(1_000)) is SUCCESS
    assert device.flow.constant.volume == 1
    assert write(device, 3, "7-0:0.7.0.255", axdr.double_long_unsigned(3_000)) is OTHER
    before = device.outputs.outputs["base"].pulses
    assert write(device, 3, "7-0:0.3.3.255", axdr.double_long_unsigned(10_000)) is SUCCESS
    counted = device.converter.counters.base.absolute
    device.advance(START + 7200)
    given = device.outputs.outputs["base"].pulses - before
    assert abs(given - (device.converter.counters.base.absolute - counted) // 100_000) <= 10
    assert device.converter.counters.metering.absolute + device.flow.pending == device.pipe.index


def test_a_cycle_is_written() -> None:
    device = converter()
    unlock(device, Level.SUPPLIER)
    steps: list[int] = []
    device.process.stepped.append(lambda step: steps.append(step.at - START))
    assert write(device, 3, CYCLE, axdr.double_long_unsigned(60)) is SUCCESS
    device.advance(START + 300)
    assert steps == [60, 120, 180, 240, 300]


def test_a_new_sensor_is_a_row_and_an_event() -> None:
    device = converter()
    unlock(device, Level.CALIBRATION)
    assert write(device, 1, "7-0:0.2.11.255", axdr.octet_string(b"P-99")) is SUCCESS
    assert device.pressure.serial == "P-99"
    assert read(device, 67, "7-0:0.15.0.255", 2) == b"P-99"
    assert log(device, "metrological") == [40]
    assert changes(device, "audit") == [(0, "7-0:0.2.11.255", b"P70000001", b"P-99")]
    assert write(device, 1, "7-0:0.2.11.255", axdr.octet_string(b"")) is OTHER


def test_locks_open_by_their_code_and_close_by_themselves() -> None:
    device = converter()
    state, code = "0-0:96.128.2.255", "0-0:96.129.2.255"
    assert write(device, 1, code, axdr.octet_string(b"wrong")) is DENIED
    assert write(device, 1, code, axdr.octet_string(DEMO_CODES[Level.SUPPLIER])) is SUCCESS
    assert (read(device, 1, state), read(device, 1, code)) == (1, b"")
    device.advance(START + AUTO_CLOSE - 1)
    assert read(device, 1, state) == 1
    device.advance(START + AUTO_CLOSE)
    assert read(device, 1, state) == 0
    assert log(device, "standard") == [22, 20, 21]
    write(device, 1, code, axdr.octet_string(DEMO_CODES[Level.SUPPLIER]))
    assert write(device, 1, state, axdr.unsigned(0)) is SUCCESS
    assert read(device, 1, state) == 0


def test_codes_cannot_be_tried_for_ever() -> None:
    device = converter()
    for _ in range(ATTEMPTS):
        assert not device.locks.enter(Level.SUPPLIER, b"wrong")
    assert not device.locks.enter(Level.SUPPLIER, DEMO_CODES[Level.SUPPLIER])
    device.advance(START + PAUSE)
    assert device.locks.enter(Level.SUPPLIER, DEMO_CODES[Level.SUPPLIER])
    # Whoever knows the code may mistype it now and then.
    for _ in range(3 * ATTEMPTS):
        assert not device.locks.enter(Level.SUPPLIER, b"wrong")
        assert device.locks.enter(Level.SUPPLIER, DEMO_CODES[Level.SUPPLIER])


def test_a_higher_lock_opens_what_a_lower_one_does_and_not_the_other_way_round() -> None:
    device = converter()
    unlock(device, Level.CUSTOMER)
    assert write(device, 3, MP2, axdr.double_long_unsigned(1800)) is DENIED
    unlock(device, Level.CALIBRATION)
    assert write(device, 3, MP2, axdr.double_long_unsigned(1800)) is SUCCESS


def test_a_quality_as_a_table_and_as_figures() -> None:
    device = converter()
    device.advance(START + 3600)
    table = encode_table(quality("from afar", "10.25", at=START + 7200), device.clock.octets)
    name = "7-0:0.12.128.255"
    assert write(device, 1, name, table) is DENIED
    unlock(device, Level.SUPPLIER)
    assert write(device, 1, name, table) is SUCCESS
    device.advance(START + 7200 + 300)
    assert device.converter.last.quality == "from afar"
    unlock(device, Level.SUPPLIER)
    assert write(device, 1, name, axdr.structure(axdr.unsigned(1))) is OTHER
    assert write(device, 3, "7-0:0.12.54.255", axdr.double_long_unsigned(10_400_000)) is SUCCESS
    assert write(device, 3, "7-0:0.12.66.255", axdr.double_long_unsigned(12_000)) is SUCCESS
    assert read(device, 3, "7-0:0.12.66.255") == 12_000
    assert write(device, 3, "7-0:0.12.71.255", axdr.double_long_unsigned(12_000)) is OTHER
    device.advance(START + 9000)
    assert read(device, 3, "7-0:54.0.0.255") == 10_400_000
    assert device.converter.counters.base.disturbed.value == 0
    assert [row[1] for row in changes(device, "audit")] == [name, "7-0:0.12.54.255", "7-0:0.12.66.255"]
    check(device)


def test_the_method_is_sealed() -> None:
    device = converter()
    text = Data(Tag.VISIBLE_STRING, "aga8-gross1")
    unlock(device, Level.CERTIFICATION)
    assert write(device, 1, "7-0:55.12.0.255", text) is DENIED
    unlock(device, Level.CALIBRATION)
    assert write(device, 1, "7-0:55.12.0.255", text) is SUCCESS
    assert device.converter.settings.method is Method.AGA8_GROSS1
    assert write(device, 1, "7-0:55.12.0.255", Data(Tag.VISIBLE_STRING, "aga8-detail")) is OTHER
    device.advance(START + 3600)
    assert not device.disturbances.alarms


def test_the_latched_status_is_cleared_under_a_lock_and_keeps_what_lasts() -> None:
    from cosem.device.gas.sensors import Fault

    device = converter()
    device.pressure.break_down(Fault.FAILS)
    device.temperature.break_down(Fault.FAILS)
    device.advance(START + 300)
    device.temperature.repair()
    device.advance(START + 600)
    word = "7-0:96.5.1.255"
    assert read(device, 1, word) == 3
    assert write(device, 1, word, axdr.double_long_unsigned(0)) is DENIED
    unlock(device, Level.SUPPLIER)
    assert write(device, 1, word, axdr.double_long_unsigned(7)) is OTHER
    assert write(device, 1, word, axdr.double_long_unsigned(0)) is SUCCESS
    assert read(device, 1, word) == 1
    assert 25 in log(device, "standard")


def test_nobody_shortens_or_fills_a_log_and_only_open_locks_empty_one() -> None:
    device = converter()
    device.advance(START + 7200)
    names = [str(name) for name in device.archives.buffers]
    names += ["7-0:99.98.0.255", "7-0:99.98.1.255", "7-0:99.98.2.255", "7-0:99.99.0.255"]
    for name in names:
        buffer = Obis.parse(name)
        before = read(device, 7, name, 7)
        assert device.host.write(7, buffer, 8, axdr.double_long_unsigned(1)) is DENIED
        assert device.host.invoke(7, buffer, 1, axdr.integer(0)) is not ActionResult.SUCCESS
        if "98" in name.split(":")[1] and not name.startswith("7-0:98"):
            assert device.host.invoke(7, buffer, 2, axdr.integer(0)) is not ActionResult.SUCCESS
        # Refusing leaves a row in the log of events.
        assert read(device, 7, name, 7) >= before
    unlock(device, Level.CALIBRATION)
    assert device.host.invoke(7, Obis.parse("7-0:99.98.1.255"), 1, axdr.integer(0)) is ActionResult.SUCCESS
    assert log(device, "metrological") == [255]


def test_the_last_reset_is_shown() -> None:
    device = converter()
    assert read(device, 1, "7-0:0.9.6.255") == b"\xff" * 4
    device.advance(START + 3600)
    device.host.invoke(7, Obis.parse("7-0:99.99.4.255"), 2, axdr.integer(0))
    assert read(device, 1, "7-0:0.9.6.255") == bytes((7, 0, 0, 0))
    assert read(device, 1, "7-0:0.9.7.255") == bytes((7, 234, 1, 10, 6))


def test_a_month_ended_by_hand_begins_anew() -> None:
    device = converter()
    device.advance(START + 3 * 86_400)
    monthly = Obis.parse("7-0:99.99.4.255")
    device.host.invoke(7, monthly, 2, axdr.integer(0))
    (row,) = rows(device, str(monthly))
    assert row[6] == row[3] == device.converter.counters.base.absolute
    assert row[7] > 0
    assert read(device, 4, "7-0:13.56.0.255") is None
    assert device.periods.running("bp2", ("base", "absolute")) == 0
    check(device)


def test_consumption_beyond_the_contract_is_told_once_and_when_it_is_over() -> None:
    monday = START + 2 * 86_400
    device = converter(monday)
    unlock(device, Level.SUPPLIER)
    assert write(device, 3, "7-0:0.5.4.255", axdr.double_long_unsigned(1_500_000)) is SUCCESS
    device.advance(monday + 24 * 3600)
    told = [code for code in log(device, "metrological") if code in (30, 31)]
    assert told[:2] == [30, 31]
    assert told.count(30) - told.count(31) in (0, 1)


def test_settings_that_mean_nothing_are_refused_by_name() -> None:
    for wrong in ({"cycle": 0}, {"mp1": 7}, {"day_start": 90_000}, {"input": "wheel"}, {"market": "atlantis"}):
        with pytest.raises(ConfigError):
            converter(**wrong)
    with pytest.raises(ConfigError):
        converter(codes={Level.CALIBRATION: b"no"})
