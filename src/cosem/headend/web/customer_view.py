"""A household's page as its templates want it: figures in the units people know, the curve, and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection

from cosem.headend.premises import Behind, Used, midnight
from cosem.headend.web.charts import nice
from cosem.headend.web.customer_state import QUARTERS, Known, Now, Sample, now_of, numbers_of, topic_of
from cosem.headend.web.customer_words import (
    AT_THE_METER,
    AT_THE_VALVE,
    HOUR,
    SUPPLY,
    VALVES,
    ago,
    amount,
    day_words,
    plain,
    rounded,
    watts,
)
from cosem.headend.web.playing import HOME
from cosem.headend.web.text import number

if TYPE_CHECKING:
    from cosem.headend.web.frame import Frame

SIZE: Final = 1000
WINDOW: Final = 120
"""Seconds that the curve shows at least of what is seen each second."""
ENOUGH: Final = 10
"""Powers from which they are a curve by themselves."""
MOST_COUNTED: Final = 100_000
"""Watt-hours that nobody draws between two readings: it is another meter's register."""
LOOKING, DENSE = 5.0, 90.0
"""Seconds between powers that are still joined by a line: while somebody looks, and where they are pushed."""
NEAR: Final = Decimal("0.8")
"""Share of the limit from which the page says that it is near."""
KINDS: Final = {"gas": "Gas", "water": "Water", "heat": "Heat"}
FRAGMENTS: Final = ("now", "curve", "supply", "supply_age", "used", "beside", "messages", "alarms")


@dataclass(frozen=True, slots=True)
class Curve:
    """Power over time as paths of a drawing 1000 wide and high: what was seen, and means of intervals before it.

    `zero` is how high nothing is, in percent from the top; `top` and `low` are the ends in words, `words` all of it.
    """

    seen: str
    area: str
    means: str
    zero: float
    top: str
    low: str
    since: str
    words: str


@dataclass(frozen=True, slots=True)
class Part:
    """What was used at one rate, with its share in percent."""

    name: str
    value: str
    unit: str
    share: int


@dataclass(frozen=True, slots=True)
class Period:
    """What was used today or this month. `rest` is not known by rates yet, `cost` is said where prices are known."""

    name: str
    value: str
    unit: str
    parts: tuple[Part, ...]
    rest: tuple[str, str] | None
    cost: str
    until: int | None
    live: bool


@dataclass(frozen=True, slots=True)
class Beside:
    """A meter of gas, water or heat. `valve` is a heading and what it means, and whether its button helps."""

    device: int
    kind: str
    name: str
    total: tuple[str, str] | None
    today: tuple[str, str] | None
    month: tuple[str, str] | None
    month_name: str
    read: str
    valve: tuple[str, str] | None
    released: bool


def fragments(frame: Frame, connection: Connection, topic: str) -> dict[str, str]:
    """Return what of a home's page changes while it is open, by the ids on it."""
    found = given(frame, connection, numbers_of(topic), hand=topic.startswith(HOME[1]))
    return {f"live-home-{name}": frame.fragment(f"_home_{name}.html", home=found) for name in FRAGMENTS}


def given(frame: Frame, connection: Connection, numbers: tuple[int, ...], *, hand: bool) -> dict[str, Any]:
    """Return what the templates are given of a home; `hand`: its buttons are at hand, for this visitor."""
    at = frame.now
    known = frame.homes.known(connection, frame.headend.intervals, numbers, at, frame.zone)
    seen = None if frame.playing is None or frame.playing.seen.problem else frame.playing.seen
    looks = None if seen is None or not seen.looks else seen.looks
    now = now_of(known, looks, at if seen is None else seen.now)
    if now.live and now.at is not None:
        at = max(at, now.at) if frame.settings.play is None else now.at
    samples = frame.homes.sampled(numbers[0], now.at, now.watts, LOOKING if now.live else DENSE)

    def since(moment: int | None) -> str:
        return ago(at, moment, frame.zone)

    names = (("Today", "today"), (_month_words(frame, known.used.get("month"), at), "month"))
    return {
        "number": numbers[0],
        "topic": topic_of(numbers, hand=hand),
        "hand": hand and looks is not None,
        "meter": known.meter,
        "ago": since,
        "now": now,
        "power": None if now.watts is None else watts(abs(now.watts)),
        "feeding": now.watts is not None and now.watts < 0,
        "limit": _limit(now),
        "rate": None if now.rate is None or now.rate < 1 else rate_name(frame, now.rate),
        "curve": curve(samples, known.means, at, live=now.live or _dense(samples, at)),
        "supply": now.supply.value,
        "supply_words": SUPPLY[now.supply],
        "at_the_meter": AT_THE_METER,
        "at_the_valve": AT_THE_VALVE,
        "periods": [period(frame, name, counted(known, now, known.used.get(key)), now) for name, key in names],
        "fed": [_fed(known.used.get(key)) for key in ("fed", "fed month")] if _feeds(known) else [],
        "compared": compared(known),
        "hours": hours(known),
        "beside": [beside(item, now, _month_words(frame, item.month, at), since) for item in known.counted],
        "messages": known.messages,
        "alarms": plain(known.alarms),
    }


def _dense(samples: Sequence[Sample], now: int) -> bool:
    """Whether powers come so often that they are a curve."""
    return len(samples) > 1 and now - samples[-2].at <= 2 * DENSE


def rate_name(frame: Frame, rate: int) -> str:
    """Return what a rate is called here."""
    return frame.settings.rates.get(rate, f"Rate {rate}")


def _limit(now: Now) -> dict[str, Any] | None:
    if now.limit is None:
        return None
    drawn = max(0, now.watts or 0)
    share = Decimal(drawn) / now.limit
    return {
        "words": " ".join(watts(now.limit)),
        "value": drawn,
        "most": now.limit,
        "share": f"{number(round(share))} times your limit" if share >= 2 else f"{share * 100:.0f} % of your limit",
        "known": now.watts is not None,
        "state": "over" if share > 1 else "near" if share >= NEAR else "fine",
    }


# --- energy -----------------------------------------------------------------------------------------------------


def counted(known: Known, now: Now, used: Used | None) -> Used | None:
    """Return what was used, up to this second where the register is seen."""
    if used is None or used.amount is None or used.unit != "Wh" or known.shown is None or now.counted is None:
        return used
    at, showed = known.shown
    grown = now.counted - showed
    if at != used.until or not 0 <= grown < MOST_COUNTED or now.at is None:
        return used
    return replace(used, amount=str(Decimal(used.amount) + grown), until=now.at)


def period(frame: Frame, name: str, used: Used | None, now: Now) -> Period | None:
    """Return what was used in a period, None where it is not known."""
    if used is None or used.amount is None:
        return None
    whole = Decimal(used.amount)
    known = {rate: Decimal(part) for rate, part in used.rates.items() if Decimal(part)}
    # Each register is cut to whole watt-hours.
    rest = whole - sum(known.values())
    rest = Decimal(0) if abs(rest) <= len(used.rates) + 1 else rest
    parts = tuple(
        Part(rate_name(frame, rate), *amount(part, used.unit), round(part * 100 / whole) if whole else 0)
        for rate, part in known.items()
    )
    if len(used.rates) < 2 or rest < 0:
        parts, rest = (), Decimal(0)
    unsplit = amount(rest, used.unit) if parts and rest else None
    return Period(
        name, *amount(whole, used.unit), parts, unsplit, cost(frame, used, now.rate), used.until, used.until == now.at
    )


def cost(frame: Frame, used: Used, rate: int | None) -> str:
    """Return what it costs, nothing where no price is known for some of it.

    What is not known by rates yet was drawn since the last reading: it is taken for drawn at the `rate` in force.
    """
    prices = frame.settings.prices
    if used.amount is None or used.unit != "Wh" or not prices:
        return ""
    whole = Decimal(used.amount)
    if 0 in prices:
        return _money(frame, whole * prices[0])
    parts = {number: Decimal(part) for number, part in used.rates.items() if Decimal(part)}
    rest = whole - sum(parts.values())
    if not parts or any(number not in prices for number in parts):
        return ""
    spent = sum((part * prices[number] for number, part in parts.items()), Decimal(0))
    if abs(rest) <= len(used.rates) + 1:
        return _money(frame, spent)
    if rate is None or rate not in prices or not 0 < rest <= max(Decimal(5000), whole / 10):
        return ""
    return "about " + _money(frame, spent + rest * prices[rate])


def _money(frame: Frame, spent: Decimal) -> str:
    return f"{rounded(spent / 1000, 2)}\u202f{frame.settings.currency}"


def _month_words(frame: Frame, month: Used | None, now: int) -> str:
    """Return what the month is called: since when, where it is not known from its beginning."""
    if month is None or month.since - midnight(now, frame.zone, day=1) <= HOUR:
        return "This month"
    return f"Since {day_words(month.since, frame.zone)}"


def _feeds(known: Known) -> bool:
    """Whether something is fed in here: where nothing ever was, there is nothing to say."""
    fed, power = known.used.get("fed month"), known.power.fed
    grown = fed is not None and fed.amount is not None and Decimal(fed.amount) > 0
    return grown or (power is not None and Decimal(power.value) > 0)


def _fed(used: Used | None) -> tuple[str, str] | None:
    return None if used is None or used.amount is None else amount(used.amount, used.unit)


def compared(known: Known) -> dict[str, Any] | None:
    """Return how today compares with yesterday up to the same time, and with all of yesterday."""
    today, before, whole = known.used.get("today"), known.used.get("before"), known.used.get("yesterday")
    if today is None or today.amount is None:
        return None
    found: dict[str, Any] = {"yesterday": _fed(whole), "more": None}
    if before is not None and before.amount is not None and abs(today.until - before.until - 24 * HOUR) <= 2 * HOUR:
        now, then = Decimal(today.amount), Decimal(before.amount)
        found |= {"more": now > then, "same": now == then, "by": amount(abs(now - then), today.unit)}
        found["then"] = amount(then, before.unit)
    return found if found["yesterday"] is not None or found["more"] is not None else None


def hours(known: Known) -> dict[str, Any] | None:
    """Return the hours of today as bars, with those of yesterday behind them."""
    both = [value for value in (*known.hours, *known.hours_before) if value is not None]
    if not both:
        return None
    top = nice(float(max(both)) / 1000)
    count = max(len(known.hours), len(known.hours_before), 1)
    wide = SIZE / count

    def bars(values: Sequence[Decimal | None], gap: float) -> str:
        return "".join(
            f"M{index * wide + wide * gap:.5g} {SIZE}V{SIZE - float(value) / 1000 / top * SIZE:.5g}"
            f"H{(index + 1) * wide - wide * gap:.5g}V{SIZE}z"
            for index, value in enumerate(values)
            if value is not None
        )

    rows = [
        (index, *(_kilowatt_hours(each, index) for each in (known.hours, known.hours_before))) for index in range(count)
    ]
    return {
        "today": bars(known.hours, 0.22),
        "before": bars(known.hours_before, 0.08),
        "top": f"{number(Decimal(repr(top)).normalize())} kWh",
        "rows": [row for row in rows if row[1] != "–" or row[2] != "–"],
    }


def _kilowatt_hours(values: Sequence[Decimal | None], index: int) -> str:
    value = values[index] if index < len(values) else None
    return "–" if value is None else rounded(value.scaleb(-3), 2)


# --- the curve --------------------------------------------------------------------------------------------------


def curve(samples: Sequence[Sample], means: Sequence[tuple[int, int, float]], now: int, *, live: bool) -> Curve | None:
    """Return power up to now: over the last minutes where it is seen each second, over hours where it is read now and
    then. None where there is nothing to draw."""
    window = QUARTERS
    stretch = _stretch(samples)
    if live and len(stretch) >= ENOUGH and now - stretch[0].at >= WINDOW // 2:
        window = min(max(now - stretch[0].at, WINDOW), QUARTERS)
    begin = now - window
    seen = [item for item in samples if item.at >= begin]
    first = seen[0].at if live and seen else now
    before = [(max(start, begin), min(end, first), value) for start, end, value in means]
    before = [item for item in before if item[0] < item[1]]
    values = [float(item.watts) for item in seen] + [value for *_, value in before]
    if not values or (len(values) == 1 and not live):
        return None
    high, low = max(0.0, *values), min(0.0, *values)
    top = nice(high) if high > 0 else 0.0
    bottom = -nice(-low) if low < 0 else 0.0
    if top == bottom:
        top = 100.0

    def x(at: float) -> float:
        return (at - begin) / window * SIZE

    def y(value: float) -> float:
        return (top - value) / (top - bottom) * SIZE

    path, area = "", ""
    for part in _stretches(seen) if live else ():
        line = "L".join(f"{x(item.at):.5g} {y(item.watts):.4g}" for item in part)
        if part[-1] is seen[-1]:
            line += f"H{SIZE}"
        path += f"M{line}"
        area += f"M{line}V{y(0):.4g}H{x(part[0].at):.5g}z"
    steps, last = "", -1
    for start, end, value in before:
        steps += f"V{y(value):.4g}" if start == last else f"M{x(start):.5g} {y(value):.4g}"
        steps += f"H{x(end):.5g}"
        last = end
    said = _span(window)
    least, most = " ".join(watts(round(min(values)))), " ".join(watts(round(max(values))))
    between = f"about {most}" if least == most else f"between {least} and {most}"
    return Curve(
        path, area, steps, y(0) / SIZE * 100, " ".join(watts(round(top))),
        " ".join(watts(round(bottom))) if bottom else "", f"{said} ago", f"The last {said}: {between}.",
    )  # fmt: skip


def _stretches(samples: Sequence[Sample]) -> list[list[Sample]]:
    """Return powers in stretches: where nobody looked for a while, nothing is known of what was between."""
    parts: list[list[Sample]] = []
    for item in samples:
        if item.begins or not parts:
            parts.append([])
        parts[-1].append(item)
    return parts


def _stretch(samples: Sequence[Sample]) -> list[Sample]:
    """Return the stretch that is not over."""
    parts = _stretches(samples)
    return parts[-1] if parts else []


def _span(seconds: int) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes < 120 else f"{round(minutes / 60)} hours"


# --- gas, water, heat -------------------------------------------------------------------------------------------


def beside(item: Behind, now: Now, month_name: str, since: Any) -> Beside:
    """Return what is said of a meter of gas, water or heat."""
    total = item.total
    valve = now.valves.get(item.device, "")
    return Beside(
        item.device,
        KINDS.get(item.kind, item.kind.capitalize()),
        item.name,
        None if total is None else amount(total.value, total.unit),
        _fed(item.today),
        _fed(item.month),
        month_name,
        "" if total is None else since(total.at),
        VALVES.get(valve),
        valve == "released",
    )
