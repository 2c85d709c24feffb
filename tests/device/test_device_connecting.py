"""Auto connect and auto answer: modes, windows, retries, callers (behaviours 4.11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cosem.classes.c028_auto_answer import AllowedCaller, AutoAnswerMode, AutoAnswerStatus, CallType
from cosem.classes.common import TimeWindow
from cosem.codec import axdr
from cosem.device.auto_answer import AutoAnswerBehaviour
from cosem.device.auto_connect import AutoConnectBehaviour
from cosem.device.causes import Cause
from cosem.device.meter import ElectricityMeter
from cosem.results import ActionResult, DataAccessResult
from cosem.times import CosemDateTime
from support.equipped import START as EQUIPPED
from support.equipped import TO, Net, codes, equipped
from support.meters import bare_host, utc

START = utc(2026, 6, 1)
"""02:00 local time."""
NIGHT = TimeWindow(*(CosemDateTime(hour=hour, minute=0, second=0) for hour in (3, 4)))
HOUR = 3600


class Line:
    """A network that answers after some attempts; `calls` has seconds and destination of each."""

    def __init__(self, mode: int, *, dead: int = 0, **options: Any) -> None:
        self.host = bare_host(START)
        self.dead = dead
        self.calls: list[tuple[int, bytes]] = []
        self.hung_up = 0
        self.noted: list[Cause] = []
        self.host.causes.listeners.append(lambda happening: self.noted.append(happening.cause))
        options = {"destinations": [b"head-end:4059"]} | options
        self.behaviour = AutoConnectBehaviour(self.host, self._dial, self._hang_up, mode=mode, **options)

    def _dial(self, destination: bytes, done: Callable[[bool], None]) -> None:
        self.calls.append((self.host.now - START, destination))
        self.dead -= 1
        done(self.dead < 0)

    def _hang_up(self) -> None:
        self.hung_up += 1

    def until(self, second: int) -> None:
        self.host.device.advance(START + second)

    def connect(self) -> ActionResult:
        obj = self.behaviour.object
        return self.host.invoke(29, obj.obis, 1, axdr.integer(0))

    @property
    def seconds(self) -> list[int]:
        return [second for second, _ in self.calls]


# --- the scenarios of 4.11 for these classes --------------------------------------------------------------------------


def test_permanently_connected_dials_again_when_the_link_is_lost_and_says_so() -> None:
    line = Line(101)
    assert line.behaviour.connected
    line.until(100)
    line.behaviour.lost()
    assert line.behaviour.connected
    assert line.seconds == [0, 100]
    assert line.noted == [Cause.MODEM_CONNECTED, Cause.MODEM_LOST, Cause.MODEM_CONNECTED]


def test_a_call_from_a_number_that_is_not_listed_does_nothing() -> None:
    woken: list[int] = []
    host = bare_host(START)
    answer = AutoAnswerBehaviour(
        host, lambda: woken.append(1), callers=[AllowedCaller(b"+431", CallType.WAKE_UP_REQUEST)]
    )
    assert not answer.call(b"+499")
    assert woken == []
    assert not answer.call(b"+431"), "the meter calls back instead"
    assert woken == [1]


# --- auto connect -----------------------------------------------------------------------------------------------------


def test_a_dead_peer_is_tried_as_often_as_repetitions_say_through_all_destinations() -> None:
    line = Line(1, dead=99, repetitions=3, delay=10, destinations=[b"a", b"b"])
    assert line.behaviour.wanted()
    line.until(1000)
    assert line.calls == [(second, name) for second in (0, 10, 20, 30) for name in (b"a", b"b")]
    assert not line.behaviour.connected


def test_what_waits_for_the_window_is_begun_when_it_opens_but_an_alarm_need_not_wait() -> None:
    for mode, alarm, expected in ((2, False, [HOUR]), (2, True, [HOUR]), (3, False, [HOUR]), (3, True, [0])):
        line = Line(mode, windows=[NIGHT])
        line.behaviour.wanted(alarm=alarm)
        line.until(3 * HOUR)
        assert line.seconds == expected


def test_connected_within_the_window_only() -> None:
    line = Line(102, windows=[NIGHT])
    assert line.connect() is ActionResult.OTHER_REASON
    line.until(26 * HOUR)
    assert line.seconds == [HOUR, 25 * HOUR]
    assert line.hung_up == 2
    assert not line.behaviour.connected


def test_connected_when_asked_for() -> None:
    for mode in (103, 104):
        line = Line(mode, windows=[NIGHT])
        assert line.calls == []
        assert line.connect() is ActionResult.SUCCESS
        assert line.connect() is ActionResult.SUCCESS
        assert line.seconds == [0]
    never = Line(0)
    assert never.connect() is ActionResult.OTHER_REASON
    assert not never.behaviour.wanted()
    assert never.calls == []


def test_modes_and_windows_that_mean_nothing_are_refused() -> None:
    line = Line(0)
    obj = line.behaviour.object
    for mode in (4, 7, 100, 200):
        assert line.host.write(29, obj.obis, 2, axdr.enum(mode)) is not DataAccessResult.SUCCESS
    kind = type(obj).attributes[5].type
    bad = TimeWindow(CosemDateTime(hour=25, second=0), CosemDateTime(hour=4, second=0))
    assert line.host.write(29, obj.obis, 5, kind.to_data((bad,))) is DataAccessResult.OTHER_REASON
    assert line.host.write(29, obj.obis, 5, kind.to_data((NIGHT,))) is DataAccessResult.SUCCESS
    assert line.host.write(29, obj.obis, 2, axdr.enum(102)) is DataAccessResult.SUCCESS
    line.until(2 * HOUR)
    assert line.seconds == [HOUR]


# --- auto answer ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "successful", "taken"),
    [
        (AutoAnswerMode.SHARED_LINE_LIMITED_CALLS, False, 2),
        (AutoAnswerMode.SHARED_LINE_LIMITED_SUCCESSFUL_CALLS, False, 5),
        (AutoAnswerMode.SHARED_LINE_LIMITED_SUCCESSFUL_CALLS, True, 2),
        (AutoAnswerMode.DEDICATED_LINE, True, 5),
    ],
)
def test_a_shared_line_is_left_after_so_many_calls(mode: AutoAnswerMode, successful: bool, taken: int) -> None:
    host = bare_host(START + HOUR)
    answer = AutoAnswerBehaviour(host, mode=mode, calls=2, windows=[NIGHT])
    assert [answer.call(b"1", successful=successful) for _ in range(5)].count(True) == taken
    assert answer.object.status is (AutoAnswerStatus.LOCKED if taken == 2 else AutoAnswerStatus.ACTIVE)
    host.device.advance(START + 25 * HOUR)
    assert answer.call(b"1"), "the next window counts anew"


def test_outside_the_window_more_rings_are_needed() -> None:
    host = bare_host(START)
    answer = AutoAnswerBehaviour(host, windows=[NIGHT], rings=(2, 5))
    assert answer.object.status is AutoAnswerStatus.INACTIVE
    assert (answer.call(b"1", 4), answer.call(b"1", 5)) == (False, True)
    host.device.advance(START + HOUR)
    assert answer.object.status is AutoAnswerStatus.ACTIVE
    assert (answer.call(b"1", 1), answer.call(b"1", 2)) == (False, True)
    assert not AutoAnswerBehaviour(bare_host(START), windows=[NIGHT], rings=(1, 0)).call(b"1", 99)


def test_windows_of_a_whole_year_are_open_in_its_midst() -> None:
    year = TimeWindow(CosemDateTime.parse("2026-01-01T00:00:00"), CosemDateTime.parse("2026-12-31T00:00:00"))
    assert AutoAnswerBehaviour(bare_host(START), windows=[year]).status is AutoAnswerStatus.ACTIVE
    later = bare_host(utc(2027, 6, 1))
    assert AutoAnswerBehaviour(later, windows=[year]).status is AutoAnswerStatus.INACTIVE


# --- a meter that pushes by its connections --------------------------------------------------------------------------


class Network(Net):
    """A network in memory whose connections are made and broken; `reachable` says which destinations answer."""

    def __init__(self, *reachable: bytes) -> None:
        super().__init__()
        self.reachable = set(reachable)
        self.dialled: list[bytes] = []
        self.hung_up = 0

    def dial(self, destination: bytes, done: Callable[[bool], None], lost: Callable[[], None]) -> None:
        self.dialled.append(destination)
        self.lost = lost
        done(destination in self.reachable)

    def hang_up(self) -> None:
        self.hung_up += 1


def connecting(net: Network, mode: int, *destinations: bytes, windows: Any = ()) -> ElectricityMeter:
    meter = equipped(net)
    meter.equipment.pushes.way.dialler = net
    obj = meter.equipment.connecting.object
    for number, value in ((6, destinations or (TO,)), (5, windows), (2, mode)):
        data = type(obj).attributes[number].type.to_data(value)
        assert meter.host.write(29, obj.obis, number, data) is DataAccessResult.SUCCESS
    return meter


def pushed(net: Network) -> list[tuple[int, str]]:
    return [(at, delivery.setup) for at, delivery in net.sent]


def test_411_6_when_the_connection_comes_back_the_meter_pushes_on_connectivity() -> None:
    net = Network(TO)
    meter = connecting(net, 101)
    meter.advance(EQUIPPED + 100)
    assert pushed(net) == [(0, "connectivity")]
    net.lost()
    meter.advance(EQUIPPED + 200)
    assert pushed(net) == [(0, "connectivity"), (100, "connectivity")]
    assert codes(meter, "communication") == [146, 147, 146]


def test_a_connection_that_does_not_last_is_not_made_again_at_once() -> None:
    net = Network(TO)
    meter = connecting(net, 101)
    for second in (5, 20, 70, 90):
        meter.advance(EQUIPPED + second)
        net.lost()
    assert len(net.dialled) == 2, "the second after repetition_delay"


def test_a_push_asks_for_a_connection_that_ends_when_it_is_through() -> None:
    net = Network(TO)
    meter = connecting(net, 1, b"192.0.2.9:1", TO)
    meter.equipment.tampering.terminal_cover(True)
    meter.advance(EQUIPPED + 5)
    assert net.dialled == [b"192.0.2.9:1", TO]
    assert pushed(net) == [(0, "alarm")], "and no push tells of a connection that was made to push"
    assert net.hung_up == 1
    assert not meter.equipment.connecting.connected


def test_a_push_that_found_no_connection_goes_out_when_there_is_one() -> None:
    net = Network()
    meter = connecting(net, 101)
    meter.advance(EQUIPPED + 300)
    meter.equipment.tampering.terminal_cover(True)
    meter.advance(EQUIPPED + 3000)
    assert pushed(net) == []
    net.reachable.add(TO)
    obj = meter.equipment.connecting.object
    assert meter.host.invoke(29, obj.obis, 1, axdr.integer(0)) is ActionResult.SUCCESS
    meter.advance(EQUIPPED + 3060)
    assert sorted(name for _, name in pushed(net)) == ["alarm", "connectivity"]
    assert {at for at, _ in pushed(net)} == {3000}


def test_a_connection_that_was_given_up_is_tried_again_for_a_push() -> None:
    net = Network()
    meter = connecting(net, 101)
    meter.advance(EQUIPPED + 3000)
    assert len(net.dialled) == 4, "the first and three repetitions"
    net.reachable.add(TO)
    meter.equipment.tampering.terminal_cover(True)
    meter.advance(EQUIPPED + 3001)
    assert sorted(name for _, name in pushed(net)) == ["alarm", "connectivity"]


def test_regular_pushes_wait_for_the_calling_window_and_alarms_do_not() -> None:
    net = Network(TO)
    # EQUIPPED is 12:00 local time.
    afternoon = TimeWindow(*(CosemDateTime(hour=hour, minute=0, second=0) for hour in (13, 14)))
    meter = connecting(net, 3, windows=(afternoon,))
    meter.equipment.tampering.terminal_cover(True)
    meter.advance(EQUIPPED + 10)
    meter.equipment.pushes.setups["installation"].trigger()
    meter.advance(EQUIPPED + HOUR + 60)
    assert pushed(net) == [(0, "alarm"), (HOUR, "installation")]


def test_in_a_power_cut_the_connection_goes_and_comes_again_with_the_power() -> None:
    net = Network(TO)
    meter = connecting(net, 101)
    meter.advance(EQUIPPED + 100)
    meter.equipment.power.fail()
    assert not meter.equipment.connecting.connected
    assert net.hung_up == 1
    meter.advance(EQUIPPED + 400)
    meter.equipment.power.restore()
    meter.advance(EQUIPPED + 401)
    assert [item for item in pushed(net) if item[1] == "connectivity"] == [(0, "connectivity"), (400, "connectivity")]


def test_a_wake_up_call_lets_the_meter_connect_and_push() -> None:
    net = Network(TO)
    meter = connecting(net, 104)
    answering = meter.equipment.answering
    callers = type(answering.object).attributes[7].type.to_data((AllowedCaller(b"+431", CallType.WAKE_UP_REQUEST),))
    assert meter.host.write(28, answering.object.obis, 7, callers) is DataAccessResult.SUCCESS
    answering.call(b"+499")
    meter.advance(EQUIPPED + 10)
    assert pushed(net) == []
    answering.call(b"+431")
    meter.advance(EQUIPPED + 20)
    assert pushed(net) == [(10, "connectivity")]


def test_mode_0_hangs_up_and_leaves_the_network_to_others() -> None:
    net = Network(TO)
    meter = connecting(net, 101)
    meter.advance(EQUIPPED + 10)
    obj = meter.equipment.connecting.object
    assert meter.host.write(29, obj.obis, 2, axdr.enum(0)) is DataAccessResult.SUCCESS
    assert net.hung_up == 1
    meter.equipment.tampering.terminal_cover(True)
    meter.advance(EQUIPPED + 20)
    assert pushed(net)[-1] == (10, "alarm")
    assert len(net.dialled) == 1


INPUTS = ("mode", "wanted", "lost", "said", "answer", "connect", "cut", "return")


@given(st.lists(st.tuples(st.sampled_from(INPUTS), st.integers(0, 7))))
def test_whatever_happens_there_is_no_connection_that_nobody_may_have(inputs: list[tuple[str, int]]) -> None:
    modes = (0, 1, 2, 3, 101, 102, 103, 104)
    net = Network()
    open_calls: list[Callable[[bool], None]] = []
    net.dial = lambda destination, done, lost: open_calls.append(done)  # type: ignore[method-assign]
    meter = connecting(net, 0)
    connect = meter.equipment.connecting
    for name, number in inputs:
        before = len(open_calls)
        if name == "mode":
            meter.host.write(29, connect.object.obis, 2, axdr.enum(modes[number]))
        elif name == "wanted":
            connect.wanted(alarm=number > 3)
        elif name == "answer" and open_calls:
            open_calls[number % len(open_calls)](number % 2 == 0)
        elif name == "connect":
            connect.wake_up()
        elif name == "cut":
            meter.equipment.power.fail()
        elif name == "return":
            meter.equipment.power.restore()
        elif name in ("lost", "said"):
            getattr(connect, name)()
        meter.advance(meter.now + 30 * number)
        powered = meter.equipment.power.powered
        assert not connect.connected or (connect.in_use and powered)
        assert connect.in_use or len(open_calls) == before
        assert connect.next_time() is None or connect.next_time() > meter.now or not powered


def test_a_clock_that_is_corrected_gives_nobody_new_calls() -> None:
    host = bare_host(START + HOUR)
    answer = AutoAnswerBehaviour(host, mode=AutoAnswerMode.SHARED_LINE_LIMITED_CALLS, calls=2, windows=[NIGHT])
    assert [answer.call(b"1") for _ in range(3)] == [True, True, False]
    host.clock.jump_to(host.clock.now + 20)
    assert (answer.status, answer.call(b"1")) == (AutoAnswerStatus.LOCKED, False)
    host.clock.jump_to(host.clock.now + 24 * HOUR)
    assert not answer.call(b"1"), "the same hour of the next day is the same window to who never saw it close"
    host.clock.jump_to(host.clock.now + 2 * HOUR)
    host.clock.jump_to(host.clock.now - 2 * HOUR)
    assert answer.call(b"1")


# --- walks over the modes ---------------------------------------------------------------------------------------------

KEPT = {101: lambda inside: True, 102: lambda inside: inside, 103: lambda inside: inside}
"""The modes that keep a connection of their own, and when."""
MAY_DIAL = {
    0: lambda inside, alarm, asked: False,
    1: lambda inside, alarm, asked: True,
    2: lambda inside, alarm, asked: inside,
    3: lambda inside, alarm, asked: inside or alarm,
    101: lambda inside, alarm, asked: True,
    102: lambda inside, alarm, asked: inside,
    103: lambda inside, alarm, asked: inside or asked,
    104: lambda inside, alarm, asked: asked,
}
"""When a mode may call at all: inside the window, for an alarm, or because it was asked to since it was chosen."""


@given(
    st.lists(
        st.one_of(
            st.sampled_from(["wanted", "alarm", "connect", "lost", "dead", "alive", "power cut", "power return"]),
            st.tuples(st.just("mode"), st.sampled_from(sorted(MAY_DIAL))),
            st.tuples(st.just("jump"), st.integers(-3 * HOUR, 3 * HOUR)),
            st.tuples(st.just("time"), st.integers(1, 2 * HOUR)),
        ),
        max_size=40,
    )
)
@example([("mode", 101), "connect"])
def test_no_story_makes_a_mode_call_when_it_may_not_or_forget_what_it_keeps(story: list[Any]) -> None:
    line = Line(0, windows=[NIGHT], delay=600)
    behaviour, host, clock = line.behaviour, line.host, line.host.clock
    mode, alarm, asked, powered = 0, False, False, True
    dialled: list[bool] = []
    dial = behaviour._dial

    def watched(destination: bytes, done: Callable[[bool], None]) -> None:
        inside = 3 <= clock.local(clock.now).hour < 4
        dialled.append(powered and MAY_DIAL[mode](inside, alarm, asked))
        dial(destination, done)

    behaviour._dial = watched
    for happens in story:
        what, value = happens if isinstance(happens, tuple) else (happens, 0)
        if what == "power cut" and powered:
            host.note(Cause.POWER_DOWN)
            host.device.schedule.powered = powered = False
            host.device.go_down("power")
            assert not behaviour.connected
        elif what == "power return" and not powered:
            host.device.schedule.powered = powered = True
            host.device.come_up("power")
            host.note(Cause.POWER_UP)
        elif what == "time":
            line.until(host.now - START + value)
        elif what in ("dead", "alive"):
            line.dead = 1000 if what == "dead" else 0
        elif not powered:
            continue
        elif what == "mode":
            mode, alarm, asked = value, False, False
            assert host.write(29, behaviour.object.obis, 2, axdr.enum(mode)) is DataAccessResult.SUCCESS
        elif what == "jump":
            clock.jump_to(clock.now + value)
        elif what == "lost":
            behaviour.lost()
        elif what == "connect":
            asked = True
            inside = 3 <= clock.local(clock.now).hour < 4
            allowed = mode in (101, 103, 104) or (mode == 102 and inside)
            assert (line.connect() is ActionResult.SUCCESS) == allowed
        else:
            alarm = alarm or what == "alarm"
            behaviour.wanted(alarm=what == "alarm")
        inside = 3 <= clock.local(clock.now).hour < 4
        if powered and not behaviour.connected and KEPT.get(mode, lambda inside: False)(inside):
            assert behaviour._retry is not None or line.calls, "it tries"
        if mode == 102 and not inside and powered:
            assert not behaviour.connected
    assert all(dialled), "it called when it may not"
    assert behaviour.next_time() is None or not powered or behaviour.next_time() > host.now


@given(
    st.sampled_from(list(AutoAnswerMode)),
    st.lists(
        st.one_of(
            st.tuples(st.just("call"), st.booleans()),
            st.tuples(st.just("time"), st.integers(1, 3 * HOUR)),
            st.tuples(st.just("jump"), st.integers(-100, 100)),
        ),
        max_size=60,
    ),
)
def test_no_story_gives_more_calls_than_a_window_has(mode: AutoAnswerMode, story: list[Any]) -> None:
    host = bare_host(START)
    answer = AutoAnswerBehaviour(host, mode=mode, calls=2, windows=[NIGHT])
    shared = mode in (AutoAnswerMode.SHARED_LINE_LIMITED_CALLS, AutoAnswerMode.SHARED_LINE_LIMITED_SUCCESSFUL_CALLS)
    taken = 0
    before = False
    for what, value in story:
        if what == "time":
            host.device.advance(host.now + value)
        elif what == "jump":
            host.clock.jump_to(host.clock.now + value)
        inside = host.clock.local(host.clock.now).hour == 3
        if inside is not before or (what == "time" and value > HOUR):
            before, taken = inside, 0
        if what == "call":
            counted = value or mode is not AutoAnswerMode.SHARED_LINE_LIMITED_SUCCESSFUL_CALLS
            full = shared and taken >= 2
            status = (
                AutoAnswerStatus.INACTIVE
                if not inside
                else (AutoAnswerStatus.LOCKED if full else AutoAnswerStatus.ACTIVE)
            )
            assert answer.status is status
            assert answer.call(b"1", successful=value) is (status is AutoAnswerStatus.ACTIVE)
            taken += counted and status is AutoAnswerStatus.ACTIVE
