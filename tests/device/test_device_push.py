"""Push setups: when they push, what, how often, and how protected."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.apdu import parse
from cosem.classes.c040_push_setup import (
    ConfirmationParameters,
    MessageType,
    PushOperationMethod,
    RepetitionDelay,
    SendDestinationAndMethod,
    TransportService,
)
from cosem.classes.common import ActionItem, CaptureObject, TimeWindow
from cosem.classes.protection import (
    AgreedKey,
    IdentifiedKey,
    IdentifiedKeyId,
    KeyInfo,
    KeyInfoType,
    ProtectionOptions,
    ProtectionParameters,
    ProtectionType,
    Restriction,
    RestrictionByDate,
    RestrictionByEntry,
    RestrictionType,
)
from cosem.client import DeviceKeys
from cosem.client.listen import Listener, Senders
from cosem.codec import axdr
from cosem.device.causes import Cause
from cosem.device.host import Origin
from cosem.device.meter import ElectricityMeter
from cosem.device.push import TRANSITIONS, VERSIONS, Event, Pusher, State
from cosem.device.scripts import PUSHING
from cosem.errors import ConfigError
from cosem.io.pusher import endpoint, framed, push_link
from cosem.link.hdlc.link import HdlcLink
from cosem.link.mbus_frame import MbusLink
from cosem.link.wrapper import DatagramWrapperLink, WrapperLink
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult
from cosem.times import CosemDate, CosemDateTime, CosemTime
from support.equipped import START, Net, body, equipped, later
from support.meters import KEYS, bare_host

LOAD = Obis.parse("1-0:99.1.0.255")
CLOCK = Obis.parse("0-0:1.0.0.255")


def alarm(meter: ElectricityMeter) -> Any:
    return meter.equipment.pushes.setups["alarm"]


def put(meter: ElectricityMeter, setup: Pusher, number: int, value: Any) -> DataAccessResult:
    data = setup.object.attributes[number].type.to_data(value)
    return meter.host.write(40, setup.object.obis, number, data)


def push(meter: ElectricityMeter, setup: Pusher) -> ActionResult:
    return meter.host.invoke(40, setup.object.obis, 1, None)


def wild(hour: int, minute: int = 0) -> CosemDateTime:
    return CosemDateTime(hour=hour, minute=minute, second=0, hundredths=0)


# --- the scenarios ----------------------------------------------------------------------------------------------------


def test_push_1_a_trigger_in_the_afternoon_waits_for_the_window_at_night() -> None:
    net = Net()
    meter = equipped(net)
    setup = alarm(meter)
    assert put(meter, setup, 4, [TimeWindow(wild(2), wild(3))]) is DataAccessResult.SUCCESS
    assert put(meter, setup, 5, 600) is DataAccessResult.SUCCESS
    later(meter, 2 * 3600)  # 14:00 in summer time
    assert push(meter, setup) is ActionResult.SUCCESS
    assert push(meter, setup) is ActionResult.SUCCESS
    later(meter, 86_400)
    opens = 14 * 3600
    assert len(net.times) == 1
    assert opens <= net.times[0] <= opens + 600


def test_push_2_retries_end() -> None:
    net = Net(False, False, False, False, False)
    meter = equipped(net)
    setup = alarm(meter)
    put(meter, setup, 6, 3)
    put(meter, setup, 7, 10)
    failed: list[Any] = []
    meter.host.causes.listeners.append(lambda happening: failed.append(happening.cause))
    push(meter, setup)
    later(meter, 1000)
    assert net.times == [0, 10, 20, 30]
    assert failed == [Cause.PUSH_FAILED]
    assert setup.state is State.IDLE


def test_push_3_success_ends_the_retries() -> None:
    net = Net(False, True)
    meter = equipped(net)
    setup = alarm(meter)
    put(meter, setup, 7, 10)
    push(meter, setup)
    later(meter, 1000)
    assert net.times == [0, 10]


@pytest.mark.parametrize("version", [2, 3])
def test_push_4_delays_grow_to_the_most(version: int) -> None:
    net = Net(*[False] * 6)
    meter = equipped(net, push_version=version)
    setup = alarm(meter)
    put(meter, setup, 6, 5)
    put(meter, setup, 7, RepetitionDelay(10, 200, 60))
    push(meter, setup)
    later(meter, 1000)
    assert [b - a for a, b in zip(net.times, net.times[1:], strict=False)] == [10, 20, 40, 60, 60]


def test_push_5_a_hundred_meters_do_not_push_at_once() -> None:
    times = []
    for seed in range(100):
        net = Net()
        meter = equipped(net, seed=seed)
        put(meter, alarm(meter), 5, 600)
        push(meter, alarm(meter))
        later(meter, 600)
        times += net.times
    assert len(times) == 100
    assert len(set(times)) > 60
    assert min(times) < 60 < 540 < max(times)


# --- triggers ---------------------------------------------------------------------------------------------------------


def test_a_schedule_pushes_by_its_script() -> None:
    from cosem.classes.c022_single_action_schedule import ExecutionTime

    net = Net()
    meter = equipped(net)
    setup = meter.equipment.pushes.setups["interval 1"]
    put(meter, setup, 5, 0)
    schedule = Obis.parse("0-1:15.0.4.255")
    obj: Any = meter.host.find(schedule)
    times = obj.attributes[4].type.to_data([ExecutionTime(CosemTime(None, 0, 0, 0), CosemDate())])
    assert meter.host.write(22, schedule, 4, times) is DataAccessResult.SUCCESS
    later(meter, 3 * 3600)
    assert net.times == [3600, 7200, 10800]
    name, _, clock, rows = body(net.sent[-1][1])
    assert (name, clock) == (meter.logical.name, meter.clock.octets(START + 10800))
    assert [row.value[0].value for row in rows] == [meter.clock.octets(START + 10800)]


def test_a_script_pushes() -> None:
    net = Net()
    meter = equipped(net)
    names = list(meter.equipment.pushes.setups)
    script = ActionItem(Obis.parse(PUSHING), names.index("installation") + 1)
    assert meter.equipment.scripts.run(script, Origin.REMOTE) is ActionResult.SUCCESS
    later(meter, 1)
    assert [delivery.setup for _, delivery in net.sent] == ["installation"]


def test_a_push_without_a_destination_is_refused_and_one_under_way_is_told() -> None:
    meter = equipped()
    assert push(meter, alarm(meter)) is ActionResult.OTHER_REASON
    net = Net(None)
    meter = equipped(net)
    push(meter, alarm(meter))
    later(meter, 1)
    assert push(meter, alarm(meter)) is ActionResult.TEMPORARY_FAILURE
    meter.equipment.tampering.terminal_cover(True)
    later(meter, 2)
    assert net.times == [0]
    net.sent[0][1].done(True)
    later(meter, 3)
    # The alarm that came meanwhile is not lost.
    assert net.times == [0, 2]


def test_without_a_network_a_push_fails_and_the_alarm_stays() -> None:
    net = Net()
    meter = equipped(net)
    meter.equipment.pushes.network = None
    meter.equipment.tampering.terminal_cover(True)
    later(meter, 1000)
    assert meter.equipment.events.alarms[0].descriptor == 1 << 13


def test_reset_forgets_what_waits() -> None:
    net = Net(False)
    meter = equipped(net, push_version=2)
    push(meter, alarm(meter))
    later(meter, 1)
    assert meter.host.invoke(40, alarm(meter).object.obis, 2, None) is ActionResult.SUCCESS
    later(meter, 1000)
    assert net.times == [0]


def test_a_retry_outside_of_the_window_waits_for_the_next() -> None:
    net = Net(False)
    meter = equipped(net)
    setup = alarm(meter)
    put(meter, setup, 4, [TimeWindow(wild(12), wild(12, 1))])
    put(meter, setup, 7, 120)
    push(meter, setup)
    later(meter, 2 * 86_400)
    assert net.times == [0, 86_400]


# --- outcomes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "attempts"),
    [
        (PushOperationMethod.UNCONFIRMED_RETRY_ON_SUPPORTING_LAYER_FAILURE, 1),
        (PushOperationMethod.UNCONFIRMED_RETRY_ON_MISSING_SUPPORTING_LAYER_CONFIRMATION, 2),
        (PushOperationMethod.CONFIRMED_RETRY_ON_MISSING_CONFIRMATION, 2),
    ],
)
def test_what_silence_means_is_said_by_the_method(method: PushOperationMethod, attempts: int) -> None:
    net = Net(None, None)
    meter = equipped(net, push_version=2)
    setup = alarm(meter)
    put(meter, setup, 6, 1)
    assert put(meter, setup, 11, method) is DataAccessResult.SUCCESS
    push(meter, setup)
    later(meter, 1000)
    assert len(net.sent) == attempts
    assert net.sent[0][1].confirmed == (method is PushOperationMethod.CONFIRMED_RETRY_ON_MISSING_CONFIRMATION)


def test_a_confirmed_push_is_over_when_the_client_says_so() -> None:
    net = Net(None)
    meter = equipped(net, push_version=2)
    setup = alarm(meter)
    put(meter, setup, 11, PushOperationMethod.CONFIRMED_RETRY_ON_MISSING_CONFIRMATION)
    push(meter, setup)
    later(meter, 5)
    for told in meter.device.on_confirmed:
        told(net.sent[0][1].invoke | 0x40000000)
    assert setup.state is State.IDLE
    assert setup.object.last_confirmation_date_time.to_octets() == meter.clock.octets(START + 5)
    later(meter, 1000)
    assert len(net.sent) == 1


def test_confirmation_begins_at_its_date() -> None:
    net = Net()
    meter = equipped(net, push_version=2)
    setup = alarm(meter)
    put(meter, setup, 11, PushOperationMethod.CONFIRMED_RETRY_ON_MISSING_CONFIRMATION)
    start = CosemDateTime.from_octets(meter.clock.octets(START + 100))
    put(meter, setup, 12, ConfirmationParameters(start, 0))
    for at in (0, 200):
        later(meter, at)
        push(meter, setup)
        later(meter, at + 1)
    assert [delivery.confirmed for _, delivery in net.sent] == [False, True]


def test_an_answer_to_an_attempt_that_is_over_changes_nothing() -> None:
    net = Net(None, None)
    meter = equipped(net, push_version=2)
    setup = alarm(meter)
    put(meter, setup, 11, PushOperationMethod.UNCONFIRMED_RETRY_ON_MISSING_SUPPORTING_LAYER_CONFIRMATION)
    push(meter, setup)
    later(meter, 91)
    first, second = (delivery for _, delivery in net.sent)
    first.done(True)
    assert setup.state is State.SENDING
    second.done(True)
    assert setup.state is State.IDLE


# --- what is pushed ---------------------------------------------------------------------------------------------------


def rows_of(meter: ElectricityMeter, net: Net, item: Any) -> Any:
    setup = alarm(meter)
    assert put(meter, setup, 2, [item]) is DataAccessResult.SUCCESS
    push(meter, setup)
    meter.advance(meter.now + 1)
    return axdr.decode(parse(net.sent[-1][1].octets).service.data).value[0]  # type: ignore[attr-defined]


def stamps(rows: Any) -> list[int]:
    return [int(CosemDateTime.from_octets(row.value[0].value).to_datetime().timestamp()) - START for row in rows.value]


@pytest.fixture
def lived() -> tuple[ElectricityMeter, Net]:
    net = Net()
    meter = equipped(net, push_version=2)
    later(meter, 9100)
    return meter, net


NO_RESTRICTION = Restriction()


def part(index: int, restriction: Restriction = NO_RESTRICTION, columns: tuple[Any, ...] = ()) -> Any:
    return (7, LOAD, 2, index, restriction, columns)


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (0xF002, [8100, 9000]),
        (0xF0FF, [900 * n for n in range(1, 11)]),
        (0xF000, []),
        (0x3001, [6300, 7200, 8100, 9000]),
        (0x201E, [8100, 9000]),
        (0x1078, [9000]),
        (0x4001, [900 * n for n in range(1, 11)]),
    ],
)
def test_relative_ranges(lived: tuple[ElectricityMeter, Net], index: int, expected: list[int]) -> None:
    meter, net = lived
    assert stamps(rows_of(meter, net, part(index))) == expected


def test_a_relative_range_takes_columns_from_the_left(lived: tuple[ElectricityMeter, Net]) -> None:
    rows = rows_of(*lived, part(0xF203))
    assert [len(row.value) for row in rows.value] == [2, 2, 2]


def test_an_unknown_scope_is_refused(lived: tuple[ElectricityMeter, Net]) -> None:
    meter, _ = lived
    assert put(meter, alarm(meter), 2, [part(0x9001)]) is DataAccessResult.OTHER_REASON


def test_restrictions_by_date_and_entry_and_columns(lived: tuple[ElectricityMeter, Net]) -> None:
    meter, net = lived
    dates = RestrictionByDate(meter.clock.octets(START + 1800), meter.clock.octets(START + 3600))
    assert stamps(rows_of(meter, net, part(0, Restriction(RestrictionType.BY_DATE, dates)))) == [1800, 2700, 3600]
    entries = Restriction(RestrictionType.BY_ENTRY, RestrictionByEntry(2, 3))
    energy, clock = CaptureObject(3, Obis.parse("1-0:1.8.0.255"), 2), CaptureObject(8, CLOCK, 2)
    rows = rows_of(meter, net, part(0, entries, (energy, clock)))
    assert [row.value[1].value for row in rows.value] == [meter.clock.octets(START + at) for at in (1800, 2700)]
    unknown = CaptureObject(3, Obis.parse("1-0:99.8.0.255"), 2)
    assert rows_of(meter, net, part(0, entries, (unknown,))).value is None


def test_what_is_not_there_or_not_for_the_client_is_null(lived: tuple[ElectricityMeter, Net]) -> None:
    meter, net = lived
    for item in (
        (3, Obis.parse("1-0:77.8.0.255"), 2),
        (4, Obis.parse("1-0:1.8.0.255"), 2),
        (3, Obis.parse("1-0:1.8.0.255"), 9),
        (15, Obis.parse("0-0:40.0.2.255"), 7),
    ):
        assert rows_of(meter, net, (*item, 0, NO_RESTRICTION, ())).value is None


def test_a_whole_object_and_an_element(lived: tuple[ElectricityMeter, Net]) -> None:
    meter, net = lived
    whole = rows_of(meter, net, (3, Obis.parse("1-0:1.8.0.255"), 0, 0, NO_RESTRICTION, ()))
    assert len(whole.value) == 3
    unit = rows_of(meter, net, (3, Obis.parse("1-0:1.8.0.255"), 3, 2, NO_RESTRICTION, ()))
    assert unit.value == 30


# --- protection -------------------------------------------------------------------------------------------------------


def caught(delivery: Any, keys: Any = KEYS) -> Any:
    """What a listener makes of a delivery over the link it was made for."""
    links = {0: WrapperLink, 1: DatagramWrapperLink, 5: HdlcLink, 6: MbusLink}
    listener = Listener(links[int(delivery.service)](), Senders([DeviceKeys("meter", keys)]))
    (received,) = listener.receive(framed(delivery), 0.0)
    return received


@pytest.mark.parametrize(
    "service", [TransportService.TCP, TransportService.UDP, TransportService.HDLC, TransportService.M_BUS]
)
@pytest.mark.parametrize("policy", [0, 1, 2, 3])
@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_every_version_pushes_over_every_link_as_the_policy_says(
    service: TransportService, policy: int, version: int
) -> None:
    net = Net()
    meter = equipped(net, policy=policy, mechanism=5 if policy else 0, push_version=version)
    meter.equipment.pushes.send_to(service, b"127.0.0.1:1")
    assert isinstance(alarm(meter).object, VERSIONS[version])
    meter.equipment.tampering.terminal_cover(True)
    later(meter, 1)
    received = caught(net.sent[0][1])
    assert received.problem is None
    assert (received.address.client, received.address.server) == (1, 1)
    assert received.verified is {0: None, 1: True, 2: None, 3: True}[policy]
    assert received.value.value[2].value == 1 << 13


def protection(kind: ProtectionType, key: Any, key_type: KeyInfoType = KeyInfoType.IDENTIFIED_KEY) -> Any:
    return ProtectionParameters(kind, ProtectionOptions(b"", b"", b"", b"", KeyInfo(key_type, key)))


def test_protection_parameters_of_suite_0() -> None:
    net = Net()
    keys = replace(KEYS, global_broadcast_encryption_key=bytes(range(0x40, 0x50)))
    meter = equipped(net, mechanism=5)
    meter.logical.associations[1].spec.keys = keys
    setup = alarm(meter)
    for kind, key, control in (
        (ProtectionType.AUTHENTICATION, IdentifiedKeyId.GLOBAL_UNICAST_ENCRYPTION_KEY, 0x10),
        (ProtectionType.AUTHENTICATION_AND_ENCRYPTION, IdentifiedKeyId.GLOBAL_BROADCAST_ENCRYPTION_KEY, 0x70),
    ):
        assert put(meter, setup, 10, [protection(kind, IdentifiedKey(key))]) is DataAccessResult.SUCCESS
        push(meter, setup)
        meter.advance(meter.now + 1)
        delivery = net.sent[-1][1]
        assert parse(delivery.octets).service.content[0] == control  # type: ignore[attr-defined]
        assert caught(delivery, keys).verified is True


def test_protection_that_cannot_be_made_is_refused() -> None:
    meter = equipped()
    identified = IdentifiedKey(IdentifiedKeyId.GLOBAL_UNICAST_ENCRYPTION_KEY)
    for layers in (
        [protection(ProtectionType.DIGITAL_SIGNATURE, identified)],
        [protection(ProtectionType.ENCRYPTION, AgreedKey(b"", b""), KeyInfoType.AGREED_KEY)],
        [protection(ProtectionType.ENCRYPTION, identified)] * 2,
    ):
        assert put(meter, alarm(meter), 10, layers) is DataAccessResult.OTHER_REASON


@pytest.mark.parametrize(
    ("service", "message"),
    [
        (TransportService.SMS, MessageType.A_XDR_ENCODED_XDLMS_APDU),
        (TransportService.TCP, MessageType.XML_ENCODED_XDLMS_APDU),
    ],
)
def test_a_transport_that_is_not_there_is_refused(service: TransportService, message: MessageType) -> None:
    meter = equipped()
    value = SendDestinationAndMethod(service, b"x", message)
    assert put(meter, alarm(meter), 3, value) is DataAccessResult.OTHER_REASON


def test_a_window_that_names_no_moment_is_refused() -> None:
    meter = equipped()
    window = TimeWindow(CosemDateTime(month=2, day=31, hour=0, minute=0, second=0, hundredths=0), wild(3))
    assert put(meter, alarm(meter), 4, [window]) is DataAccessResult.OTHER_REASON


@pytest.mark.parametrize(
    "text", [b"", b"host", b"host:", b":1", b"host:0", b"host:65536", b"host:x", "host:²".encode("latin-1")]
)
def test_a_destination_that_is_none_is_told(text: bytes) -> None:
    with pytest.raises(ConfigError, match="HOST:PORT"):
        endpoint(text)


def test_a_destination_of_the_new_internet_protocol() -> None:
    assert endpoint(b"[::1]:4059") == ("::1", 4059)
    with pytest.raises(ConfigError, match="not carried"):
        push_link(4)


# --- properties -------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.sampled_from(["push", "alarm", "arrived", "failed", "reset", "time"]), max_size=40), st.integers(0, 2)
)
def test_no_story_leads_out_of_the_table(story: list[str], retries: int) -> None:
    net = Net(*[None] * 50)
    meter = equipped(net, push_version=2)
    setup = alarm(meter)
    put(meter, setup, 6, retries)
    put(meter, setup, 7, RepetitionDelay(5, 100, 5))
    moves: list[tuple[State, Event, State]] = []
    move = setup._move

    def watched(event: Event) -> None:
        before = setup.state
        move(event)
        moves.append((before, event, setup.state))

    setup._move = watched
    for happens in story:
        if happens == "push":
            running = setup.state in (State.SENDING, State.RETRYING)
            assert (push(meter, setup) is ActionResult.TEMPORARY_FAILURE) == running
        elif happens == "alarm":
            setup.trigger()
        elif happens == "reset":
            meter.host.invoke(40, setup.object.obis, 2, None)
        elif happens == "time":
            meter.advance(meter.now + 3)
        elif net.sent:
            net.sent[-1][1].done(happens == "arrived")
        assert (setup.next_time() is None) == (setup.state is State.IDLE)
    assert all(TRANSITIONS.get((before, event)) is after for before, event, after in moves)
    meter.advance(meter.now + 100_000)
    assert setup.state is State.IDLE


# --- alone ------------------------------------------------------------------------------------------------------------


def test_a_push_setup_needs_nothing_but_a_device_with_a_clock() -> None:
    host = bare_host(START)
    sent: list[Any] = []
    setup = Pusher(host, Obis.parse("0-0:25.9.0"), [], sent.append)
    setup.object.send_destination_and_method = SendDestinationAndMethod(
        TransportService.TCP, b"192.0.2.1:1", MessageType.A_XDR_ENCODED_XDLMS_APDU
    )
    setup.trigger()
    host.device.advance(START)
    assert [parse(delivery.octets).service.data for delivery in sent] == [b"\x02\x00"]  # type: ignore[attr-defined]
    sent[0].done(True)
    assert setup.state is State.IDLE
