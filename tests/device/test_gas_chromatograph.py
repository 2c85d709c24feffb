"""A chromatograph: what it shows, averages and delivers, and what becomes of converters where it fails."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from cosem.device.gas.chromatograph import AnalyserFault, Chromatograph, ChromatographSettings
from cosem.device.gas.stream import L_GAS, Blend
from cosem.errors import ConfigError
from cosem.gas.conversion import Alarm, ConverterSettings
from cosem.gas.equation import Method
from cosem.gas.quality import Source
from cosem.simulator.gas import demo_chromatograph, simulated_chromatograph
from support.gas_devices import START, check, converter, log, read, recomputed, rows

DAY = 86_400


def analyser(*, stream: Blend | None = None, **settings: object) -> Chromatograph:
    given = replace(demo_chromatograph(1), **settings)  # type: ignore[arg-type]
    return simulated_chromatograph(end=datetime.fromtimestamp(START, UTC), days=0, settings=given, stream=stream)


def fed(device: Chromatograph):  # type: ignore[no-untyped-def]
    """A converter that the analyser feeds, by the method that needs all components."""
    made = converter(
        conversion=ConverterSettings(method=Method.AGA8_DETAIL), quality=device.quality("first"), cycle=900
    )
    made.beside(device)
    return made


def test_the_items_add_up_and_averages_lie_between() -> None:
    device = analyser()
    device.advance(START + DAY)
    shares = [read(device, 3, f"7-0:70.{item}.0.255") for item in range(60, 84) if item not in (68, 70, 78, 79)]
    assert sum(shares) == 100 * 10_000
    day = rows(device, "7-1:99.99.2.255")
    assert len(day) == 24
    heats = [row[3] for row in day]
    assert min(heats) <= read(device, 3, "7-1:54.0.20.255") <= max(heats)
    assert read(device, 3, "7-1:54.0.20.255") == pytest.approx(sum(heats) / 24, abs=1)
    # Hydrogen is there where it is blended in, and lowers the calorific value.
    with_hydrogen = analyser(stream=Blend(1, hydrogen=8.0))
    assert read(with_hydrogen, 3, "7-0:70.61.0.255") > 70_000
    assert read(with_hydrogen, 3, "7-1:54.0.0.255") < read(device, 3, "7-1:54.0.0.255")


def test_a_converter_takes_what_is_delivered_and_its_energy_follows() -> None:
    gases = Blend(1, changes=((START + 6 * 3600, dict(L_GAS)),))
    device = analyser(stream=gases)
    station = fed(device)
    station.advance(START + DAY)
    assert station.converter.book.in_force.source is Source.CHROMATOGRAPH
    # An analysis every five minutes, one of them every hour goes out.
    assert station.converter.book.in_force.name == "analysis 24"
    heats = {row[12] for row in rows(station, "7-0:99.99.2.255")}
    assert max(heats) > 11_000_000
    assert min(heats) < 10_300_000
    assert not station.disturbances.alarms
    assert recomputed(station).equal
    check(station)


@pytest.mark.parametrize("fault", AnalyserFault)
def test_an_analyser_that_fails_is_noticed_by_both_ends(fault: AnalyserFault) -> None:
    device = analyser()
    station = fed(device)
    station.advance(START + 2 * 3600)
    device.fault = fault
    station.advance(START + 6 * 3600)
    assert device.failure
    assert log(device, "metrological") == [41]
    assert device.status.momentary == 0x40
    assert station.disturbances.alarms == Alarm.QUALITY
    device.fault = None
    station.advance(START + 9 * 3600)
    assert not station.disturbances.alarms
    assert log(device, "metrological") == [41, 42]
    assert recomputed(station).equal


def test_an_analyser_delivers_before_it_is_doubted() -> None:
    with pytest.raises(ConfigError, match="delivered"):
        analyser(deliver=7200)
    assert ChromatographSettings().valid > ChromatographSettings().deliver


def test_streams_repeat_themselves_by_seed() -> None:
    assert Blend(3).at(START) == Blend(3).at(START)
    assert Blend(3).at(START) != Blend(4).at(START)
    assert sum(Blend(5).at(START).values()) == Decimal(100)
