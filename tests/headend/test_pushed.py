"""Values that are pushed become the latest ones: exact, in the channel's scaler, and of a sender that is known."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, select

from cosem.apdu.ciphered import GeneralGlo
from cosem.client.keyfile import DeviceKeys
from cosem.codec import axdr
from cosem.headend.database import open_database
from cosem.headend.intake import Intake
from cosem.headend.inventory import Inventory, Kind, NewDevice
from cosem.headend.pushed import FUTURE, MOST_CHANNELS, Pushed, keep_latest, pushed_values
from cosem.headend.schema import channel, latest, metadata
from cosem.obis import Obis, obis
from cosem.pushes.readings import Reading, readings
from cosem.security.gcm import protect
from cosem.simulator.meter import DEMO_KEYS
from support.offices import hasten, prepare
from support.pushes import framed, notification

NOW = 1_793_500_000
TITLE = b"CSM\x01\x00\x00\x00\x01"
P1 = (
    "/EXA5 example\r\n\r\n0-0:1.0.0(261101032630W)\r\n0-0:96.7.21(00004)\r\n1-0:1.8.1(004321.123*kWh)\r\n"
    "1-0:1.7.0(00.431*kW)\r\n1-0:32.7.0(230.4*V)\r\n0-1:24.2.1(261101030000W)(00123.456*m3)\r\n"
    "0-0:96.13.0(313233)\r\n1-0:99.97.0(1)(0-0:96.7.19)(261101000000W)(0000000240*s)\r\n!"
)


@pytest.fixture
def connection(tmp_path):
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def known(connection):
    query = select(channel.c.name, channel.c.unit, channel.c.scaler, latest.c.time, latest.c.value)
    return {row[0]: tuple(row[1:]) for row in connection.execute(query.join(latest, latest.c.channel == channel.c.id))}


def push(name, number, scaler=0, unit=None, attribute=None):
    return Reading(obis(name), axdr.double_long_unsigned(number), None, attribute, scaler, unit)


def test_a_p1_telegram_gives_all_its_numbers_at_its_own_time(connection):
    at = 1_793_499_990
    found = readings(axdr.visible_string(P1))
    assert keep_latest(connection, pushed_values(3, found, NOW)) == {3}
    assert known(connection) == {
        "0-0:96.7.21.255": ("", 0, at, 4),
        "1-0:1.8.1.255": ("Wh", 0, at, 4_321_123),
        "1-0:1.7.0.255": ("W", 0, at, 431),
        "1-0:32.7.0.255": ("V", -1, at, 2304),
        "0-1:24.2.1.255": ("m³", -3, at, 123_456),
    }


def test_a_value_goes_into_the_scaler_of_its_channel_exactly_or_not_at_all(connection):
    Inventory(connection).channel("1-0:1.8.0.255", "Wh", 1)
    for number, scaler, expected in ((50, 0, 5), (55, 0, 5), (7, 3, 700), (9, None, 9)):
        item = push("1-0:1.8.0", number, scaler, None if scaler is None else 30)
        keep_latest(connection, pushed_values(1, [item], NOW))
        assert known(connection)["1-0:1.8.0.255"][3] == expected
    keep_latest(connection, pushed_values(1, [push("1-0:1.8.0", 1, 0, 32)], NOW))
    assert known(connection)["1-0:1.8.0.255"][3] == 9, "varh are no Wh"


def test_what_nobody_knows_makes_no_channel(connection):
    for item in (
        push("1-0:1.8.0", 5),
        push("1-0:200.8.0", 5, 0, 30),
        push("1-0:1.8.0", 5, 100, 30),
        push("1-0:1.8.0", 5, 0, 30, attribute=3),
        Reading(obis("1-0:1.8.0"), axdr.octet_string(b"12")),
        Reading(obis("1-0:1.8.0"), axdr.visible_string("12*parsec")),
    ):
        assert keep_latest(connection, pushed_values(1, [item], NOW)) == set()
    assert known(connection) == {}


def test_pushes_do_not_fill_the_table_of_channels(connection):
    rows = [{"name": f"c {number}", "unit": "", "scaler": 0, "cumulative": 0} for number in range(MOST_CHANNELS)]
    connection.execute(channel.insert(), rows)
    assert keep_latest(connection, pushed_values(1, [push("1-0:1.8.0", 5, 0, 30)], NOW)) == set()


def test_older_values_and_clocks_ahead_do_not_win(connection):
    ahead = Reading(obis("0-0:1.0.0"), axdr.visible_string("450101000000S"))
    (value,) = pushed_values(1, [ahead, push("1-0:1.8.0", 5, 0, 30)], NOW)
    assert value.time == NOW + FUTURE
    items = [Pushed(1, "1-0:1.8.0.255", NOW - late, number, 0, "Wh") for late, number in ((9, 1), (0, 3), (5, 2))]
    assert keep_latest(connection, items) == {1}
    assert known(connection)["1-0:1.8.0.255"][2:] == (NOW, 3)
    assert keep_latest(connection, items[:1]) == set()


numbers = st.integers(-(2**70), 2**70)
named = st.builds(
    Reading,
    st.binary(min_size=6, max_size=6).map(Obis) | st.sampled_from([obis("1-0:1.8.0"), obis("0-0:1.0.0")]),
    st.text(max_size=20).map(axdr.visible_string)
    | numbers.filter(lambda number: 0 <= number < 2**64).map(axdr.long64_unsigned)
    | st.binary(max_size=14).map(axdr.octet_string),
    scaler=st.none() | st.integers(-128, 127),
    unit=st.none() | st.integers(0, 255),
)


@settings(max_examples=60)
@given(st.lists(named, max_size=5))
def test_whatever_is_pushed_is_kept_or_left(items):
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        keep_latest(connection, pushed_values(1, items, NOW))
        for unit, scaler, at, number in known(connection).values():
            assert isinstance(unit, str)
            assert -20 <= scaler <= 20
            assert at <= NOW + FUTURE
            assert -(2**63) < number < 2**63
    engine.dispose()


# --- over a socket ----------------------------------------------------------------------------------------------------


def ciphered(apdu, counter):
    keys = DEMO_KEYS
    content = protect(keys.global_unicast_encryption_key, keys.authentication_key, TITLE, counter, 0x30, apdu)
    return GeneralGlo(TITLE, content).encode()


async def test_a_meter_with_a_key_proves_its_values_and_one_without_is_believed(tmp_path):
    prepare(tmp_path)
    engine = open_database(tmp_path / "headend.db")
    hasten(engine)
    intake = Intake(engine, clock=lambda: NOW)
    told: list[set[int]] = []
    intake.valued = told.append
    with engine.begin() as connection:
        inventory = Inventory(connection)
        inventory.add(NewDevice("10000001", Kind.ELECTRICITY, system_title=TITLE.hex()), 0)
        inventory.add(NewDevice("10000002", Kind.ELECTRICITY), 0)
        intake.know(connection, [DeviceKeys("10000001", DEMO_KEYS, system_title=TITLE)])
    port = await intake.start("127.0.0.1", 0)

    async def send(apdu):
        before = intake.received
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(framed(apdu))
        await writer.drain()
        while intake.received == before:
            await asyncio.sleep(0.01)
        await intake.drained()
        writer.close()
        await writer.wait_closed()
        with engine.connect() as connection:
            query = select(latest.c.device, latest.c.value)
            return {row.device: row.value for row in connection.execute(query)}

    assert await send(notification(b"10000001", 666)) == {}, "in clear anybody may call himself so"
    assert await send(notification(b"10000002", 5)) == {2: 5}
    assert await send(ciphered(notification(b"10000001", 7), 1)) == {1: 7, 2: 5}
    assert told == [{2}, {1}]
    await intake.close()
    engine.dispose()
