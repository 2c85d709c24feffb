"""A meter read over loopback TCP, synchronous and asynchronous, in every framing and protection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from cosem.classes import (
    Attribute,
    Clock,
    DisconnectControl,
    ExtendedRegister,
    ProfileGeneric,
    Register,
    TypeMismatch,
    Unknown,
)
from cosem.classes import Data as DataObject
from cosem.client import ClientOptions, DeviceKeys, connect
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.conformance_block import LN_CORE, Conformance
from cosem.errors import (
    AccessError,
    AssociationRejected,
    ConfigError,
    ConnectionLost,
    EncodeError,
    ExceptionResponseReceived,
    KeyMissing,
    LocalProtocolError,
    RemoteProtocolError,
)
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult
from cosem.security.counters import MemoryCounterStore
from cosem.security.keys import Keys
from cosem.simulator.meter import DEMO_KEYS
from cosem.times import CosemDateTime
from cosem.units import Unit
from support.served import DEVICE, END, MANAGEMENT, READING, Served, make_meter, served

ENERGY, VOLTAGE, CLOCK, SWITCH = "1-0:1.8.0", "1-0:32.7.0", "0-0:1.0.0", "0-0:96.3.10"
TARGETS = [(3, ENERGY, 2), (3, "1-0:9.9.9", 2), (8, CLOCK, 2), (3, ENERGY, 3), (3, ENERGY, 99)]


@pytest.fixture(scope="module")
def world() -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patched:
        # A meter whose plain data objects may be written: their type is a choice, and must stay what it is.
        patched.setattr("cosem.device.meter._WRITABLE_TOO", {(8, 2), (1, 2)})
        with served(days=1) as running:
            yield running


WAYS = [
    pytest.param(framing, query, id=f"{framing}-{'-'.join(query.values())}")
    for framing in ("wrapper", "hdlc")
    for query in (
        READING,
        MANAGEMENT,
        {**MANAGEMENT, "ciphering": "ded"},
        {**MANAGEMENT, "ciphering": "general"},
        {**MANAGEMENT, "counter": "read"},
    )
]


def _told(answers: list[Data | AccessError]) -> list[Any]:
    return [str(answer) if isinstance(answer, AccessError) else answer for answer in answers]


@pytest.mark.parametrize(("framing", "query"), WAYS)
def test_synchronous_and_asynchronous_say_the_same(world: Served, framing: str, query: dict[str, str]) -> None:
    with world.connect(framing, **query) as meter:
        sync = {
            "value": meter[Register, ENERGY].value,
            "unit": meter[Register, ENERGY].scaler_unit,
            "quantity": meter.quantity(VOLTAGE),
            "maximum": meter[ExtendedRegister, "1-0:1.6.0"].capture_time,
            "clock": meter.clock(),
            "raw": meter[DataObject, "0-0:96.1.0"].value,
            "many": _told(meter.get_many(TARGETS)),
            "objects": meter.objects(),
            "profile": meter.profile("1-0:99.1.0").read().rows,
            "state": meter[SWITCH].control_state,  # type: ignore[attr-defined]
        }

    async def read() -> dict[str, Any]:
        async with await world.connect_async(framing, **query) as meter:
            return {
                "value": await meter[Register, ENERGY].value,
                "unit": await meter.get(Register.scaler_unit, ENERGY),
                "quantity": await meter.quantity(VOLTAGE),
                "maximum": await meter.get(ExtendedRegister.capture_time, "1-0:1.6.0"),
                "clock": await meter.clock(),
                "raw": await meter.get(DataObject.value, "0-0:96.1.0"),
                "many": _told(await meter.get_many(TARGETS)),
                "objects": await meter.objects(),
                "profile": (await meter.profile("1-0:99.1.0")).rows,
                "state": await (await meter.object(SWITCH)).control_state,
            }

    assert asyncio.run(read()) == sync
    assert sync["value"] == world.meter.metering.watt_hours(1, 0)
    assert sync["unit"].unit is Unit.WATT_HOUR
    assert str(sync["quantity"]).endswith(" V")
    assert sync["raw"] == b"10000001"
    assert sync["many"][1] == "1-0:9.9.9.255:2: object-undefined (4)"
    assert "read-write-denied" in sync["many"][4]
    assert len(sync["profile"]) == 96


@pytest.mark.parametrize("framing", ["wrapper", "hdlc"])
@pytest.mark.parametrize(
    ("settings", "query"),
    [
        ({"mechanism": 1, "policy": 0, "secret": b"12345678"}, {"client": "1", "auth": "low"}),
        ({"policy": 1}, {"client": "1", "auth": "high-gmac", "security": "auth"}),
        ({"policy": 2}, {"client": "1", "auth": "high-gmac", "security": "enc"}),
        ({"policy": 0}, {"client": "1", "auth": "high-gmac"}),
        ({"mechanism": 6}, {"client": "1", "auth": "high-sha256", "security": "both"}),
        ({"mechanism": 0, "policy": 3}, {"client": "1", "security": "both"}),
    ],
    ids=lambda value: "-".join(map(str, value.values())),
)
def test_every_authentication_and_protection(framing: str, settings: dict[str, Any], query: dict[str, str]) -> None:
    with served(days=0.05, **settings) as world, world.connect(framing, **query) as meter:
        assert meter[Register, ENERGY].value == world.meter.metering.watt_hours(1, 0)
        assert not meter.core.machine.problems


# --- objects ---------------------------------------------------------------------------------------------------


def test_an_object_is_found_by_its_name_alone(world: Served) -> None:
    with world.connect() as meter:
        assert isinstance(meter["1-0:99.1.0"], ProfileGeneric)
        found = meter[Obis.parse(ENERGY)]
        assert isinstance(found, Register)
        assert found.value == meter[Register, ENERGY].value
        with pytest.raises(AccessError, match=r"1-0:9.9.9.255 is not in the object list: object-undefined"):
            meter["1-0:9.9.9"]
        with pytest.raises(ConfigError, match="no OBIS code"):
            meter["nonsense"]


def test_the_object_list_is_read_once_and_says_what_may_be_done(world: Served) -> None:
    with world.connect(**READING) as reading, world.connect() as management:
        mine, theirs = reading.objects(), management.objects()
        assert reading.objects() is mine
        switch = Obis.parse(SWITCH)
        assert not any(item.access for item in mine[switch].access_rights.method_access)
        assert all(item.access for item in theirs[switch].access_rights.method_access)
    with world.connect(client="16") as public:
        assert len(public.objects()) < len(theirs)


def test_a_class_that_nobody_declared_is_still_an_object(world: Served) -> None:
    with world.connect() as meter:
        element = meter.objects()[Obis.parse(ENERGY)]
        meter.core.objects = {element.logical_name: element._replace(class_id=9999)}
        assert isinstance(meter[ENERGY], Unknown)


def test_a_value_of_another_type_than_declared_is_told_with_both_types(world: Served) -> None:
    with world.connect() as meter:
        with pytest.raises(AccessError):
            _ = meter[Clock, ENERGY].time
        obj = meter[Register, ENERGY]
        with pytest.raises(RemoteProtocolError, match="the meter answers double-long-unsigned, structure"):
            meter.core.typed(obj, Register.scaler_unit, axdr.double_long_unsigned(1))


def test_what_nobody_declared_is_read_and_written_back_unchanged(world: Served) -> None:
    """An object of an unknown class, and an attribute beyond a known one's, keep their type to the last octet."""
    name = Obis.parse("0-0:97.98.10")
    with world.connect() as meter:
        element = meter.objects()[name]
        meter.core.objects = {name: element._replace(version=77)}
        obj = meter[name]
        assert isinstance(obj, Unknown)
        assert (obj.class_id, obj.class_version) == (1, 77)
        value = Attribute.undeclared(obj.class_id, 2)
        data = obj.store.read(obj, value)
        assert data == axdr.double_long_unsigned(0xFFFFFFFF)
        obj.store.write(obj, value, data)
        assert obj.store.read(obj, value) == data
        with pytest.raises(EncodeError, match=r"0-0:97.98.10.255 > 2"):
            obj.store.write(obj, value, 5)
        beyond = Attribute.undeclared(1, 9)
        with pytest.raises(AccessError, match=r"0-0:97.98.10.255:9: read-write-denied"):
            obj.store.write(obj, beyond, axdr.structure(axdr.null()))


def test_a_mistake_names_the_object_the_attribute_and_both_types_and_is_not_sent(world: Served) -> None:
    with world.connect() as meter:
        sent: list[object] = []
        meter.core.set_data = lambda *arguments: sent.append(arguments)  # type: ignore[method-assign,assignment]
        switch, clock = meter[DisconnectControl, SWITCH], meter[Clock, "0-0:1.0.0"]
        with pytest.raises(EncodeError) as mistaken:
            switch.control_mode = "four"  # type: ignore[assignment]
        assert str(mistaken.value) == ("a str of this value has no encoding as enum in 0-0:96.3.10.255 > control_mode")
        with pytest.raises(EncodeError, match=r"99 is no code of enum ControlMode in 0-0:96.3.10.255 > control_mode"):
            switch.control_mode = 99  # type: ignore[assignment]
        with pytest.raises(TypeMismatch) as unmatched:
            clock.time_zone = axdr.unsigned(60)
        assert str(unmatched.value) == "0-0:1.0.0.255 > time_zone: expected long, not unsigned"
        with pytest.raises(EncodeError, match=r"a int of this value .* as long in 0-0:1.0.0.255 > shift_time\(\)"):
            clock.shift_time(1 << 20)
        assert sent == []


# --- writing ---------------------------------------------------------------------------------------------------


def test_a_write_keeps_the_type_the_meter_has(world: Served) -> None:
    with world.connect() as meter:
        name = "0-0:97.98.10"
        meter[DataObject, name].value = 77
        assert meter.get(1, name, 2) == axdr.double_long_unsigned(77)
        meter.set(1, name, 2, axdr.double_long_unsigned(78))
        assert meter[DataObject, name].value == 78
        meter[DataObject, name].value = axdr.double_long_unsigned(0)
        with pytest.raises(AccessError) as caught:
            meter[DataObject, name].value = axdr.octet_string(b"no number")
        assert caught.value.result is DataAccessResult.TYPE_UNMATCHED


def test_a_write_that_is_refused_raises_with_the_name_of_the_result(world: Served) -> None:
    with world.connect() as meter:
        with pytest.raises(AccessError, match=r"1-0:1.8.0.255:2: read-write-denied") as caught:
            meter.set(3, ENERGY, 2, axdr.double_long_unsigned(0))
        assert caught.value.result is DataAccessResult.READ_WRITE_DENIED
        with pytest.raises(AccessError):
            meter[Register, ENERGY].value = axdr.double_long_unsigned(0)
        assert meter[Register, ENERGY].value > 0


def test_methods_are_called_and_refusals_raise(world: Served) -> None:
    with world.connect() as meter:
        switch = meter[DisconnectControl, SWITCH]
        switch.remote_disconnect()
        assert (switch.control_state, switch.output_state) == (0, False)
        assert meter.call(70, SWITCH, 2, axdr.integer(0)) is None
        assert switch.control_state == 1
        with pytest.raises(AccessError, match=r"0-0:96.3.10.255:9\(\)") as caught:
            meter.call(70, SWITCH, 9)
        assert isinstance(caught.value.result, ActionResult)
    with world.connect(**READING) as meter, pytest.raises(AccessError, match="read-write-denied"):
        meter[DisconnectControl, SWITCH].remote_disconnect()


async def test_asynchronous_writes_and_calls(world: Served) -> None:
    async with await world.connect_async() as meter:
        await meter.set(DataObject.value, "0-0:97.98.10", 5)
        assert await meter.get(DataObject.value, "0-0:97.98.10") == 5
        await meter.set(DataObject.value, "0-0:97.98.10", axdr.double_long_unsigned(0))
        switch = meter[DisconnectControl, SWITCH]
        await switch.remote_disconnect()
        assert await switch.control_state == 0
        await switch.remote_reconnect()
        with pytest.raises(ConfigError, match=r"await meter.set\(..., control_state\)"):
            switch.control_state = 1
        with pytest.raises(AccessError):
            await meter.set(Register.value, ENERGY, axdr.double_long_unsigned(0))


# --- the clock -------------------------------------------------------------------------------------------------


def test_the_clock_is_set_in_the_deviation_the_meter_shows() -> None:
    with served(days=0.1) as world, world.connect() as meter:
        assert meter.clock().to_datetime() == END
        moment = datetime(2026, 11, 1, 12, tzinfo=UTC)
        written = meter.set_clock(moment)
        assert written.isoformat() == "2026-11-01T13:00:00+01:00"
        assert meter.clock().to_datetime() == moment
        far = datetime(2026, 11, 1, 8, tzinfo=timezone(timedelta(hours=-5)))
        assert meter.set_clock(far).isoformat() == "2026-11-01T14:00:00+01:00"
        assert meter.clock().to_datetime() == far
        naive = meter.set_clock(datetime(2026, 11, 2, 9, 30))
        assert naive.deviation is None
        assert meter.clock().isoformat() == "2026-11-02T09:30:00+01:00"
        before = datetime.now(UTC)
        now = meter.set_clock()
        assert abs((now.to_datetime() - before).total_seconds()) < 60
        exact = CosemDateTime.parse("2026-11-01T02:00:00+01:00")
        assert meter.set_clock(exact) == exact
        assert meter.clock().to_datetime() == datetime(2026, 11, 1, 1, tzinfo=UTC)


async def test_the_clock_is_set_asynchronously() -> None:
    with served(days=0.1) as world:
        async with await world.connect_async() as meter:
            await meter.set_clock(datetime(2026, 11, 1, 12, tzinfo=UTC))
            assert (await meter.clock()).isoformat() == "2026-11-01T13:00:00+01:00"


class _ClockCore:
    """What `set_clock` needs of a core: a meter whose clock is told, and which keeps what is written."""

    options = ClientOptions()

    def __init__(self, shown: Data) -> None:
        self.shown = shown
        self.written: Data | None = None

    def get_data(self, *target: Any) -> Iterator[Any]:
        return self.shown
        yield

    def set_data(self, class_id: int, name: Obis, attribute: int, value: Data) -> Iterator[Any]:
        self.written = value
        return
        yield


@pytest.mark.parametrize(
    ("shown", "deviation", "status"),
    [
        ("07ea0701030a000000ff8883", -120, 0x80),  # doubtful and daylight saving: only the latter is the new time's
        ("07ea0701030a000000ff8800", -120, 0),
        ("07ea0701030a000000800000", None, 0),
        ("07ea0701030a000000270f00", None, 0),
    ],
)
def test_of_the_clock_status_only_daylight_saving_is_written(shown: str, deviation: int | None, status: int) -> None:
    from cosem.client.verbs import set_clock

    core = _ClockCore(Data(Tag.DATE_TIME, bytes.fromhex(shown)))
    talk = set_clock(core, datetime(2026, 7, 1, tzinfo=UTC))  # type: ignore[arg-type]
    with pytest.raises(StopIteration) as stop:
        next(talk)
    if deviation is not None:
        assert (stop.value.value.deviation, stop.value.value.clock_status) == (deviation, status)
    assert core.written is not None
    assert core.written.tag is Tag.DATE_TIME


@pytest.mark.parametrize("edge", [datetime.max, datetime.min])
def test_a_moment_beyond_the_calendar_is_told(edge: datetime) -> None:
    from cosem.client.verbs import set_clock

    hours = 12 if edge is datetime.min else -12
    core = _ClockCore(Data(Tag.DATE_TIME, bytes.fromhex("07ea0701030a000000ff8800")))
    with pytest.raises(ConfigError, match="no year"):
        next(set_clock(core, edge.replace(tzinfo=timezone(timedelta(hours=hours)))))  # type: ignore[arg-type]


# --- lists -----------------------------------------------------------------------------------------------------


def _without(world: Served, bits: Conformance, monkeypatch: pytest.MonkeyPatch) -> None:
    for logical in world.meter.device.logical_devices.values():
        for association in logical.associations.values():
            monkeypatch.setattr(association, "conformance", association.conformance & ~bits)


@pytest.mark.parametrize("window", [1, 4])
def test_many_attributes_without_lists_are_asked_one_by_one(
    world: Served, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world.connect(options=ClientOptions(window=window)) as meter:
        lists = _told(meter.get_many(TARGETS * 8))
        monkeypatch.setattr(meter.core.machine, "conformance", LN_CORE & ~Conformance.MULTIPLE_REFERENCES)
        assert _told(meter.get_many(TARGETS * 8)) == lists
        assert meter.get_many([]) == []


def test_a_list_is_cut_to_what_the_meter_takes() -> None:
    with served(days=0.1, max_pdu_size=128) as world, world.connect() as meter:
        answers = meter.get_many([(3, ENERGY, 2)] * 40)
        assert answers == [meter.get(3, ENERGY, 2)] * 40


# --- counters --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["wrapper", "hdlc"])
def test_the_counter_is_read_over_the_public_association(framing: str) -> None:
    with served(days=0.05) as world:
        with world.connect(framing) as meter:
            meter.clock()
        world.counters = MemoryCounterStore()  # a new reader knows nothing of what was sent before
        with world.connect(framing, **MANAGEMENT, counter="read") as meter:
            assert meter.plan.counter_floor > 0
            assert meter.clock().to_datetime() == END

        async def read() -> CosemDateTime:
            world.counters = MemoryCounterStore()
            async with await world.connect_async(framing, **MANAGEMENT, counter="0-0:43.1.0") as meter:
                return await meter.clock()

        assert asyncio.run(read()).to_datetime() == END


def test_a_counter_object_that_holds_no_number_is_told(world: Served) -> None:
    with pytest.raises(ConfigError, match="it is no invocation counter"):
        world.connect(**MANAGEMENT, counter="0-0:96.1.0")
    with pytest.raises(AccessError, match=r"0-0:43.1.9.255:2"):
        world.connect(**MANAGEMENT, counter="0-0:43.1.9")


def test_a_meter_that_names_the_counter_it_wants_gets_it() -> None:
    with served(days=0.05) as world:
        with world.connect():
            pass
        world.counters = MemoryCounterStore()
        with world.connect() as meter:
            assert meter.plan.counter_floor > 0
            assert meter.clock().to_datetime() == END
        world.counters = MemoryCounterStore()

        async def read() -> int:
            async with await world.connect_async() as meter:
                return meter.plan.counter_floor

        assert asyncio.run(read()) > 0


def test_a_counter_that_is_refused_twice_is_an_error(world: Served) -> None:
    class Stuck(MemoryCounterStore):
        def lease(self, name: str, count: int, at_least: int = 0) -> tuple[int, int]:
            return 0, 1

    with world.connect():
        pass
    with pytest.raises(ExceptionResponseReceived, match="invocation-counter-error"):
        connect(world.url(), device=DEVICE, counters=Stuck())


def test_counters_of_different_keys_and_titles_have_different_names(world: Served) -> None:
    names = set()
    for device in (
        DEVICE,
        DeviceKeys("m", Keys(bytes(16), bytes(16))),
        DeviceKeys("m", DEMO_KEYS, client_system_title=b"CSM\0\0\0\0\x11"),
    ):
        from cosem.client.plan import Plan

        name = Plan(world.url(), device=device).counter_name()
        assert DEMO_KEYS.global_unicast_encryption_key.hex() not in name
        names.add(name)
    assert len(names) == 3


# --- what is missing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "device", "words"),
    [
        ("auth=low", DeviceKeys("m"), "auth=low needs a password"),
        ("auth=high-sha256", DeviceKeys("m"), "needs hls_secret"),
        ("auth=high-gmac", DeviceKeys("m"), "global_unicast_encryption_key is needed"),
        ("security=enc", DeviceKeys("m"), "global_unicast_encryption_key is needed"),
        ("auth=high-gmac", DeviceKeys("m", Keys(bytes(16))), "authentication_key is needed"),
        ("security=auth", DeviceKeys("m", Keys(bytes(16))), "authentication_key is needed"),
    ],
)
def test_a_missing_secret_is_named_before_anything_is_dialled(query: str, device: DeviceKeys, words: str) -> None:
    with pytest.raises(
        KeyMissing, match=rf"{words}: write it into section \[m\] of the key file, which --keys or COSEM_"
    ):
        connect(f"tcp://127.0.0.1:1?{query}", device=device)


def test_a_suite_that_is_not_there_yet_is_told() -> None:
    with pytest.raises(ConfigError, match="suite 1 is not supported"):
        connect("tcp://127.0.0.1:1", device=DeviceKeys("m", suite=1))


def test_a_rejected_association_says_why(world: Served) -> None:
    with pytest.raises(AssociationRejected, match="authentication-failure"):
        connect(world.url(**READING), device=DeviceKeys("m", password=b"wrong"))


# --- several at once -------------------------------------------------------------------------------------------


def test_several_clients_at_once(world: Served) -> None:
    with (
        world.connect(**READING) as first,
        world.connect("hdlc", **READING) as second,
        world.connect(client="16") as third,
    ):
        for _ in range(3):
            assert first[Register, ENERGY].value == second[Register, ENERGY].value
            assert third.clock() == first.clock()


@pytest.mark.parametrize("window", [1, 5, 100])
@pytest.mark.parametrize("framing", ["wrapper", "hdlc"])
async def test_gathered_reads_are_pipelined_as_far_as_the_window_allows(
    world: Served, framing: str, window: int
) -> None:
    async with await world.connect_async(framing, ClientOptions(window=window)) as meter:
        assert meter.core.machine.problems.maxlen
        values = await asyncio.gather(*(meter.get(Register.value, ENERGY) for _ in range(40)))
        units, clock, table = await asyncio.gather(
            meter.get(Register.scaler_unit, ENERGY), meter.clock(), meter.profile("1-0:99.1.0")
        )
        assert set(values) == {world.meter.metering.watt_hours(1, 0)}
        assert (units.unit, len(table)) == (Unit.WATT_HOUR, 96)
        assert clock.to_datetime() == END
        assert not meter.core.machine.problems


async def test_fifty_meters_at_once() -> None:
    from cosem.client import connect_async
    from cosem.io.server import DeviceServer

    meters = [make_meter(seed=seed, days=0.02) for seed in range(1, 51)]
    servers = [DeviceServer(meter.device) for meter in meters]
    addresses = [await server.start() for server in servers]

    async def read(address: tuple[str, int]) -> tuple[Any, int]:
        url = f"tcp://{address[0]}:{address[1]}?client=1&auth=high-gmac&security=both"
        async with await connect_async(url, device=DEVICE, counters=MemoryCounterStore()) as meter:
            return await meter.get(DataObject.value, "0-0:96.1.0"), await meter[Register, ENERGY].value

    try:
        answers = await asyncio.gather(*(read(address) for address in addresses))
    finally:
        for server in servers:
            await server.stop()
    assert answers == [
        (str(10_000_000 + seed).encode(), meter.metering.watt_hours(1, 0)) for seed, meter in enumerate(meters, 1)
    ]


def test_a_closed_meter_says_that_it_is_not_associated(world: Served) -> None:
    meter = world.connect(client="16")
    meter.close()
    meter.close()
    with pytest.raises(LocalProtocolError, match="needs an association"):
        meter.clock()


def test_a_server_that_went_away_ends_in_an_error_not_in_a_hang() -> None:
    with served(days=0.05) as world:
        meter = world.connect(client="16")
    with pytest.raises(ConnectionLost, match="refuses it"):
        meter.clock()
    meter.close()
