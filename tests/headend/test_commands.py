"""Commands are sent once, read back, confirmed by a second person, and what a crash left open is found out."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from cosem.client import AsyncMeter, connect_async
from cosem.errors import ConfigError, ConnectionLost
from cosem.headend.audit import entries
from cosem.headend.commands import NEXT, OVER, Commands, CommandState, NewCommand
from cosem.headend.database import open_database
from cosem.headend.inventory import Inventory, Kind, NewDevice
from cosem.headend.schema import audit, command
from cosem.security.counters import MemoryCounterStore
from support.served import DEVICE, END, make_meter, served

NOW = float(END.timestamp())


class Queue:
    """A queue that carries jobs out at once, or when told to."""

    def __init__(self) -> None:
        self.handlers = {}
        self.jobs: dict[str, asyncio.Task] = {}

    def handle(self, kind, handler) -> None:
        self.handlers[kind] = handler

    async def submit(self, kind, identity, content, *, lane, segment, delay=0.0) -> None:
        if identity not in self.jobs:
            self.jobs[identity] = asyncio.ensure_future(self.handlers[kind](content))

    async def result(self, identity):
        return await self.jobs[identity]


class Desk:
    def __init__(self, folder, url: str) -> None:
        self.engine = open_database(folder / "headend.db")
        self.url = url
        self.counters = MemoryCounterStore()
        self.now = NOW
        self.opened = 0
        self.fail: list[Exception] = []
        with self.engine.begin() as connection:
            Inventory(connection).add(NewDevice("meter", Kind.ELECTRICITY, url=url), 0)
        self.start()

    def start(self, **options) -> None:
        """Begin anew on the same database, as after a crash."""
        self.queue = Queue()
        self.commands = Commands(self.engine, self.queue, self.open, clock=lambda: self.now, **options)

    @asynccontextmanager
    async def open(self, device: int, *, lane):
        self.opened += 1
        if self.fail:
            raise self.fail.pop(0)
        meter: AsyncMeter = await connect_async(self.url, device=DEVICE, counters=self.counters)
        async with meter:
            yield meter

    async def carry_out(self, *commands: NewCommand, **options):
        (first, *_) = await self.commands.request("meter", commands, "anna", **options)
        return await self.commands.ended(first.bundle)

    def interrupted(self, kind: str, **parameters) -> None:
        """Leave a command as a crash in the middle of sending does."""
        with self.engine.begin() as connection:
            connection.execute(
                command.insert(),
                {
                    "id": "cut.0", "bundle": "cut", "position": 0, "device": 1, "kind": kind,
                    "parameters": json.dumps(parameters), "state": "sending", "requested_by": "anna",
                    "requested": int(NOW), "not_after": int(NOW) + 3600,
                },
            )  # fmt: skip


@pytest.fixture
def desk(tmp_path):
    with served(make_meter()) as meter:
        desk = Desk(tmp_path, meter.url())
        desk.meter = meter.meter
        yield desk
        desk.engine.dispose()


READ = NewCommand("read", {"attributes": [[3, "1-0:1.8.0.255", 2], [3, "1-0:9.9.9.255", 2]]})


async def test_a_bundle_is_carried_out_in_one_association_each_with_its_own_result(desk):
    message = NewCommand("message", {"text": "Guten Abend", "display": True})
    wrong = NewCommand("invoke", {"method": [70, "0-0:96.3.99.255", 1], "parameter": {"integer": 0}})
    rows = await desk.carry_out(NewCommand("disconnect", {}), wrong, READ, message)
    assert [row.state for row in rows] == ["done", "failed", "done", "done"]
    assert desk.opened == 1
    assert rows[0].answer["control_state"] == "disconnected"
    assert not desk.meter.metering.connected
    assert "object-undefined" in rows[1].detail or "undefined" in rows[1].detail
    value, error = rows[2].answer
    assert value["value"]["double-long-unsigned"] > 0
    assert "error" in error
    assert rows[3].answer["display"] == "Guten Abend"


async def test_asked_for_again_under_the_same_identity_it_is_done_once(desk):
    ask = [NewCommand("message", {"text": "one"})]
    first = await desk.carry_out(*ask, identity="mine")
    again = await desk.commands.request("meter", ask, "anna", identity="mine")
    assert again == first
    assert desk.opened == 1
    with pytest.raises(ConfigError, match="other commands"):
        await desk.commands.request("meter", [NewCommand("message", {"text": "two"})], "anna", identity="mine")


async def test_a_grave_command_waits_for_a_second_person_who_is_not_the_first(desk):
    desk.start(two_persons=frozenset({"disconnect"}))
    (row,) = await desk.commands.request("meter", [NewCommand("disconnect", {})], "anna", identity="off")
    assert row.state is CommandState.UNCONFIRMED
    with pytest.raises(ConfigError, match="second person"):
        await desk.commands.confirm("off", "anna")
    assert desk.opened == 0
    await desk.commands.confirm("off", "ben")
    (row,) = await desk.commands.ended("off")
    assert (row.state, row.confirmed_by) == (CommandState.DONE, "ben")
    with pytest.raises(ConfigError, match="nobody's"):
        await desk.commands.confirm("off", "ben")
    with desk.engine.connect() as connection:
        assert [(entry.who, entry.what) for entry in entries(connection)] == [
            ("ben", "confirm"), ("anna", "ask for disconnect"),
        ]  # fmt: skip


RAW_SWITCH = NewCommand("invoke", {"method": [70, "0-0:96.3.10.255", 1], "parameter": {"integer": 0}})
RAW_CLOCK = NewCommand("write", {"attribute": [8, "0-0:1.0.0.255", 3], "value": {"long": 0}})
RAW_DATA = NewCommand("write", {"attribute": [3, "1-0:1.8.0.255", 2], "value": {"double-long-unsigned": 0}})


def raw(class_id: int) -> NewCommand:
    return NewCommand("invoke", {"method": [class_id, "0-0:44.0.0.255", 1], "parameter": {"integer": 1}})


VALVE = NewCommand("disconnect", {"object": "0-1:24.4.0.255"})


@pytest.mark.parametrize(
    ("named", "command", "waits"),
    [
        ((), RAW_SWITCH, False),
        (("disconnect",), RAW_SWITCH, True),
        (("mbus deinstall",), RAW_SWITCH, True),
        (("disconnect",), RAW_CLOCK, False),
        (("clock",), RAW_CLOCK, True),
        (("clock",), RAW_DATA, False),
        (("write",), RAW_DATA, True),
        (("close valve",), VALVE, True),
        (("close valve",), NewCommand("disconnect", {}), False),
        (("disconnect",), NewCommand("close valve", {"channel": 1}), False),
        *((("disconnect",), raw(number), True) for number in (9, 15, 18, 22, 64, 71, 72)),
    ],
)  # fmt: skip
async def test_a_raw_command_does_not_get_around_the_second_person(desk, named, command, waits):
    desk.start(two_persons=frozenset(named))
    (row,) = await desk.commands.request("meter", [command], "anna")
    assert (row.state is CommandState.UNCONFIRMED) is waits
    assert desk.commands.wants_two([READ, command]) is waits


async def test_what_is_taken_back_or_too_late_is_not_sent(desk):
    desk.start(two_persons=frozenset({"disconnect"}))
    await desk.commands.request("meter", [NewCommand("disconnect", {})], "anna", identity="off")
    (row,) = await desk.commands.cancel("off", "ben")
    assert row.state is CommandState.CANCELLED
    with pytest.raises(ConfigError):
        await desk.commands.confirm("off", "ben")
    (row,) = await desk.carry_out(READ, not_after=int(NOW) - 1)
    assert row.state is CommandState.EXPIRED
    assert desk.opened == 0


async def test_a_device_out_of_reach_is_tried_again_and_a_refusal_is_not(desk):
    desk.fail = [ConnectionLost("no route")]
    (row,) = await desk.carry_out(READ)
    assert row.state is CommandState.DONE
    assert desk.opened == 2
    desk.fail = [ConfigError("no key")]
    (row,) = await desk.carry_out(READ)
    assert row.state is CommandState.FAILED
    assert "no key" in row.detail


async def test_after_a_crash_a_disconnection_that_happened_is_found_and_not_sent_again(desk):
    desk.meter.disconnector.command(
        __import__("cosem.device.disconnector", fromlist=["Command"]).Command.REMOTE_DISCONNECT
    )
    calls = desk.meter.disconnector.moved
    moves: list[bool] = []
    calls.append(moves.append)
    desk.interrupted("disconnect")
    await desk.commands._submit("cut", 1)
    (row,) = await desk.commands.ended("cut")
    assert (row.state, row.detail) == (CommandState.DONE, "found done after an interruption")
    assert moves == []


async def test_after_a_crash_one_that_did_not_happen_and_may_be_repeated_is_sent(desk):
    desk.interrupted("disconnect")
    await desk.commands._submit("cut", 1)
    (row,) = await desk.commands.ended("cut")
    assert row.state is CommandState.DONE
    assert not desk.meter.metering.connected


async def test_after_a_crash_one_whose_effect_cannot_be_seen_is_left_to_a_person(desk):
    desk.interrupted("invoke", method=[70, "0-0:96.3.10.255", 1], parameter={"integer": 0})
    await desk.commands._submit("cut", 1)
    (row,) = await desk.commands.ended("cut")
    assert row.state is CommandState.UNCERTAIN
    assert desk.meter.metering.connected, "it was not sent again"
    assert (await desk.commands.decide("cut.0", False, "ben")).state is CommandState.FAILED


@pytest.mark.parametrize(
    ("kind", "parameters", "why"),
    [
        ("explode", {}, "no kind"),
        ("message", {}, "text is missing"),
        ("message", {"text": 5}, "wrong type"),
        ("message", {"text": "x", "colour": "red"}, "no parameter"),
        ("limit", {"threshold": True}, "wrong type"),
        ("disconnect", {"object": "here"}, "here"),
    ],
)
async def test_what_makes_no_sense_is_refused_before_anything_is_written_down(desk, kind, parameters, why):
    with pytest.raises(ConfigError, match=why):
        await desk.commands.request("meter", [NewCommand(kind, parameters)], "anna")
    with desk.engine.connect() as connection:
        assert entries(connection) == []


async def test_values_that_may_be_secrets_are_not_in_the_audit_log(desk):
    secret = {"octet-string": "00112233445566778899aabbccddeeff"}
    await desk.carry_out(NewCommand("write", {"attribute": [1, "0-0:96.13.0.255", 2], "value": secret}))
    with desk.engine.connect() as connection:
        assert "00112233" not in str(entries(connection))


def test_the_audit_log_is_only_appended_to(desk):
    with desk.engine.begin() as connection:
        connection.execute(audit.insert(), {"at": 1, "who": "a", "what": "b", "subject": "c"})
    for statement in (update(audit).values(who="x"), audit.delete()):
        with pytest.raises(IntegrityError, match="only appended"), desk.engine.begin() as connection:
            connection.execute(statement)


@given(st.lists(st.sampled_from(list(CommandState)), max_size=8))
def test_no_path_leads_out_of_an_end_or_twice_through_sending_unless_known_not_done(path):
    state = CommandState.UNCONFIRMED
    sent = 0
    for following in path:
        if following not in NEXT[state]:
            continue
        if state in OVER:
            raise AssertionError("an end was left")
        sent += following is CommandState.SENDING
        sent -= (state, following) == (CommandState.SENDING, CommandState.WAITING)
        state = following
    assert sent <= 1


async def test_a_bundle_that_two_carry_out_at_once_is_sent_once(desk):
    moves: list[bool] = []
    desk.meter.disconnector.moved.append(moves.append)
    await desk.commands.request("meter", [NewCommand("disconnect", {})], "anna", identity="off")
    await asyncio.gather(
        desk.commands.ended("off"),
        desk.commands.request_and_carry_out(
            "meter", [NewCommand("disconnect", {})], "anna", identity="off", not_after=int(NOW) + 60, confirmed_by=None
        ),
    )
    assert [row.state for row in desk.commands.bundle("off")] == ["done"]
    assert len(moves) == 1
    assert desk.opened == 1
