"""Traces of sessions: asked for, taken of the next session, sealed, few, and gone after a while."""

from __future__ import annotations

import pytest

from cosem.client.keyfile import DeviceKeys
from cosem.errors import ConfigError, CosemError
from cosem.explain.sheets import MAX_OCTETS, explain_messages
from cosem.headend.audit import entries
from cosem.headend.commands import NewCommand
from cosem.headend.inventory import Inventory, Kind, NewDevice
from cosem.headend.plans import Plan, Plans
from cosem.headend.session import Target, collect
from cosem.headend.traces import KEPT, KEPT_SECONDS, MAX_MESSAGES, Recording, Traces
from support.offices import office
from support.served import DEMO_PASSWORD, make_meter


@pytest.fixture
def desk(tmp_path):
    with office(tmp_path, [make_meter()], absent=1) as made:
        yield made


def asked(desk, device: int = 1) -> int:
    with desk.headend.engine.begin() as connection:
        return desk.headend.traces.ask(connection, device, "anna")


def rows(desk, device: int = 1):
    with desk.headend.engine.connect() as connection:
        return desk.headend.traces.of(connection, device)


def content(desk, number: int, device: int = 1):
    with desk.headend.engine.connect() as connection:
        return desk.headend.traces.messages(connection, device, number)


async def read(desk) -> None:
    command = NewCommand("read", {"attributes": [[8, "0-0:1.0.0.255", 2]]})
    found = await desk.headend.commands.request("meter 1", [command], "anna")
    await desk.queue.idle()
    assert desk.headend.commands.bundle(found[0].bundle)[0].state == "done"


async def test_the_next_session_is_traced_and_only_that(desk):
    await read(desk)
    assert rows(desk) == []
    number = asked(desk)
    assert asked(desk) == number
    assert rows(desk)[0].started is None
    assert content(desk, number) is None
    told: list[int] = []
    desk.headend.traces.listeners.append(told.append)
    await read(desk)
    await read(desk)
    (row,) = rows(desk)
    assert told == [1]
    assert (row.id, row.what, row.ended, row.left_out) == (number, "command", "", 0)
    _, messages = content(desk, number)
    assert {message.direction for message in messages} == {">", "<"}
    assert len(messages) == row.messages
    assert sum(len(message.octets) for message in messages) == row.octets
    parts = explain_messages(messages)
    assert [part.direction for part in parts][:2] == [">", "<"]
    assert "aarq" in parts[0].title
    assert "aare" in parts[1].title
    with desk.headend.engine.connect() as connection:
        assert [(entry.who, entry.what, entry.subject) for entry in entries(connection) if "trace" in entry.what] == [
            ("anna", "ask for a trace", "meter 1")
        ]


async def test_a_trace_that_waits_survives_a_restart(desk):
    number = asked(desk)
    desk.close()
    desk.start()
    await read(desk)
    assert [(row.id, row.started is not None) for row in rows(desk)] == [(number, True)]


async def test_a_session_that_fails_says_so_in_its_trace(desk):
    number = asked(desk, 2)
    with pytest.raises((CosemError, OSError)):
        async with desk.headend.meter(2):
            pass
    (row,) = rows(desk, 2)
    assert row.id == number
    assert row.ended
    assert content(desk, number, 2)[1] == []


async def test_sessions_of_plans_are_traced_too(desk):
    number = asked(desk)
    with desk.headend.engine.begin() as connection:
        plan = Plans(connection).save(Plan("night", "0 0 * * *", spread=0.0, window=60))
    await desk.headend.finished(await desk.headend.run(plan, spread=False))
    (row,) = rows(desk)
    assert (row.id, row.what) == (number, "plan")
    assert row.messages >= 4


async def test_it_can_be_taken_back(desk):
    asked(desk)
    with desk.headend.engine.begin() as connection:
        desk.headend.traces.withdraw(connection, 1, "ben")
    await read(desk)
    assert rows(desk) == []


async def test_the_last_few_are_kept_and_old_ones_go(desk):
    traces = desk.headend.traces
    numbers = []
    for _ in range(KEPT + 2):
        numbers.append(asked(desk))
        async with traces.session(1, "command") as recording:
            recording(">", b"\x01")
    assert [row.id for row in rows(desk)] == numbers[: -KEPT - 1 : -1]
    waiting = asked(desk)
    desk.now += KEPT_SECONDS + 1
    traces.clean()
    assert rows(desk) == []
    async with traces.session(1, "command") as recording:
        assert recording is None
    assert asked(desk) > waiting


def test_a_trace_has_the_beginning_of_a_long_session():
    recording = Recording(1, lambda: 5.0, 5)
    recording(">", bytes(MAX_OCTETS - 10))
    recording("<", bytes(11))
    recording(">", b"\x01")
    assert (recording.octets, recording.left_out, len(recording.messages)) == (MAX_OCTETS - 10, 12, 1)
    many = Recording(2, lambda: 5.0, 5)
    for _ in range(MAX_MESSAGES + 3):
        many(">", b"\x01")
    assert (len(many.messages), many.left_out) == (MAX_MESSAGES, 3)


async def test_what_was_said_is_sealed_on_the_disk(desk, tmp_path):
    """An association with a password has it in the octets."""
    number = asked(desk)
    host, port = desk.addresses[0]
    keys = DeviceKeys("meter 1", password=DEMO_PASSWORD)
    async with desk.headend.traces.session(1, "plan") as recording:
        target = Target(1, "meter 1", f"tcp://{host}:{port}?client=2&auth=low", keys)
        outcome = await collect(target, desk.headend.counters, clock=lambda: desk.now, trace=recording)
    assert outcome.reason is None
    _, messages = content(desk, number)
    assert any(DEMO_PASSWORD in message.octets for message in messages)
    with desk.headend.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    stored = (tmp_path / "headend.db").read_bytes()
    assert DEMO_PASSWORD.hex().encode() not in stored
    assert DEMO_PASSWORD not in stored
    assert repr(recording).count(DEMO_PASSWORD.hex()) == 0


def test_what_is_not_dialled_has_no_sessions(desk):
    with desk.headend.engine.begin() as connection:
        behind = Inventory(connection).add(NewDevice("gas", Kind.GAS, parent="meter 1", channel=1), 0)
        for device in (behind, 4711):
            with pytest.raises(ConfigError, match="not dialled"):
                desk.headend.traces.ask(connection, device, "anna")


async def test_a_trace_that_cannot_be_kept_is_no_error_of_the_session(desk):
    traces: Traces = desk.headend.traces
    asked(desk)
    desk.headend.traces._sealer = None
    done = False
    async with traces.session(1, "command"):
        done = True
    assert done
