"""Converters over long times with whatever befalls them: no cubic metre is lost or counted twice."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.device.gas.quality_input import QualityRefusedError
from cosem.device.gas.sensors import Fault
from cosem.gas.conversion import Conversion, ConverterSettings
from support.gas_devices import DAILY, HOURLY, START, check, converter, quality, recomputed, rows

DAY = 86_400


def befall(device, what: str, random: Random) -> None:  # type: ignore[no-untyped-def]
    """Let one thing happen to a converter."""
    sensor = random.choice([device.pressure, device.temperature])
    clock = device.clock
    match what:
        case "fails":
            sensor.break_down(Fault.FAILS)
        case "sticks":
            sensor.break_down(Fault.STICKS)
        case "jumps":
            sensor.break_down(Fault.JUMPS, Decimal(random.choice([-30, 3, 40])))
        case "repaired":
            device.pressure.repair()
            device.temperature.repair()
        case "silent" if hasattr(device.flow, "silent"):
            device.flow.silent = True
        case "silent":
            device.flow.cut = True
        case "answers" if hasattr(device.flow, "silent"):
            device.flow.silent, device.flow.wrong = False, 0
        case "answers":
            device.flow.cut = False
        case "wrong" if hasattr(device.flow, "silent"):
            device.flow.wrong = 400_000
        case "forward" | "back":
            seconds = random.choice([30, 3000, 40_000, 3 * DAY])
            device.locks.break_seal()
            clock.jump_to(clock.now + (seconds if what == "forward" else -seconds))
            device.locks.seal()
        case "gas":
            at = clock.now + random.choice([-4000, 0, 0, 5000, 90_000])
            until = random.choice([None, at + 40_000, at + 5 * DAY])
            with suppress(QualityRefusedError):
                device.offer(quality(f"gas {random.random()}", f"{random.uniform(9, 12):.4f}", at=at, until=until))
        case "dark":
            device.power_cut()
        case "light":
            device.power_back()
        case "shorter":
            device.periods.set_length("mp1", random.choice([1800, 3600]))
        case "day":
            device.periods.set_day_start(random.choice([0, 21_600, 30_000]))
        case "pulse" if not hasattr(device.flow, "silent"):
            device.process.settle()
            device.flow.reconfigure(Decimal(random.choice(["0.1", "0.01", "1"])))


WHAT = (
    *("fails", "sticks", "jumps", "repaired", "repaired", "silent", "answers", "answers", "wrong", "gas", "gas"),
    *("forward", "back", "dark", "light", "light", "shorter", "day", "pulse"),
)


@pytest.mark.parametrize(("source", "seed"), [("encoder", 3)])
def test_a_year_with_faults_loses_and_doubles_nothing(source: str, seed: int) -> None:
    """About two things a day befall the device, and at the end of each every counter adds up."""
    random = Random(seed)
    device = converter(input=source, cycle=3600, mp1=3600)
    for day in range(366):
        for _ in range(2):
            device.advance(START + day * DAY + random.randrange(DAY))
            if device.now <= START + (day + 1) * DAY:
                befall(device, random.choice(WHAT), random)
        if day % 7 == 6 and device.device.schedule.powered:
            check(device)
    device.power_back()
    check(device)
    counters = device.converter.counters
    assert counters.base.disturbed.value > 0
    assert counters.base.undisturbed.value > 0
    # The archive holds a year: what a client computes of it is what the device has, to the last digit.
    assert recomputed(device).equal
    columns = list(zip(*rows(device, HOURLY), strict=True))
    for place in (4, 5, 7, 8, 10, 11):
        assert list(columns[place]) == sorted(columns[place])
    assert all(a + b == c for a, b, c in zip(columns[4], columns[5], columns[6], strict=True))
    assert list(columns[1]) == sorted(set(columns[1]))


@given(
    st.lists(st.tuples(st.integers(60, 40_000), st.sampled_from(WHAT)), min_size=3, max_size=14),
    st.sampled_from(["pulse", "encoder"]),
    st.sampled_from(list(Conversion)),
    st.randoms(use_true_random=False),
)
@settings(max_examples=25, deadline=None)
def test_any_story_adds_up(story: list[tuple[int, str]], source: str, how: Conversion, random: Random) -> None:
    """Also where volume needs no gas quality but energy does."""
    device = converter(input=source, cycle=900, conversion=ConverterSettings(conversion=how))
    now = START
    for seconds, what in story:
        now += seconds
        device.advance(now)
        befall(device, what, random)
        if device.device.schedule.powered:
            check(device)
    device.power_back()
    device.advance(now + 7200)
    check(device)
    assert recomputed(device).equal


def test_increments_of_days_make_the_counter() -> None:
    device = converter(cycle=3600)
    device.advance(START + 40 * DAY)
    days = rows(device, DAILY)
    assert len(days) == 40
    assert sum(row[8] for row in days) == days[-1][5]
    assert days[-1][5] == device.converter.counters.base.absolute


def test_the_same_seed_gives_the_same_octets() -> None:
    archives = []
    for _ in range(2):
        device = converter()
        device.advance(START + DAY)
        archives.append([row.octets for buffer in device.archives.buffers.values() for row in buffer.rows])
    assert archives[0] == archives[1]
    assert len(archives[0]) > 100
