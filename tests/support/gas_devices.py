"""Gas devices in virtual time, and what must hold of them whatever happens."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from cosem.codec import axdr
from cosem.device.gas.converter import ConverterDeviceSettings, VolumeConverter
from cosem.device.gas.flow_input import Pulses
from cosem.device.gas.locks import Level
from cosem.device.gas.site import Industry
from cosem.device.random import SeededRandom
from cosem.gas.characteristics import Characteristics
from cosem.gas.quality import GasQuality, Source
from cosem.gas.recompute import EnergyRow, Recomputed, recompute_energy
from cosem.obis import Obis
from cosem.results import DataAccessResult
from cosem.simulator.gas import DEMO_CODES, demo_converter

HOURLY, DAILY, MONTHLY, EVENTS = "7-0:99.99.2.255", "7-0:99.99.3.255", "7-0:99.99.4.255", "7-0:98.11.0.255"
START = int(datetime(2026, 1, 10, 5, tzinfo=UTC).timestamp())
"""06:00 in the zone of the device: a gas day begins."""


def converter(start: int = START, *, supply: Any = None, **settings: Any) -> VolumeConverter:
    """Return a converter that begins at `start`, with a cycle of five minutes unless something else is said."""
    given = replace(demo_converter(1), **({"cycle": 300} | settings))
    return VolumeConverter(given, start, SeededRandom(1), supply=supply or Industry(1), simulation=True)


def settings(**given: Any) -> ConverterDeviceSettings:
    return replace(demo_converter(1), **given)


def quality(name: str, calorific: str = "10.5", *, at: int = START, until: int | None = None) -> GasQuality:
    """Return a gas of which SGERG-88 knows enough."""
    heat = Decimal(calorific)
    gas = Characteristics(hs=float(heat * Decimal("3.6")), density=0.6, co2=0.01)
    return GasQuality(name, heat, gas, at, until, Source.REMOTE)


def rows(device: Any, name: str) -> list[list[Any]]:
    """Return the rows of an archive as plain values."""
    buffer = device.archives.buffers[Obis.parse(name)]
    return [[cell.value for cell in axdr.decode(row.octets).value] for row in buffer.rows]


def log(device: Any, group: str) -> list[int]:
    """Return the codes of an event log."""
    return [row.cells[1][-1] for row in device.events.logs[group].buffer.rows]


def write(device: Any, class_id: int, name: str, value: axdr.Data) -> DataAccessResult:
    return device.host.write(class_id, Obis.parse(name), 2, value)


def read(device: Any, class_id: int, name: str, attribute: int = 2) -> Any:
    data = device.host.read(class_id, Obis.parse(name), attribute)
    return None if data is None else data.value


def unlock(device: Any, level: Level) -> None:
    if level is Level.CALIBRATION:
        device.locks.break_seal()
    else:
        assert device.locks.enter(level, DEMO_CODES[level])


def recomputed(device: VolumeConverter) -> Recomputed:
    """Return the energy that the hourly archive of the generic map gives."""
    found = [EnergyRow(row[4], row[5], row[10], row[11], row[12], bool(row[3] & 0x10)) for row in rows(device, HOURLY)]
    return recompute_energy(found)


def check(device: VolumeConverter) -> None:
    """Say that no cubic metre is lost or counted twice, anywhere."""
    device.process.settle()
    counters = device.converter.counters
    lost = device.flow.lost if isinstance(device.flow, Pulses) else 0
    assert counters.metering.absolute + device.flow.pending + lost == device.pipe.index
    assert counters.corrected.absolute == counters.metering.absolute
    outputs = device.outputs.outputs
    for place, counter in (("metering", counters.metering), ("base", counters.base)):
        given = outputs[place].pulses / outputs[place].per_cubic_metre * 10**6
        assert given + outputs[place].pending == counter.absolute
    # Every period begins where the one before ended, so running increments and indexes make the counters.
    for period in device.periods.periods.values():
        for counter, begun in period.begun.items():
            running = device.periods.running(period.name, counter)
            pair = getattr(counters, counter[0])
            held = pair.absolute if counter[1] == "absolute" else getattr(pair, counter[1]).value
            assert begun + running == held
            assert running >= 0
