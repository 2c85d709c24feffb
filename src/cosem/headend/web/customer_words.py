"""The words of a household's page, for people who know no OBIS code: how long ago, what an alarm means, what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from cosem.headend.happenings import AlarmRow
from cosem.headend.web.text import number

MINUTE, HOUR = 60, 3600


class Supply(StrEnum):
    """How the supply is, as the page tells it apart."""

    ON = "on"
    OFF = "off"
    READY = "ready"
    DARK = "dark"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SupplyWords:
    """What is said of the supply: in short, why, and what to do. `steps` are in the order they are done."""

    short: str
    why: str = ""
    steps: tuple[str, ...] = ()


SUPPLY: Final = {
    Supply.ON: SupplyWords("Electricity is on"),
    Supply.OFF: SupplyWords(
        "Disconnected",
        "Your electricity was switched off from afar. It stays off until your supplier releases it again.",
        ("There is nothing that you can do at the meter: call your supplier.",),
    ),
    Supply.READY: SupplyWords(
        "Disconnected, ready for reconnection",
        "Your electricity is off, and you may switch it on again.",
        (
            "Switch off what draws much: cooker, oven, heaters, kettle. Too much at once may be why it went off.",
            "Make sure that nothing dangerous starts by itself.",
        ),
    ),
    Supply.DARK: SupplyWords(
        "No power arrives",
        "Nothing comes to your meter: the network has a fault, or the fuse before the meter is out.",
        (
            "Look whether your neighbours have light. If they have none, wait: the network operator mends it.",
            "If they have, call the network operator.",
            "Leave fridge and freezer shut.",
        ),
    ),
    Supply.UNKNOWN: SupplyWords("Not known", "The meter has not told yet whether electricity is on."),
}
AT_THE_METER: Final = (
    "Go to your meter and push its button until the display says that it is connected. "
    "Nobody can push it from afar, and that is for your safety."
)
VALVES: Final = {
    "closed": (
        "Valve closed",
        "Nothing flows behind this valve. It stays so until your supplier releases it.",
    ),
    "released": (
        "Valve released",
        "You may open it again. First make sure that every appliance is off and every tap shut.",
    ),
}
AT_THE_VALVE: Final = "Then push the button at the meter. Nobody can push it from afar, and that is for your safety."

_TELL: Final = "If you know nothing of it, tell your supplier."
_NOTHING: Final = "You need to do nothing: your supplier sees to it."
_PLAIN: Final = (
    ("fraud attempt", "The meter noticed that somebody opened it or held a magnet to it.", _TELL),
    ("cover", "A cover of the meter was opened.", _TELL),
    ("magnet", "A strong magnet was held to the meter.", _TELL),
    ("tamper", "The meter noticed that somebody was at it.", _TELL),
    ("neutral missing", "The neutral wire is missing. The voltage at your sockets may be wrong.",
     "Unplug what is precious, and call the network operator now."),
    ("valve alarm", "A valve does not do as it should.", "Do not touch it, and call your supplier."),
    ("voltage missing", "One of the three phases has no voltage.",
     "Some sockets may be dead: call the network operator."),
    ("phase outage", "One of the three phases has no voltage.", "Some sockets may be dead: call the network operator."),
    ("voltage", "The voltage was not as it should be.", "If lamps flicker, call the network operator."),
    ("power down", "The power failed.", "If it is back, you need to do nothing."),
    ("last gasp", "The power failed.", "If it is back, you need to do nothing."),
    ("current reversal", "Energy flows the wrong way through one phase.", _NOTHING),
    ("unexpected consumption", "Energy was drawn where nobody should draw any.", _TELL),
    ("disconnect or reconnect failure", "The meter could not switch.", _NOTHING),
    ("battery", "A battery is nearly empty.", _NOTHING),
    ("communication error", "A meter of gas, water or heat was not heard.", _NOTHING),
    ("clock invalid", "The meter does not know the time.", _NOTHING),
)  # fmt: skip
"""Words of alarms that concern who lives there, what they mean, and what to do. The first that fits counts."""


@dataclass(frozen=True, slots=True)
class Plain:
    """An alarm in plain words."""

    words: str
    advice: str
    at: int


def plain(rows: Iterable[AlarmRow], most: int = 6) -> list[Plain]:
    """Return the alarms that concern a household, each thing once, the newest first. Others are the utility's."""
    found: dict[str, Plain] = {}
    for row in sorted(rows, key=lambda row: row.last, reverse=True):
        known = next((item for item in _PLAIN if item[0] in row.kind), None)
        if known is not None:
            found.setdefault(known[1], Plain(known[1], known[2], row.last))
    return list(found.values())[:most]


def ago(now: int, at: int | None, zone: ZoneInfo) -> str:
    """Return how long ago something was, as people say it; nothing for what never was."""
    if at is None:
        return ""
    seconds = max(0, now - at)
    if seconds < MINUTE:
        return "just now"
    if seconds < HOUR:
        return _many(seconds // MINUTE, "minute")
    local, today = _local(at, zone), _local(now, zone).date()
    if local.date() == today or seconds < 6 * HOUR:
        return _many(seconds // HOUR, "hour")
    if (today - local.date()).days == 1:
        return f"yesterday at {local:%H:%M}"
    return f"{local.day} {local:%B %Y}, {local:%H:%M}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''} ago"


def day_words(at: int, zone: ZoneInfo) -> str:
    """Return a local day of this year, in short."""
    local = _local(at, zone)
    return f"{local.day} {local:%B}"


def _local(at: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(at, UTC).astimezone(zone)


def watts(value: Decimal | int) -> tuple[str, str]:
    """Return a power as people read it: watts up to a thousand, kilowatts from there."""
    exact = Decimal(value)
    if abs(exact) < 1000:
        return rounded(exact, 0), "W"
    return rounded(exact.scaleb(-3), 2 if abs(exact) < 10_000 else 1), "kW"


def rounded(exact: Decimal, places: int) -> str:
    """Return a number with so many decimals; a half is rounded up, as people expect it."""
    return number(exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP), places)


_UNITS: Final = {"Wh": ("kWh", -3, 1), "J": ("GJ", -9, 3), "m³": ("m³", 0, 3)}


def amount(value: str | Decimal, unit: str) -> tuple[str, str]:
    """Return what was used as people read it: kWh, GJ, cubic metres."""
    shown, power, places = _UNITS.get(unit, (unit, 0, 3))
    exact = Decimal(value).scaleb(power)
    return rounded(exact, places + (shown == "kWh" and abs(exact) < 100)), shown
