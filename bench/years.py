"""How long a meter with all its behaviours takes to live a year, and what of it takes how long."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from bench.report import Line
from cosem.device.clock import DAY
from cosem.simulator.meter import demo_settings, simulated_meter

GOAL = 60.0
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 365
POWER_CUT, COVER = 7 * DAY, 30 * DAY
"""Every how many seconds power fails for ten minutes, and somebody opens the terminal cover for as long."""
LASTS = 600


def _live(meter: Any, until: int) -> int:
    """Let the meter live, with some events on the way; return how many there were."""
    equipment, events = meter.equipment, 0
    start = meter.now
    for day in range(DAY, until - start, DAY):
        meter.advance(start + day)
        cut, cover = not day % POWER_CUT, not day % COVER
        if cover:
            equipment.tampering.terminal_cover(True)
        if cut:
            equipment.power.fail()
        if not (cut or cover):
            continue
        meter.advance(start + day + LASTS)
        equipment.power.restore()
        equipment.tampering.terminal_cover(False)
        events += 2 * (cut + cover)
    meter.advance(until)
    return events


def _measured(meter: Any) -> float:
    """Return the seconds that measuring alone takes in a year: the load of every minute, and its sums."""
    begun = time.perf_counter()
    meter.metering.settle(meter.now + DAYS * DAY)
    return time.perf_counter() - begun


def year() -> list[Line]:
    """Time one meter through a year: 15-minute, hourly and daily profile, demand, monthly billing, events. One run."""
    meter = simulated_meter(seed=1, end=BEGIN, days=0, settings=demo_settings(1))
    noted: list[object] = []
    meter.host.causes.listeners.append(noted.append)
    begun = time.perf_counter()
    done = _live(meter, int(BEGIN.timestamp()) + DAYS * DAY)
    took = time.perf_counter() - begun
    rows, hours, days = (
        len(profile.rows) for profile in (meter.load_profile, meter.hourly_profile, meter.daily_profile)
    )
    periods = len(meter.equipment.billing.profile.rows)
    lived = 34_500 < rows <= DAYS * 96 and DAYS * 24 - 60 < hours <= DAYS * 24 and days == DAYS
    if not lived or periods != 12 or not 0 < done <= len(noted):
        raise SystemExit("the meter does not live a whole year: nothing is measured")
    measuring = _measured(simulated_meter(seed=1, end=BEGIN, days=0, settings=demo_settings(1)))
    return [
        Line(
            f"a year of a meter: {rows} rows of 15 minutes, {hours} of an hour, {days} of a day, {periods} bills, "
            f"{len(noted)} events",
            took,
            GOAL,
        ),
        Line("  of it measuring", measuring),
        Line("  of it everything else", took - measuring),
    ]
