"""Simulated utility meters on a wire, by the eyes of a bus master: answers, orders, keys, alarms, an empty battery."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.device.utility.meter import DAY, Tamper, Valve
from cosem.device.utility.orders import (
    ACCESS_DENIED,
    UNKNOWN_COMMAND,
    UNKNOWN_RECEIVER,
    WRONG_KEY,
    WRONG_PARAMETER,
)
from cosem.device.utility.speaker import Speaker
from cosem.device.utility.wired import UtilityStation, WiredApplication
from cosem.errors import Timeout
from cosem.mbus.addresses import SecondaryAddress
from cosem.mbus.dib import DataField, Dib
from cosem.mbus.key_change import wrap, wrap_counted
from cosem.mbus.keys import KeyStore
from cosem.mbus.link_fields import APPLICATION_ERROR
from cosem.mbus.model import models
from cosem.mbus.moments import Moment
from cosem.mbus.primary import Primary
from cosem.mbus.readings import Reading, joined, reading, records_of
from cosem.mbus.record import Record
from cosem.mbus.sending import (
    CLEAR,
    acknowledge_alarms,
    move_valve,
    order,
    set_clock,
    set_due_date,
    transfer_key,
)
from cosem.mbus.telegram import Telegram, decode_message
from support.mbus_meters import Wired
from support.utility_meters import DEFAULT_KEY, KEY, NEW_KEY, START, speaker, store

PRIMARY = 5
NOW = datetime(2026, 4, 3, tzinfo=UTC)
OTHER_KEY = bytes(range(0x20, 0x30))


class Bench:
    """One meter on a bus, and a master that has a key (or none)."""

    def __init__(self, model: str, *, key: bytes | None = None, known: bytes | None = None, **more: Any) -> None:
        self.speaker: Speaker = speaker(model, key=key, **more)
        self.station = UtilityStation(self.speaker, epoch=START, primary=PRIMARY)
        self.wired = Wired([self.station])
        self.keys: KeyStore | None = None
        self.use(known or key)
        self.access = 0
        self.telegrams: list[Telegram] = []

    @property
    def meter(self):
        return self.speaker.meter

    def use(self, key: bytes | None) -> None:
        self.keys = None if key is None else store(self.speaker.address, key)

    def wait(self, seconds: float) -> None:
        self.wired.driver.now += seconds

    def more_follows(self, ci: int, octets: bytes) -> bool:
        """Open a telegram, and say whether another one belongs to it: what a master with keys has to do."""
        telegram = decode_message(bytes((ci,)) + octets, wired=True, meter=self.speaker.address, keys=self.keys)
        self.telegrams.append(telegram)
        return records_of(telegram).more_follows

    def read(self, address: Any = PRIMARY) -> Reading:
        self.telegrams = []
        primary = Primary(self.wired.master, more_follows=self.more_follows)
        self.wired.run(primary.read(address))
        parts = [records_of(telegram) for telegram in self.telegrams]
        return reading(self.telegrams[0], models(), timestamp=NOW, records=joined(parts))

    def raw(self) -> tuple[int, bytes]:
        return self.wired.run(self.wired.primary.read(PRIMARY, reset=False))[0]

    def send(self, *records: Record, clear: bool = False, key: bytes | None = None) -> bytes:
        """Send an order, protected where the meter protects; return the application error that the answer is."""
        wired = self.speaker.model.wired
        assert wired is not None
        keys = self.keys if key is None else store(self.speaker.address, key)
        protection = CLEAR if clear or keys is None else wired.protection
        self.access += 1
        return self.send_raw(
            *order(
                self.speaker.address,
                records,
                protection=protection,
                keys=keys,
                access_number=self.access,
                counter=self.access,
            )
        )

    def send_raw(self, ci: int, octets: bytes) -> bytes:
        self.wired.run(self.wired.primary.send(PRIMARY, ci, octets))
        found = self.raw()
        return found[1] if found[0] == APPLICATION_ERROR else b""


def error(code: int) -> bytes:
    return bytes((code,))


# --- answers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, KEY])
def test_a_meter_is_read_by_either_address_and_shows_what_it_counted_up_to_then(key):
    bench = Bench("gas-wired", key=key)
    bench.wait(3 * DAY)
    first = bench.read()
    bench.wait(DAY)
    second = bench.read(SecondaryAddress.parse("12345678/12345678"))
    assert second.values["total_m3"] > first.values["total_m3"] > 0
    assert first.values["meter_datetime"] == "2026-03-31 00:00"
    assert second.values["total_m3"].scaleb(3) == bench.meter.amount // 1000


def test_many_records_come_in_telegrams_of_their_own_under_a_key_too():
    bench = Bench("heat-wired", key=KEY)
    bench.wait(95 * DAY)
    found = bench.read()
    assert len(bench.telegrams) == 2
    assert [telegram.access_number for telegram in bench.telegrams] == [1, 2]
    kept = bench.meter.kept["month"]
    assert found.values["prev_3_month_m3"].scaleb(3) == kept[-3].amount // 1000
    assert set(found.values) == {*bench.speaker.model.wired.applications[0], "status"} - {"error_flags"}


def test_an_application_is_selected_by_its_subcode_and_everything_by_none():
    bench = Bench("heat-wired")
    bench.wait(DAY)
    whole = set(bench.read().values)
    bench.wired.run(bench.wired.primary.application_reset(PRIMARY, 0x20))
    assert set(bench.read().values) == {
        "total_energy_consumption_kwh",
        "target_energy_consumption_kwh",
        "target_date",
        "status",
    }
    bench.wired.run(bench.wired.primary.application_reset(PRIMARY, 0x70))  # one that this model has not
    assert set(bench.read().values) == whole
    bench.wired.run(bench.wired.primary.application_reset(PRIMARY, 0x01))  # the second telegram of everything
    assert "total_m3" not in bench.read().values
    bench.wired.run(bench.wired.primary.application_reset(PRIMARY))
    assert set(bench.read().values) == whole


def test_a_meter_with_an_empty_battery_is_silent_and_counts_no_more():
    bench = Bench("gas-wired", battery_days=20)
    bench.wait(19 * DAY)
    assert bench.read().values["battery_d"] == 1
    assert "BATTERY_LOW" in bench.read().values["status"]
    bench.wait(2 * DAY)
    with pytest.raises(Timeout):
        bench.read()
    amount = bench.meter.amount
    bench.wait(5 * DAY)
    with pytest.raises(Timeout):
        bench.read()
    assert bench.meter.amount == amount


# --- alarms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, KEY])
def test_an_alarm_stays_until_it_is_over_and_acknowledged(key):
    bench = Bench("gas-wired", key=key)
    primary = bench.wired.primary
    assert bench.wired.run(primary.read_alarm(PRIMARY)) is None
    bench.meter.tamper(Tamper.MAGNET)
    alarm = bench.wired.run(primary.read_alarm(PRIMARY))
    if key is None:
        assert alarm == (0x71, b"\x08")
    else:
        telegram = decode_message(bytes((alarm.ci,)) + alarm.octets, wired=True, keys=bench.keys)
        assert records_of(telegram).records[0].raw == 0x08
    assert bench.send(acknowledge_alarms()) == b""
    assert bench.wired.run(primary.read_alarm(PRIMARY)) is not None
    bench.meter.tamper(Tamper.MAGNET, False)
    assert bench.wired.run(primary.read_alarm(PRIMARY)) is not None
    assert bench.send(acknowledge_alarms()) == b""
    assert bench.wired.run(primary.read_alarm(PRIMARY)) is None
    assert bench.read().values["status"] == "OK"


# --- orders -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("seconds", [True, False])
def test_the_clock_is_set_to_the_second_or_the_minute(key, seconds):
    bench = Bench("electricity-wired", key=key)
    bench.wait(1000)
    local = datetime(2027, 7, 1, 12, 30, 45)
    assert bench.send(set_clock(local, seconds=seconds)) == b""
    wanted = local if seconds else local.replace(second=0)
    assert abs(bench.meter.local() - wanted) < timedelta(seconds=3)
    assert bench.send(set_clock(local, summer_time=True)) == b""
    # Utility meters keep normal time: an hour that is said to be summer's is one less.
    assert abs(bench.meter.local() - (local - timedelta(hours=1))) < timedelta(seconds=3)


def test_a_valve_is_closed_and_released_and_a_person_opens_it():
    bench = Bench("gas-wired", key=KEY)
    bench.wait(DAY)
    assert bench.send(move_valve(0)) == b""
    assert bench.meter.valve is Valve.CLOSED
    amount = bench.meter.amount
    bench.wait(DAY)
    found = bench.read().values
    assert (found["valve"], found["total_m3"].scaleb(3)) == ("closed", amount // 1000)
    assert bench.send(move_valve(1)) == b""
    assert bench.read().values["valve"] == "released"
    bench.meter.push_button()
    assert bench.read().values["valve"] == "open"
    bench.wait(DAY)
    bench.read()
    assert bench.meter.amount > amount


def test_a_stuck_valve_is_an_alarm_and_other_numbers_are_refused():
    bench = Bench("gas-wired", key=KEY)
    bench.meter.stuck = True
    assert bench.send(move_valve(0)) == b""
    assert bench.meter.valve is Valve.OPEN
    assert {"VALVE_ALARM", "VALVE_STUCK"} <= set(bench.read().values["status"].split())
    assert bench.send(move_valve(7)) == error(WRONG_PARAMETER)
    assert Bench("gas-wired", valve=False).send(move_valve(0)) == error(WRONG_PARAMETER)


def test_due_date_and_parameters_are_kept():
    bench = Bench("gas-wired")
    site = Record.of(Dib.of(DataField.VARIABLE), b"\xfd\x10", b"41-B")
    assert bench.send(set_due_date(4, 2), site) == b""
    assert bench.meter.due == (4, 2)
    assert bench.read().values["site"] == "B-14"  # text is sent with its last character first
    bench.wait(10 * DAY)
    bench.read()
    assert datetime.fromtimestamp(bench.meter.kept_due.time, UTC) == datetime(2026, 4, 1, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (Record.of(Dib.of(DataField.INTEGER_8), b"\xfd\x0b", 1), UNKNOWN_COMMAND),
        (Record.of(Dib.of(DataField.INTEGER_32), b"\x6d", Moment("F", b"\x80\0\xff\xff")), WRONG_PARAMETER),
        (Record.of(Dib.of(DataField.INTEGER_32), b"\x6d", Moment("F", b"\x9e\x0c\x9d\x13")), WRONG_PARAMETER),
        (Record.of(Dib.of(DataField.INTEGER_16, storage=1), b"\x6c", Moment("G", b"\xff\xff")), WRONG_PARAMETER),
        (transfer_key(b"too short"), WRONG_PARAMETER),
    ],
)
@pytest.mark.parametrize("key", [None, KEY])
def test_a_telegram_with_one_order_that_cannot_be_is_not_carried_out_at_all(record, code, key):
    bench = Bench("gas-wired", key=key)
    assert bench.send(move_valve(0), record) == error(code)
    assert bench.meter.valve is Valve.OPEN
    assert bench.speaker.orders.refused == {code: 1}
    assert bench.send(move_valve(0)) == b""
    assert bench.meter.valve is Valve.CLOSED


@pytest.mark.parametrize("model", ["gas-wired", "gas-wired-gcm"])
def test_a_meter_with_a_key_takes_nothing_in_clear_nothing_under_another_key_and_nothing_twice(model):
    bench = Bench(model, key=KEY)
    assert bench.send(move_valve(0), clear=True) == error(ACCESS_DENIED)
    assert bench.send(move_valve(0), key=OTHER_KEY) == error(WRONG_KEY)
    assert bench.meter.valve is Valve.OPEN
    protection = bench.speaker.model.wired.protection
    told = order(
        bench.speaker.address,
        [move_valve(0)],
        protection=protection,
        keys=bench.keys,
        access_number=77,
        counter=77,
    )
    assert bench.send_raw(*told) == b""
    assert bench.meter.valve is Valve.CLOSED
    bench.meter.open_valve()
    assert bench.send_raw(*told) == error(ACCESS_DENIED)
    assert bench.meter.valve is Valve.OPEN
    assert bench.speaker.keys.failures["replay"] == 1


@pytest.mark.parametrize(("window", "codes"), [(0, [b"", b"", b""]), (100, [b"", error(ACCESS_DENIED), b""])])
def test_a_window_of_access_numbers_refuses_older_orders_where_there_is_no_counter(window, codes):
    bench = Bench("gas-wired", key=KEY, access_window=window)
    told = []
    for number in (40, 30, 41):
        bench.access = number - 1
        told.append(bench.send(move_valve(0)))
    assert told == codes


def test_in_mode_9_an_order_and_an_answer_never_share_a_nonce():
    bench = Bench("gas-wired-gcm", key=KEY)
    counters = []
    for _ in range(3):
        told = order(
            bench.speaker.address,
            [move_valve(0)],
            protection=bench.speaker.model.wired.protection,
            keys=bench.keys,
            counter=len(counters) + 1,
        )
        counters.append(decode_message(bytes((told[0],)) + told[1], wired=True, keys=store(bench.speaker.address, KEY)))
        bench.send_raw(*told)
        bench.read()
        counters.append(bench.telegrams[0])
    found = [telegram.header.configuration.counter for telegram in counters]
    assert len(set(found)) == 6
    assert found[0::2] == [0x8000_0001, 0x8000_0003, 0x8000_0005]
    assert all(counter < 100 for counter in found[1::2])
    assert bench.meter.valve is Valve.CLOSED


def test_an_order_for_another_meter_and_another_ci_are_refused():
    bench = Bench("gas-wired")
    other = bench.speaker.address._replace(identification=b"\x01\x02\x03\x04")
    header = other.header + bytes(4)
    assert bench.send_raw(0x5B, header + move_valve(0).octets) == error(UNKNOWN_RECEIVER)
    assert bench.send_raw(0x5B, header[:5]) == error(WRONG_PARAMETER)
    assert bench.send_raw(0x51, b"\x01\xfd") == error(WRONG_PARAMETER)
    assert bench.send_raw(0xA0, b"\0") == error(1)
    assert bench.meter.valve is Valve.OPEN


@given(
    ci=st.sampled_from((0x51, 0x5A, 0x5B, 0x60, 0x72, 0xA0, 0xFF)), octets=st.binary(max_size=40), keyed=st.booleans()
)
def test_any_octets_are_carried_out_or_refused(ci, octets, keyed):
    item = speaker("gas-wired", key=KEY if keyed else None)
    application = WiredApplication(item)
    taken = application.accept(ci, octets)
    assert taken == (ci in (0x51, 0x5A, 0x5B))
    if keyed:
        assert item.meter.valve is Valve.OPEN
        assert item.key == KEY


# --- keys -------------------------------------------------------------------------------------------------------------


def test_a_first_key_comes_in_clear_and_from_then_on_the_meter_speaks_and_hears_under_it():
    bench = Bench("gas-wired")
    assert bench.read().values["valve"] == "open"
    told = order(bench.speaker.address, [transfer_key(wrap(DEFAULT_KEY, KEY))])
    assert bench.send_raw(*told) == b""
    bench.use(KEY)
    assert bench.read().meter == "gas-wired"
    assert bench.telegrams[0].security_mode == 5
    assert bench.send(move_valve(0)) == b""
    assert bench.meter.valve is Valve.CLOSED


def test_a_second_key_without_a_counter_comes_under_the_first_one_only():
    bench = Bench("gas-wired", key=KEY)
    new = transfer_key(wrap(DEFAULT_KEY, NEW_KEY))
    assert bench.send(new, clear=True) == error(ACCESS_DENIED)
    assert bench.send(new, key=OTHER_KEY) == error(WRONG_KEY)
    assert bench.speaker.key == KEY
    assert bench.send(new) == b""
    assert bench.speaker.key == NEW_KEY
    assert bench.send(move_valve(0), key=KEY) == error(WRONG_KEY)
    bench.use(NEW_KEY)
    assert bench.send(move_valve(0)) == b""
    assert bench.read().values["valve"] == "closed"


@pytest.mark.parametrize("model", ["gas-wired", "gas-wired-gcm"])
@pytest.mark.parametrize("clear", [True, False])
def test_a_key_with_a_counter_proves_itself_and_comes_once(model, clear):
    bench = Bench(model, key=KEY)
    address = bench.speaker.address
    forged = transfer_key(wrap_counted(OTHER_KEY, NEW_KEY, address, 5, 2))
    assert bench.send(forged, clear=clear) == error(WRONG_KEY)
    other = transfer_key(wrap_counted(DEFAULT_KEY, NEW_KEY, address._replace(version=9), 5, 2))
    assert bench.send(other, clear=clear) == error(WRONG_KEY)
    assert bench.speaker.key == KEY
    new = transfer_key(wrap_counted(DEFAULT_KEY, NEW_KEY, address, 5, 2))
    assert bench.send(new, clear=clear) == b""
    assert bench.speaker.key == NEW_KEY
    bench.use(NEW_KEY)
    assert bench.read().meter == model
    for counter in (5, 4):
        again = transfer_key(wrap_counted(DEFAULT_KEY, KEY, address, counter, 2))
        assert bench.send(again, clear=clear) == error(ACCESS_DENIED)
    assert bench.send(transfer_key(wrap_counted(DEFAULT_KEY, KEY, address, 6, 2)), clear=clear) == b""
    assert bench.speaker.key == KEY


def test_a_key_wrapped_without_a_counter_under_a_wrong_key_locks_the_master_out_until_one_with_a_counter_comes():
    bench = Bench("gas-wired")
    bench.send_raw(*order(bench.speaker.address, [transfer_key(wrap(OTHER_KEY, KEY))]))
    bench.use(KEY)
    assert bench.send(move_valve(0)) == error(WRONG_KEY)
    new = transfer_key(wrap_counted(DEFAULT_KEY, NEW_KEY, bench.speaker.address, 1))
    assert bench.send(new, clear=True) == b""
    bench.use(NEW_KEY)
    assert bench.send(move_valve(0)) == b""


def test_a_meter_without_a_default_key_takes_no_other_key():
    bench = Bench("gas-wired", default_key=None)
    assert bench.send(transfer_key(wrap(DEFAULT_KEY, KEY))) == error(ACCESS_DENIED)
    assert bench.speaker.key is None


def test_a_house_of_meters_on_one_bus_is_read_by_secondary_address():
    names = ("gas-wired", "water-wired", "warm-water-wired", "heat-wired", "electricity-wired")
    items = [speaker(name, identification=f"{index:08d}") for index, name in enumerate(names, start=1)]
    wired = Wired([UtilityStation(item, epoch=START, primary=index) for index, item in enumerate(items, start=1)])
    wired.driver.now += 2 * DAY
    for name, item in zip(names, items, strict=True):
        telegrams = wired.run(wired.primary.read(SecondaryAddress(item.address.header)))
        found = reading(
            decode_message(bytes((telegrams[0].ci,)) + telegrams[0].octets, wired=True),
            models(),
            timestamp=NOW,
        )
        assert (found.meter, found.id) == (name, item.meter.settings.identification)
