"""Auto connect and auto answer: modes, windows, retries, callers (behaviours 4.11)."""

from __future__ import annotations

from typing import Any

import pytest

from cosem.classes.c028_auto_answer import AllowedCaller, AutoAnswerMode, AutoAnswerStatus, CallType
from cosem.classes.common import TimeWindow
from cosem.codec import axdr
from cosem.device.auto_answer import AutoAnswerBehaviour
from cosem.device.auto_connect import AutoConnectBehaviour
from cosem.device.causes import Cause
from cosem.results import ActionResult, DataAccessResult
from cosem.times import CosemDateTime
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

    def _dial(self, destination: bytes) -> bool:
        self.calls.append((self.host.now - START, destination))
        self.dead -= 1
        return self.dead < 0

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
