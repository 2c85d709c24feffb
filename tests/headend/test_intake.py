"""What meters push is kept before it is acknowledged, is there once, and becomes alarms that people acknowledge."""

from __future__ import annotations

import asyncio
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from cosem.apdu.ciphered import GeneralGlo
from cosem.apdu.notify import DataNotification
from cosem.association.initiator import CONFIRMATION_WANTED
from cosem.client.keyfile import DeviceKeys
from cosem.codec import axdr
from cosem.errors import ConfigError
from cosem.headend.database import open_database
from cosem.headend.happenings import AlarmState, Happened, acknowledge, alarms, events, keep
from cosem.headend.intake import Intake
from cosem.headend.inventory import Inventory, Kind, NewDevice
from cosem.headend.schema import push_log
from cosem.link.base import Address
from cosem.link.wrapper import DatagramWrapperLink, WrapperLink
from cosem.obis import obis
from cosem.security.gcm import protect
from cosem.simulator.meter import DEMO_KEYS
from support.served import END

NOW = END.timestamp()
TITLE = b"CSM\x01\x00\x00\x00\x01"


class Desk:
    def __init__(self, folder) -> None:
        self.engine = open_database(folder / "headend.db")
        self.told: list[tuple[list[Happened], list[int]]] = []
        self.intake = Intake(self.engine, clock=lambda: NOW, told=lambda *what: self.told.append(what))
        with self.engine.begin() as connection:
            inventory = Inventory(connection)
            inventory.add(NewDevice("10000001", Kind.ELECTRICITY, system_title=TITLE.hex()), 0)
            inventory.add(NewDevice("10000002", Kind.ELECTRICITY), 0)
            self.intake.know(connection, [DeviceKeys("10000001", DEMO_KEYS, system_title=TITLE)])

    def alarms(self, **options):
        with self.engine.connect() as connection:
            return alarms(connection, **options)

    def events(self):
        with self.engine.connect() as connection:
            return events(connection)

    def log(self):
        with self.engine.connect() as connection:
            return connection.execute(select(push_log)).all()


@pytest.fixture
async def desk(tmp_path):
    desk = Desk(tmp_path)
    desk.port = await desk.intake.start("127.0.0.1", 0)
    yield desk
    await desk.intake.close()
    desk.engine.dispose()


def notification(name: str, descriptor: int, invoke: int = 1) -> bytes:
    """Return an alarm push as IDIS has it: setup, serial number, descriptor of alarm register 1."""
    body = axdr.structure(
        axdr.octet_string(bytes(obis("0-4:25.9.0.255"))),
        axdr.structure(axdr.octet_string(bytes(obis("0-0:96.1.0.255"))), axdr.octet_string(name.encode())),
        axdr.structure(axdr.octet_string(bytes(obis("0-0:97.98.20.255"))), axdr.double_long_unsigned(descriptor)),
    )
    return DataNotification(b"", axdr.encode(body)).encode(invoke)


def framed(apdu: bytes, *, datagram: bool = False) -> bytes:
    link = (DatagramWrapperLink if datagram else WrapperLink)(server=True)
    link.send(Address(1, 1), apdu, 0.0, confirmed=False)
    return link.take()


async def send(port: int, *octets: bytes, answer: bool = False) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in octets:
        writer.write(part)
        await writer.drain()
    found = await asyncio.wait_for(reader.read(100), 5) if answer else b""
    writer.close()
    await writer.wait_closed()
    return found


async def until(condition) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come about")


async def test_an_alarm_pushed_in_clear_by_its_name_is_an_event_and_an_open_alarm(desk):
    await send(desk.port, framed(notification("10000002", 1 << 13)))
    await until(lambda: desk.intake.received == 1)
    await desk.intake.drained()
    (row,) = desk.alarms()
    assert (row.name, row.kind, row.fraud, row.count, row.state) == (
        "10000002", "fraud attempt", True, 1, AlarmState.OPEN,
    )  # fmt: skip
    assert [item["words"] for item in desk.events()] == ["fraud attempt"]
    assert desk.told[0][1] == [row.id]
    assert len(desk.log()) == 1


async def test_the_same_over_udp(desk):
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.sendto(framed(notification("10000002", 1 << 13), datagram=True), ("127.0.0.1", desk.port))
    await until(lambda: desk.intake.received == 1)
    client.close()
    await desk.intake.drained()
    assert len(desk.alarms(fraud=True)) == 1


async def test_a_ciphered_push_counts_for_its_title_and_a_replay_for_nothing(desk):
    plain = notification("10000001", 1 << 13)
    keys = DEMO_KEYS
    content = protect(keys.global_unicast_encryption_key, keys.authentication_key, TITLE, 7, 0x30, plain)
    frame = framed(GeneralGlo(TITLE, content).encode())
    await send(desk.port, frame, frame)
    await until(lambda: desk.intake.received == 2)
    await desk.intake.drained()
    (row,) = desk.alarms()
    assert (row.name, row.count) == ("10000001", 1)
    assert [item.problem is None for item in desk.log()] == [True, False]


async def test_an_acknowledgement_comes_after_it_is_on_the_disk(desk):
    wanted = framed(notification("10000002", 1 << 13, 5 | CONFIRMATION_WANTED))
    answer = await send(desk.port, wanted, answer=True)
    assert len(desk.log()) == 1
    assert answer[8:9] != b""


async def test_strangers_and_noise_are_kept_with_their_reason_and_raise_nothing(desk):
    await send(desk.port, framed(notification("99999999", 1)), framed(b"\x0f\x00\x00"), b"\x00\x01\xff\xff\xff\xff" * 3)
    await until(lambda: desk.intake.received >= 2)
    await desk.intake.drained()
    assert desk.alarms() == []
    assert all(item.problem for item in desk.log())


async def test_a_storm_is_written_in_batches_and_counts_for_each_device_once(desk):
    apdu = framed(notification("10000002", 1 << 13))
    await send(desk.port, apdu * 2000)
    await until(lambda: desk.intake.received == 2000)
    await desk.intake.drained()
    assert len(desk.log()) == 2000
    (row,) = desk.alarms()
    assert row.count == 1, "the same moment of the same device"
    assert len(desk.told) < 50


def test_an_alarm_counts_until_it_is_acknowledged_and_is_a_new_one_after(tmp_path):
    engine = open_database(tmp_path / "headend.db")
    with engine.begin() as connection:
        Inventory(connection).add(NewDevice("a", Kind.ELECTRICITY), 0)
        for at in (10, 20, 20, 15):
            keep(connection, [Happened(1, at, "fraud", "terminal cover removed", 40, alarming=True)], at)
        (row,) = alarms(connection)
        assert (row.first, row.last, row.count) == (10, 20, 3)
        assert acknowledge(connection, [row.id], "anna", 30) == 1
        with pytest.raises(ConfigError, match="none"):
            acknowledge(connection, [row.id], "anna", 31)
        keep(connection, [Happened(1, 40, "fraud", "terminal cover removed", 40, alarming=True)], 40)
        assert [item.state for item in alarms(connection)] == [AlarmState.OPEN, AlarmState.ACKNOWLEDGED]
    engine.dispose()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 2), st.integers(0, 5), st.sampled_from(["cover", "limit"])), max_size=12))
def test_however_often_it_is_told_an_event_is_there_once(tmp_path_factory, told):
    engine = open_database(tmp_path_factory.mktemp("events") / "headend.db")
    with engine.begin() as connection:
        for name in ("a", "b"):
            Inventory(connection).add(NewDevice(name, Kind.ELECTRICITY), 0)
        fresh = 0
        for number, at, words in told:
            fresh += len(keep(connection, [Happened(number, at, "standard", words)], at)[0])
        assert fresh == len(set(told)) == len(events(connection))
    engine.dispose()
