"""A gas station: what flows, with what it is converted, what it counted disturbed, and the last day.

It stands on what the head-end stored; where a neighbourhood is played with, on what the station says now as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

import numpy as np
from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection, select

from cosem.headend.access import Act
from cosem.headend.happenings import AlarmState, alarms
from cosem.headend.intervals import MISSING
from cosem.headend.inventory import Kind
from cosem.headend.schema import channel, latest
from cosem.headend.web.charts import Chart, Mark, bars, line, steps_up
from cosem.headend.web.device_pages import find
from cosem.headend.web.frame import Frame, Framed, Gone, Signed
from cosem.headend.web.neighbourhood_view import figure
from cosem.headend.web.playing import STATION
from cosem.headend.web.series import Plot, Point
from cosem.headend.web.text import number
from cosem.headend.web.touches import TOUCHES
from cosem.units import scaled

router = APIRouter(include_in_schema=False)
HOUR: Final = 3600
HOURS: Final = 24
KELVIN: Final = 273.15
USUAL_BASE: Final = (1.01325, 273.15)
"""Bar and kelvin that are taken for the base conditions where the station does not say them; told on the page."""
FITS: Final = 0.02
"""By how much the factor of hourly averages may differ from the average factor for base conditions to be believed."""
UNDISTURBED, DISTURBED, TOTAL = "7-0:11.2.0.255", "7-0:12.2.0.255", "7-0:13.2.0.255"
PRESSURE, TEMPERATURE = "7-0:42.42.0.255", "7-0:41.42.0.255"
CALORIFIC, FACTOR, RATIO = "7-0:54.0.0.255", "7-0:52.0.16.255", "7-0:55.0.16.255"
COUNTERS: Final = (
    ("Volume at the meter", "7-0:11.0.0.255", "7-0:12.0.0.255", "7-0:13.0.0.255"),
    ("Volume at base conditions", UNDISTURBED, DISTURBED, TOTAL),
    ("Energy", "7-0:31.2.0.255", "7-0:32.2.0.255", "7-0:33.2.0.255"),
)
LINES: Final = (
    ("pressure", "Pressure, hourly average", PRESSURE),
    ("temperature", "Temperature, hourly average", TEMPERATURE),
    ("factor", "Conversion factor, hourly average", FACTOR),
    ("calorific", "Calorific value", CALORIFIC),
)


@dataclass(frozen=True, slots=True)
class Stored:
    """The newest value of one channel: exact, with unit and time."""

    value: Decimal
    unit: str
    at: int
    row: Any


@router.get("/stations/{number}")
async def show(frame: Framed, who: Signed, request: Request, number: int) -> Response:
    """Show a gas station."""
    if frame.playing is not None:
        await frame.playing.ask()
    with frame.headend.engine.connect() as connection:
        row = find(connection, number, who)
        if row.kind is not Kind.CONVERTER:
            raise Gone("this device converts no gas")
        shown = fragments(frame, connection, number)
    unit = None if frame.playing is None else frame.playing.seen.unit(row.name)
    touches = TOUCHES["converter"] if unit is not None and who.can(Act.COMMAND) else ()
    return frame.page(request, "station.html", who, device=row, live=f"{STATION}{number}", parts=shown, touches=touches)


def fragments(frame: Frame, connection: Connection, number: int) -> dict[str, str]:
    """Return what of a station's page changes while it is open, by the ids of its elements."""
    stored = newest(connection, number)
    opened = alarms(connection, device_number=number, state=AlarmState.OPEN, limit=20)
    found = {
        "live-now": frame.fragment("_s_now.html", **now_of(frame, connection, number, stored)),
        "live-counters": frame.fragment("_s_counters.html", rows=counters(stored)),
        "live-opened": frame.fragment("_opened.html", opened=opened),
    }
    at = max((item.at for item in stored.values()), default=0)
    kept = frame.stations.get(number)
    if kept is None or kept[0] != at:
        kept = (at, frame.fragment("_s_plots.html", plots=plots(frame, connection, number, stored)))
        frame.stations[number] = kept
    return found | {"live-plots": kept[1]}


def newest(connection: Connection, number: int) -> dict[str, Stored]:
    """Return the newest value of every channel of a device by its OBIS code."""
    query = select(channel, latest.c.time, latest.c.value).join(channel, channel.c.id == latest.c.channel)
    return {
        # A channel with a scaler of its own says it behind the code.
        row.name.split(" ")[0]: Stored(scaled(row.value, row.scaler), row.unit, row.time, row)
        for row in connection.execute(query.where(latest.c.device == number).order_by(channel.c.name.desc()))
        if not row.name.endswith((" daily", " monthly"))
    }


# --- now --------------------------------------------------------------------------------------------------------


def now_of(frame: Frame, connection: Connection, number: int, stored: Mapping[str, Stored]) -> dict[str, Any]:
    """Return what flows and what it is converted with: as the station says it now, or as it was stored last."""
    look = _look(frame, connection, number)
    given: dict[str, Any] = dict.fromkeys(("flow", "base_flow", "power", "disturbed", "total", "gas", "alarms"))
    if look is not None:
        p, t, z, factor, heat = (
            _real(look.get(name)) for name in ("pressure", "temperature", "z", "conversion factor", "calorific value")
        )
        base = _real(look.get("base pressure")), _real(look.get("base temperature"))
        z_base, ratio = _real(look.get("z at base conditions")), None
        heat = None if heat is None else heat / 1000
        flow, base_flow = _real(look.get("flow")), _real(look.get("flow at base conditions"))
        given |= {
            "flow": flow,
            "base_flow": base_flow,
            "power": None if heat is None or base_flow is None else base_flow * heat,
            "disturbed": _real(look.get("volume disturbed")),
            "total": _real(look.get("volume at base conditions")),
            "gas": look.get("gas"),
            "alarms": [str(alarm) for alarm in look.get("alarms", ())],
        }
        at = frame.playing.seen.now if frame.playing is not None else 0
        p_base, t_base = base[0] or USUAL_BASE[0], (base[1] or 0.0) + KELVIN
    else:
        p, t, factor, ratio = (_stored(stored, name) for name in (PRESSURE, TEMPERATURE, FACTOR, RATIO))
        heat = _stored(stored, CALORIFIC)
        heat = None if heat is None else heat / 1000
        z = z_base = None
        at = max((item.at for item in stored.values()), default=0)
        p_base, t_base = USUAL_BASE
    return given | {
        "live": look is not None,
        "at": at,
        "p": p, "t": t, "z": z, "factor": factor, "heat": heat,
        "said": explained(p, t, p_base, t_base, z=z, z_base=z_base, ratio=ratio, factor=factor),
        "substituted": {name: name in " ".join(given["alarms"] or ()) for name in ("pressure", "temperature")},
        "problem": frame.playing.seen.problem if frame.playing is not None else "",
        "figure": figure,
    }  # fmt: skip


def _look(frame: Frame, connection: Connection, number: int) -> Mapping[str, Any] | None:
    if frame.playing is None:
        return None
    seen = frame.playing.seen
    name = next((name for name, device in seen.devices.items() if device == number), None)
    return None if name is None else seen.looks.get(name)


def _real(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _stored(stored: Mapping[str, Stored], name: str) -> float | None:
    return float(stored[name].value) if name in stored else None


def explained(
    p: float | None,
    t: float | None,
    p_base: float,
    t_base: float,
    *,
    z: float | None,
    z_base: float | None,
    ratio: float | None,
    factor: float | None,
) -> dict[str, Any] | None:
    """Return the numbers of V_b = V * p/p_b * T_b/T * Z_b/Z, and what they give; None where they are not known.

    `p` and `p_base` in bar, `t` in degrees Celsius, `t_base` in kelvin. `ratio` is Z / Z_b where the two are not known
    apart. Base conditions that do not lead to the station's own `factor` are not those of this station: None.
    """
    if p is None or t is None or t + KELVIN <= 0 or p_base <= 0:
        return None
    kelvin = t + KELVIN
    if z and z_base:
        ratio = z / z_base
    if not ratio:
        return None
    made = p / p_base * t_base / kelvin / ratio
    if factor and abs(made / factor - 1) > FITS:
        return None
    return {
        "p": p, "p_base": p_base, "t": kelvin, "t_base": t_base, "z": z, "z_base": z_base, "ratio": ratio,
        "by_p": p / p_base, "by_t": t_base / kelvin, "by_z": 1 / ratio, "made": made, "factor": factor,
    }  # fmt: skip


def counters(stored: Mapping[str, Stored]) -> list[dict[str, Any]]:
    """Return the counters as rows: undisturbed, disturbed, and both together."""
    rows = []
    for words, undisturbed, disturbed, total in COUNTERS:
        parts = [stored.get(name) for name in (undisturbed, disturbed, total)]
        known = next((part for part in parts if part is not None), None)
        if known is None:
            continue
        values = [None if part is None else part.value for part in parts]
        if values[2] is None and values[0] is not None and values[1] is not None:
            values[2] = values[0] + values[1]
        unit, exponent = ("kWh", -3) if known.unit == "Wh" else (known.unit, 0)
        rows.append(
            {
                "words": words,
                "unit": unit,
                "at": known.at,
                "values": [number(None if value is None else value.scaleb(exponent), 1) for value in values],
                "disturbed": bool(values[1]),
            }
        )
    return rows


# --- the last day -------------------------------------------------------------------------------------------------


def plots(frame: Frame, connection: Connection, device: int, stored: Mapping[str, Stored]) -> list[dict[str, Any]]:
    """Return the last day, hour by hour: what was counted, with what is disturbed marked, and the averages."""
    if not stored:
        return []
    last = max(item.at for item in stored.values()) // HOUR * HOUR
    ends = np.arange(last - HOURS * HOUR, last + 1, HOUR)

    def read(name: str) -> list[float | None]:
        if name not in stored:
            return [None] * len(ends)
        row = stored[name].row
        series = frame.headend.intervals.read(connection, device, row.id, int(ends[0]), int(ends[-1]) + 1)
        known = dict(zip(series.times.tolist(), series.values.tolist(), strict=True))
        values = (known.get(at, MISSING) for at in ends.tolist())
        return [None if value == MISSING else float(scaled(value, row.scaler)) for value in values]

    labels = [f"{datetime.fromtimestamp(at, UTC).astimezone(frame.zone):%H:%M}" for at in ends[1:].tolist()]
    right, wrong = _steps(read(UNDISTURBED)), _steps(read(DISTURBED))
    flags = [bool(value) for value in wrong]
    found = []
    if any(value is not None for value in (*right, *wrong)):
        found.append(_volume(right, wrong, labels))
    for name, words, code in LINES:
        values = read(code)[1:]
        if any(value is not None for value in values):
            found.append(_averages(name, words, stored[code].unit, values, flags, labels))
    return found


def _steps(values: Sequence[float | None]) -> list[float | None]:
    return [None if after is None or before is None else max(0.0, after - before) for before, after in pairwise(values)]


def _volume(right: list[float | None], wrong: list[float | None], labels: list[str]) -> dict[str, Any]:
    both = [
        None if one is None and other is None else (one or 0.0) + (other or 0.0)
        for one, other in zip(right, wrong, strict=True)
    ]
    whole = [None if other else total for total, other in zip(both, wrong, strict=True)]
    marks = [total if other else None for total, other in zip(both, wrong, strict=True)]
    path, guess, missing, top = bars(whole, marks)
    chart = Chart(path, guess, missing, _across(labels), steps_up(0.0, top))
    points = tuple(
        Point(label, figure(total, 1), f"{figure(other, 1, 'm³')} disturbed" if other else "")
        for label, total, other in zip(labels, both, wrong, strict=True)
    )
    disturbed = sum(value or 0.0 for value in wrong)
    total = sum(value or 0.0 for value in both)
    summary = f"{figure(total, 0, 'm³')} in this day, {figure(disturbed, 0, 'm³')} of them disturbed."
    plot = Plot(chart, points, "m³", summary)
    return {"id": "volume", "words": "Volume at base conditions, hour by hour", "kind": "bars", "plot": plot}


def _averages(
    name: str, words: str, unit: str, values: list[float | None], flags: list[bool], labels: list[str]
) -> dict[str, Any]:
    path, guess, missing, low, high = line(values, flags)
    chart = Chart(path, guess, missing, _across(labels), steps_up(low, high))
    places = 0 if unit == "Wh/m³" else 3
    points = tuple(
        Point(label, figure(value, places), "with a substitute" if flag else "" if value is not None else "missing")
        for label, value, flag in zip(labels, values, flags, strict=True)
    )
    known = [value for value in values if value is not None]
    summary = f"From {figure(min(known), places)} to {figure(max(known), places, unit)}."
    return {"id": name, "words": words, "kind": "line", "plot": Plot(chart, points, unit, summary)}


def _across(labels: list[str]) -> tuple[Mark, ...]:
    count = len(labels)
    return tuple(Mark((index + 0.5) * 100 / count, labels[index]) for index in range(count) if index % 6 == 5)
