"""The P1 port of a meter (DSMR 5): its telegram, a read-only view of the objects as they are, and when it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final, NamedTuple

from cosem.codec.axdr import Data, Tag
from cosem.companions.companion import CHANNELS
from cosem.device.host import Host
from cosem.obis import Obis
from cosem.pushes.p1 import P1Line, encode_p1
from cosem.times import ClockStatus, CosemDateTime
from cosem.units import Unit, scaled

VERSION: Final = "50"
"""DSMR 5.0, in 1-3:0.2.8."""
PERIOD: Final = 1
"""Seconds between two telegrams while data is requested (DSMR 5)."""
NO_LIMIT, NO_FUSE = Decimal("999.9"), Decimal(999)
"""What is shown where nothing limits: kW and A."""


class Shown(NamedTuple):
    """One line: its code, the class of the object of that name, and the form of its value."""

    code: Obis
    class_id: int
    form: str


class _Number(NamedTuple):
    """A number as text: digits in all, decimals, the power of ten of its unit, and the unit."""

    digits: int
    decimals: int
    exponent: int
    unit: str


_NUMBERS: Final = {
    "energy": _Number(9, 3, 3, "kWh"),
    "power": _Number(5, 3, 3, "kW"),
    "voltage": _Number(4, 1, 0, "V"),
    "current": _Number(3, 0, 0, "A"),
}
"""Forms of registers, as F9(3,3), F5(3,3), F4(1,1) and F3(0,0) of DSMR 5."""
_COUNTS: Final = {"tariff": 4, "count": 5, "type": 3, "state": 1}
"""Digits of whole numbers."""
_UNITS: Final = {
    Unit.CUBIC_METRE: _Number(8, 3, 0, "m3"),
    Unit.CUBIC_METRE_CORRECTED: _Number(8, 3, 0, "m3"),
    Unit.JOULE: _Number(8, 3, 9, "GJ"),
    Unit.WATT_HOUR: _Number(8, 3, 3, "kWh"),
}
"""Units of what M-Bus devices count; another one has no line."""


def _lines() -> Iterator[Shown]:
    table = [
        *((f"1-0:{channel}.8.{rate}", 3, "energy") for channel in (1, 2) for rate in (1, 2)),
        ("0-0:96.14.0", 1, "tariff"),
        ("1-0:1.6.0", 4, "maximum"),
        ("1-0:1.7.0", 3, "power"),
        ("1-0:2.7.0", 3, "power"),
        *((f"1-0:{32 + first}.7.0", 3, "voltage") for first in (0, 20, 40)),
        *((f"1-0:{31 + first}.7.0", 3, "current") for first in (0, 20, 40)),
        ("0-0:96.3.10", 70, "state"),
        ("0-0:17.0.0", 71, "limit"),
        ("1-0:31.4.0", 21, "fuse"),
        ("0-0:96.13.0", 1, "octets"),
    ]
    for channel in range(1, CHANNELS + 1):
        table += [
            (f"0-{channel}:24.1.0", 72, "type"),
            (f"0-{channel}:96.1.0", 1, "octets"),
            (f"0-{channel}:24.2.1", 4, "reading"),
            (f"0-{channel}:24.4.0", 70, "state"),
        ]
    return (Shown(Obis.parse(code), class_id, form) for code, class_id, form in table)


LINES: Final = tuple(_lines())
"""What a customer sees, in this order; of an object that is not there is no line."""
_ATTRIBUTES: Final = {70: 3, 71: 3, 72: 9}
"""The attribute that is shown where it is not the value (2): control state, active threshold, device type."""
_FUSED: Final = Obis.parse("1-0:31.7.0")
"""The current that the fuse threshold is compared with: its scaler is the threshold's."""
_MONITORED: Final = (3, Obis.parse("1-0:1.7.0"))
"""The power that the limiter watches."""
_NUMBER: Final = Shown(Obis.parse("0-0:96.1.0"), 1, "octets")
"""The meter's number, which telegrams have as 0-0:96.1.1."""


class P1Port:
    """The port. While data is requested a telegram goes out every second; without a request nothing is done."""

    def __init__(self, host: Host, identification: str) -> None:
        self.host = host
        self.identification = identification
        self._take: Callable[[bytes], None] | None = None
        self._due = 0
        host.schedule(self)

    def request(self, take: Callable[[bytes], None]) -> None:
        """Raise Data Request: `take` has a telegram every second, the first one after a second."""
        self._take = take
        self._due = self.host.now + PERIOD

    def release(self) -> None:
        """Lower Data Request: no telegram follows."""
        self._take = None

    def next_time(self) -> int | None:
        """Return when the next telegram is due."""
        return None if self._take is None else self._due

    def act(self, now: int) -> None:
        """Send a telegram."""
        self._due = now + PERIOD
        if self._take is not None:
            self._take(self.telegram())

    def telegram(self) -> bytes:
        """Return the telegram of this moment."""
        head = [P1Line(Obis.parse("1-3:0.2.8"), (VERSION,))]
        if (now := stamp(self.host.clock.local_octets())) is not None:
            head.append(P1Line(Obis.parse("0-0:1.0.0"), (now,)))
        if (number := show(self.host, _NUMBER)) is not None:
            head.append(P1Line(Obis.parse("0-0:96.1.1"), number.values))
        lines = (line for item in LINES if (line := show(self.host, item)) is not None)
        return encode_p1(self.identification, [*head, *lines])


def show(host: Host, item: Shown) -> P1Line | None:
    """Return the line of an object, None where it is not there or has no value of that form."""
    name, class_id, form = item
    if host.find(name, class_id) is None or _vacant(host, name):
        return None
    data = host.read(class_id, name, _ATTRIBUTES.get(class_id, 2))
    if form in ("octets", "limit", "fuse"):
        made: dict[str, Callable[[], str | None]] = {
            "octets": lambda: _octets(data),
            "limit": lambda: _limit(host, data),
            "fuse": lambda: _fuse(host, data),
        }
        text = made[form]()
        return None if text is None else P1Line(name, (text,))
    if data is None or isinstance(data.value, bool) or not isinstance(data.value, (int, float)):
        return None
    if form in _COUNTS:
        return P1Line(name, (f"{int(data.value):0{_COUNTS[form]}d}",))
    if form in ("maximum", "reading"):
        return _dated(host, item, data)
    return P1Line(name, (_number(_scaled(host, class_id, name, data.value), _NUMBERS[form]),))


def _vacant(host: Host, name: Obis) -> bool:
    """Whether an object belongs to a M-Bus channel on which there is no device."""
    client = Obis(bytes((0, name[1], 24, 1, 0, 255)))
    identification = host.read(72, client, 6) if name[1] else None
    return identification is not None and not identification.value


def _dated(host: Host, item: Shown, data: Data) -> P1Line | None:
    """Return a value with the time it is of: the value may be old, and its time tells so."""
    captured = host.read(item.class_id, item.code, 5)
    at = None if captured is None or not isinstance(captured.value, bytes) else stamp(captured.value)
    number = _NUMBERS["power"]
    if item.form == "reading":
        unit = host.read(item.class_id, item.code, 3, 2)
        found = None if unit is None else _UNITS.get(unit.value)
        if found is None:
            return None
        number = found
    if at is None:
        return None
    return P1Line(item.code, (at, _number(_scaled(host, item.class_id, item.code, data.value), number)))


def stamp(octets: bytes) -> str | None:
    """Return a date-time as YYMMDDhhmmss with S in summer and W in winter; None where it is not all specified."""
    if len(octets) != 12:
        return None
    moment = CosemDateTime.from_octets(octets)
    parts = (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second)
    if None in parts or not moment.in_range:
        return None
    year, *rest = (int(part or 0) for part in parts)
    summer = (moment.clock_status or 0) & ClockStatus.DAYLIGHT_SAVING
    return f"{year % 100:02d}" + "".join(f"{part:02d}" for part in rest) + ("S" if summer else "W")


def _scaled(host: Host, class_id: int, name: Obis, value: Any) -> Decimal:
    scaler = host.read(class_id, name, 3, 1)
    return scaled(value, 0 if scaler is None else scaler.value)


def _number(value: Decimal, number: _Number) -> str:
    """Return a number with leading zeros; one with too many digits shows the last, as a mechanical register does."""
    digits, decimals, exponent, unit = number
    shown = (abs(value).scaleb(-exponent) % Decimal(10) ** (digits - decimals)).quantize(
        Decimal(1).scaleb(-decimals), ROUND_DOWN
    )
    return f"{shown:0{digits + (1 if decimals else 0)}f}*{unit}"


def _octets(data: Data | None) -> str | None:
    return data.value.hex().upper() if data is not None and data.tag is Tag.OCTET_STRING else None


def _limit(host: Host, data: Data | None) -> str:
    """Return the threshold that holds now, of power whatever the limiter watches otherwise."""
    monitored = host.read(71, Obis.parse("0-0:17.0.0"), 2)
    watched = None if monitored is None else tuple(part.value for part in monitored.value)[:2]
    if data is None or watched != (_MONITORED[0], bytes(_MONITORED[1])):
        return f"{NO_LIMIT:05.1f}*kW"
    power = _scaled(host, *_MONITORED, data.value).scaleb(-3).quantize(Decimal("0.1"), ROUND_DOWN)
    return f"{min(power, NO_LIMIT):05.1f}*kW"


def _fuse(host: Host, data: Data | None) -> str:
    thresholds = () if data is None else data.value
    if not thresholds:
        return f"{NO_FUSE:03.0f}*A"
    current = _scaled(host, 3, _FUSED, thresholds[0].value).quantize(Decimal(1), ROUND_DOWN)
    return f"{min(current, NO_FUSE):03.0f}*A"
