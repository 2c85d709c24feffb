"""The reporting system: its state chart, and what it answers to the management of its network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.errors import ConfigError, DecodeError
from cosem.plc import ciase, llc
from cosem.plc.addresses import ALL_PHYSICAL, NEW
from cosem.plc.ciase import (
    ClearAlarm,
    Discover,
    DiscoverReport,
    PingRequest,
    PingResponse,
    Register,
    Registration,
    RepeaterCallPdu,
    SystemAlarm,
)
from cosem.plc.link import hdlc_frames
from cosem.plc.llc import HdlcCiase, LlcData, LlcKind
from cosem.plc.mac import Mac
from cosem.plc.mac_events import MacRequest
from cosem.plc.mac_frame import Credits, MacFrame, build
from cosem.plc.mac_settings import MacSettings, Timeouts
from cosem.plc.mac_state import Lock, Loss, Sync
from cosem.plc.repeater_call import RepeaterCall
from cosem.plc.reporting import (
    STATIONS,
    AlarmCleared,
    AlarmOrder,
    DataReceived,
    Registered,
    Released,
    ReportingSettings,
    ReportingSystem,
    Station,
    StationInput,
    report_window,
)
from support.power_line import INITIATOR, heard

TITLE, OTHER, MASTER = b"CSM00001", b"CSM00002", b"CSMCON01"
SETTINGS = MacSettings(timeouts=Timeouts(search_initiator_s=5, not_addressed_min=2, frame_not_ok_s=20))


class Bench:
    """One station on a table: frames are put into its MAC layer, and what it wants is looked at."""

    def __init__(self, *, draws: list[int] | None = None, address: int = NEW, **options: Any) -> None:
        self.now = 0
        follows = INITIATOR if address != NEW else 0
        self.mac = Mac(SETTINGS, address=address, initiator=follows)
        self.draws = list(draws or [])
        self.system = ReportingSystem(self.mac, ReportingSettings(TITLE, **options), self._draw)
        self.told: list[Any] = []

    def _draw(self, below: int) -> int:
        return self.draws.pop(0) % below if self.draws else 0

    def hear(
        self,
        sdu: bytes,
        *,
        destination: int = ALL_PHYSICAL,
        source: int = INITIATOR,
        credit: int = 0,
        level: float = 110.0,
    ) -> list[Any]:
        frame = MacFrame(source, destination, Credits(credit, credit, 0), sdu)
        self.now = max(self.now, self.mac.busy_until) + frame.subframes
        events = self.mac.receive(build(frame, SETTINGS.check), heard(level), self.now)
        return self.give(events)

    def hear_pdu(self, pdu: Any, **options: Any) -> list[Any]:
        return self.hear(llc.build(LlcData(0, 1, ciase.build(pdu))), **options)

    def give(self, events: list[Any]) -> list[Any]:
        told = [item for event in events for item in self.system.handle(event, self.now)]
        self.told += told
        return told

    def wait(self, slots: int) -> list[Any]:
        self.now += slots
        return self.give(self.mac.handle_timer(self.now))

    def orders(self) -> list[Any]:
        return self.system.take()


def reported(order: Any) -> DiscoverReport:
    data = llc.parse(order.sdu)
    assert (data.destination, data.source) == (llc.ClientSap.INITIATOR, llc.ServerSap.CIASE)
    pdu = ciase.parse(data.sdu)
    assert isinstance(pdu, DiscoverReport)
    return pdu


# --- the chart ----------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(StationInput), max_size=60))
def test_no_walk_leaves_the_chart_and_only_a_register_registers(walk: list[StationInput]) -> None:
    state = Station.NEW_UNSYNCHRONIZED
    for event in walk:
        before, state = state, STATIONS.get((state, event), state)
        kept = {Station.KEPT_UNSYNCHRONIZED, Station.KEPT_FOUND, Station.REGISTERED}
        if state in kept and before not in kept:
            assert event is StationInput.REGISTER
        if before in kept and state not in kept:
            assert event is StationInput.UNREGISTERED


_STEPS = st.one_of(
    st.tuples(st.just("discover"), st.integers(0, 100)),
    st.tuples(st.just("register"), st.integers(0, 0xFFF)),
    st.tuples(st.just("data"), st.integers(1, 5)),
    st.tuples(st.just("foreign"), st.integers(0, 1)),
    st.tuples(st.just("weak"), st.integers(0, 1)),
    st.tuples(st.just("spoilt"), st.integers(0, 1)),
    st.tuples(st.just("wait"), st.integers(1, 2000)),
    st.tuples(st.just("reset"), st.sampled_from((0, INITIATOR))),
)


@given(st.lists(_STEPS, max_size=40))
@settings(max_examples=150, deadline=None)
def test_the_chart_says_what_the_mac_layer_does_wherever_one_walks(walk: list[tuple[str, int]]) -> None:
    bench = Bench(draws=[0] * 200)
    for kind, number in walk:
        if kind == "discover":
            bench.hear_pdu(Discover(number, 8))
        elif kind == "register":
            bench.hear_pdu(Register(MASTER, (Registration(TITLE, number),)))
        elif kind == "data":
            bench.hear(bytes.fromhex("900110c0"), destination=bench.mac.address if number > 2 else 0x005)
        elif kind == "foreign":
            bench.hear(bytes.fromhex("900110c0"), source=0xC01)
        elif kind == "weak":
            bench.hear_pdu(Discover(100, 8), level=60.0)
        elif kind == "spoilt":
            bench.now += 1
            bench.give(bench.mac.receive(bytes(36), heard(), bench.now))
        elif kind == "wait":
            bench.wait(number)
        else:
            bench.told += bench.system.reset(number, bench.now)
        mac, state = bench.mac, bench.system.state
        named = {
            (True, Sync.UNSYNCHRONIZED): Station.NEW_UNSYNCHRONIZED,
            (True, Sync.FOUND): Station.NEW_FOUND,
            (True, Sync.SYNCHRONIZED): Station.NEW,
            (False, Sync.UNSYNCHRONIZED): Station.KEPT_UNSYNCHRONIZED,
            (False, Sync.FOUND): Station.KEPT_FOUND,
            (False, Sync.SYNCHRONIZED): Station.REGISTERED,
        }
        assert state is named[mac.address == NEW, mac.follower.sync]
        # An address without somebody who gave it does not exist.
        assert (bench.system.active_initiator.address != 0) == (mac.address != NEW)
        if mac.address != NEW:
            assert mac.follower.lock is Lock.LOCKED


# --- discovery ----------------------------------------------------------------------------------------------------


def test_a_new_station_reports_once_in_a_window_behind_all_repetitions() -> None:
    bench = Bench(draws=[0, 2])
    bench.hear_pdu(Discover(100, 20, report_credit=1), credit=2)
    (order,) = bench.orders()
    assert isinstance(order, MacRequest)
    assert reported(order) == DiscoverReport((TITLE,))
    assert order.credit == 1
    # The first copy has two more behind it; a turnaround; two windows of two copies and a turnaround each.
    assert order.not_before == bench.now + 2 + 1 + 2 * 3
    assert order.latest == order.not_before
    assert report_window(len(order.sdu), 1, 1) == 3


@pytest.mark.parametrize(("draw", "reports"), [(0, True), (29, True), (30, False), (99, False)])
def test_the_probability_decides(draw: int, reports: bool) -> None:
    bench = Bench(draws=[draw, 0])
    bench.hear_pdu(Discover(30, 20))
    assert bool(bench.orders()) is reports


def test_no_window_is_long_enough_so_nobody_reports() -> None:
    bench = Bench()
    bench.hear_pdu(Discover(100, 1))
    assert bench.orders() == []


def test_a_registered_station_reports_an_alarm_and_nothing_else() -> None:
    bench = Bench(address=5)
    bench.hear_pdu(Discover(100, 20))
    assert bench.orders() == []
    bench.system.raise_alarm(0x82)
    assert bench.orders() == [AlarmOrder(8)]
    bench.hear_pdu(Discover(100, 20, same_credit=1), credit=3)
    (order,) = bench.orders()
    assert reported(order) == DiscoverReport((TITLE,), 0x82)
    assert order.credit == 3


@pytest.mark.parametrize(
    ("pdu", "cleared"),
    [
        (ClearAlarm((0x82,)), True),
        (ClearAlarm((0x81,)), False),
        (ClearAlarm((0x81, 0x82)), True),
        (ClearAlarm((0x82,), titles=(OTHER,)), False),
        (ClearAlarm((0x82,), titles=(OTHER, TITLE)), True),
        (ClearAlarm(systems=(SystemAlarm(TITLE, 0x82),)), True),
        (ClearAlarm(systems=(SystemAlarm(OTHER, 0x82),)), False),
    ],
)
def test_an_alarm_is_cleared_by_who_names_it(pdu: ClearAlarm, cleared: bool) -> None:
    bench = Bench(address=5)
    bench.system.raise_alarm(0x82)
    bench.orders()
    assert bench.hear_pdu(pdu) == ([AlarmCleared(0x82)] if cleared else [])
    assert (bench.system.alarm is None) is cleared


# --- registration, ping, calls ------------------------------------------------------------------------------------


def test_registration_takes_the_own_entry_only() -> None:
    bench = Bench()
    bench.hear_pdu(Discover(0, 20))
    assert bench.hear_pdu(Register(MASTER, (Registration(OTHER, 7),))) == []
    told = bench.hear_pdu(Register(MASTER, (Registration(OTHER, 7), Registration(TITLE, 9))))
    assert told == [Registered(9, (MASTER, INITIATOR, 1))]
    assert bench.mac.address == 9
    assert bench.hear_pdu(Register(MASTER, (Registration(TITLE, 0xC05),))) == []
    assert bench.mac.address == 9


def test_a_ping_with_the_own_title_is_answered_and_one_with_anothers_is_not() -> None:
    bench = Bench(address=9)
    bench.hear_pdu(PingRequest(OTHER), destination=9)
    assert bench.orders() == []
    bench.hear_pdu(PingRequest(TITLE), destination=9)
    (order,) = bench.orders()
    assert order.destination == INITIATOR
    assert ciase.parse(llc.parse(order.sdu).sdu) == PingResponse(TITLE)


def test_a_repeater_call_is_handed_on() -> None:
    bench = Bench(address=9)
    bench.hear_pdu(RepeaterCallPdu(20, 1, 90))
    assert bench.orders() == [RepeaterCall(20, 1, 90)]


def test_whoever_is_not_addressed_is_released_with_the_cause() -> None:
    bench = Bench(address=9)
    bench.hear(bytes.fromhex("900110c0"), destination=9)
    slots = SETTINGS.rate.slots_in(121)
    for _ in range(10):
        bench.now += slots // 10
        bench.hear_pdu(Discover(0, 8))
        bench.wait(0)
    assert Released(Loss.NOT_ADDRESSED) in bench.told


def test_data_is_handed_up_with_whether_it_was_for_all() -> None:
    bench = Bench(address=9)
    sdu = bytes.fromhex("900110c001c1")
    assert bench.hear(sdu, destination=9) == [DataReceived(sdu, INITIATOR, False)]
    assert bench.hear(sdu + b"\x01") == [DataReceived(sdu + b"\x01", INITIATOR, True)]


def test_titles_of_others_are_listed_newest_first_and_go_when_registered() -> None:
    bench = Bench(address=9, listed=3)
    assert bench.mac.overhears is not None

    def report(title: bytes) -> None:
        sdu = llc.build(LlcData(0xFD, 0, ciase.build(DiscoverReport((title,)))))
        bench.hear(sdu, destination=INITIATOR, source=NEW)

    bench.hear_pdu(Discover(0, 8))
    for number in (1, 2, 3, 4, 3):
        report(b"CSM9000%d" % number)
    assert list(bench.system.others) == [b"CSM90003", b"CSM90004", b"CSM90002"]
    bench.hear_pdu(Register(MASTER, (Registration(b"CSM90004", 4),)))
    assert list(bench.system.others) == [b"CSM90003", b"CSM90002"]


def test_hdlc_stations_report_in_hdlc() -> None:
    bench = Bench(draws=[0, 0], kind=LlcKind.HDLC)
    bench.hear(llc.build_hdlc_ciase(HdlcCiase(False, ciase.build(Discover(100, 20)))))
    (order,) = bench.orders()
    answer = llc.parse_hdlc_ciase(order.sdu)
    assert answer.from_server
    assert ciase.parse(answer.sdu) == DiscoverReport((TITLE,))


@given(st.binary(min_size=1, max_size=60))
def test_no_octets_of_a_network_do_any_harm(octets: bytes) -> None:
    bench = Bench(address=9)
    bench.hear(octets)
    bench.hear(b"\x90\x00\x01" + octets, destination=9)
    assert bench.mac.address == 9 or bench.system.active_initiator.address == INITIATOR


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError):
        ReportingSettings(b"CSM")
    with pytest.raises(ConfigError):
        replace(ReportingSettings(TITLE), alarm_repetitions=16)


def test_frames_of_hdlc_are_cut_apart_and_nothing_else_is() -> None:
    one = llc.build_hdlc_ciase(HdlcCiase(False, ciase.build(Discover(100, 20))))
    two = llc.build_hdlc_ciase(HdlcCiase(True, ciase.build(DiscoverReport((TITLE,)))))
    assert hdlc_frames(one + two + one) == [one, two, one]
    assert hdlc_frames(b"") == []
    for octets in (one[:-1], one + b"\x7e", b"\x90" + one):
        with pytest.raises(DecodeError):
            hdlc_frames(octets)
