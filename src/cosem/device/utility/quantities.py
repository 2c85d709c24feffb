"""What a simulated utility meter puts into a record: the sources that a model names, as raw values of the record.

Sources: ``amount``, ``reverse``, ``energy``, ``rate``, ``power``, ``warm``, ``cold``, ``difference``, ``clock``,
``identification``, ``battery_days``, ``flags``, ``valve``, ``due amount`` (energy, time), ``due date``,
``hour N amount`` (day, month; energy, time; N = 1 is the last one), ``number N`` and ``stored NAME``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from cosem.device.utility.meter import Kept, Medium, Status, Tamper, UtilityMeter, Valve
from cosem.errors import ConfigError, EncodeError
from cosem.mbus import values
from cosem.mbus.dib import BCD, INTEGERS, SIZES, DataField
from cosem.mbus.model import Field
from cosem.mbus.moments import NO_DATE, Moment
from cosem.mbus.record import Head, Record
from cosem.mbus.vif_tables import Kind


class Amount(NamedTuple):
    """A number with its power of ten and unit, as a VIB has them."""

    number: int
    exponent: int
    unit: str


Quantity = Amount | datetime | date | int | str | bytes | None
"""What a source gives: None where there is nothing to say (yet)."""
VALVE_NUMBERS: Final = {Valve.CLOSED: 0, Valve.OPEN: 1, Valve.RELEASED: 2}
FLAGS: Final[Mapping[str, Callable[[UtilityMeter], bool]]] = {
    "battery low": lambda meter: Status.POWER_LOW in meter.status,
    "fault": lambda meter: meter.faulty,
    "valve stuck": lambda meter: meter.settings.valve and meter.stuck,
    **{what.value: lambda meter, what=what: what in meter.tampered or what in meter.fraud for what in Tamper},  # type: ignore[misc]
}
"""What the bits of error flags can stand for, by the words in a model."""
_PERIODS: Final = ("hour", "day", "month")
_WHICH: Final = ("amount", "energy", "time")


@dataclass(slots=True)
class Sources:
    """The sources of one meter. `flags` are its model's, `stored` what was written into it by name."""

    meter: UtilityMeter
    flags: Sequence[str] = ()
    stored: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for word in self.flags:
            if word not in FLAGS:
                raise ConfigError(f"flag {word!r} is none of {', '.join(FLAGS)}")

    def raised(self) -> int:
        """Return the error flags as a number."""
        return sum(FLAGS[word](self.meter) << bit for bit, word in enumerate(self.flags))

    def quantity(self, source: str) -> Quantity:
        """Return what a source gives now. Raises `ConfigError` for one that there is not."""
        meter = self.meter
        plain = _PLAIN.get(source)
        if plain is not None:
            return plain(meter)
        match source.split():
            case ["flags"]:
                return self.raised()
            case ["number", number] if number.isdecimal():
                return int(number)
            case ["stored", name]:
                return self.stored.get(name, b"")
            case ["due", which] if which in _WHICH:
                return self._kept(meter.kept_due, which)
            case [period, number, which] if period in _PERIODS and number.isdecimal() and which in _WHICH:
                kept = meter.kept[period]
                if 0 < int(number) <= (kept.maxlen or 0):
                    return self._kept(kept[-int(number)] if int(number) <= len(kept) else None, which)
        raise ConfigError(f"{source!r} is nothing that a utility meter has")

    def _kept(self, kept: Kept | None, which: str) -> Quantity:
        if kept is None:
            return None
        if which == "time":
            local = datetime.fromtimestamp(kept.time, UTC).replace(tzinfo=None)
            return local + timedelta(minutes=self.meter.settings.zone)
        return _counted(self.meter, kept.amount) if which == "amount" else Amount(kept.energy, 0, "J")

    def record(self, item: Field) -> Record:
        """Return the record of a field, of what its source gives now. Raises `ConfigError` for a field without one."""
        if item.source is None:
            raise ConfigError(f"field {item.name}: nothing is said of what a simulated meter sends")
        return Record(item.head, octets_of(item.head, self.quantity(item.source), item.name))


def _counted(meter: UtilityMeter, number: int) -> Amount:
    return Amount(number, 0, "J") if meter.settings.medium is Medium.ELECTRICITY else Amount(number, -6, "m³")


def _rate(meter: UtilityMeter) -> Amount:
    electric = meter.settings.medium is Medium.ELECTRICITY
    return Amount(meter.rate, 0, "W") if electric else Amount(meter.rate, -6, "m³/h")


def _due_date(meter: UtilityMeter) -> bytes:
    """Type G: this day of every year."""
    month, day = meter.due
    return bytes((0xE0 | day, 0xF0 | month))


_PLAIN: Final[Mapping[str, Callable[[UtilityMeter], Quantity]]] = {
    "amount": lambda meter: _counted(meter, meter.amount),
    "reverse": lambda meter: _counted(meter, meter.reverse),
    "energy": lambda meter: Amount(meter.energy, 0, "J"),
    "rate": _rate,
    "power": lambda meter: Amount(meter.power, 0, "W"),
    "warm": lambda meter: Amount(meter.flow.warm, -2, "°C"),
    "cold": lambda meter: Amount(meter.flow.cold, -2, "°C"),
    "difference": lambda meter: Amount(meter.flow.warm - meter.flow.cold, -2, "K"),
    "clock": lambda meter: meter.local(),
    "identification": lambda meter: int(meter.settings.identification),
    "battery_days": lambda meter: meter.battery_days,
    "valve": lambda meter: VALVE_NUMBERS[meter.valve],
    "due date": _due_date,
}


def octets_of(head: Head, quantity: Quantity, name: str = "") -> bytes:
    """Return the data of a record: scaled down to its power of ten, rolled over where its digits end.

    What is not there is sent as the types say it (Annex A), a moment as FFFFh. Raises `ConfigError` where a record does
    not fit what it is to carry.
    """
    kind, data_field = head.vib.kind, head.dib.field
    size = SIZES[data_field]
    if quantity is None:
        return _nothing(head)
    if isinstance(quantity, bytes):
        if size < 0:
            return bytes((len(quantity),)) + quantity
        if len(quantity) != size:
            raise ConfigError(f"{name}: {len(quantity)} octets are no value of {size}")
        return quantity
    if isinstance(quantity, date):
        types = {2: "G", 4: "F", 6: "I"}
        if kind is not Kind.MOMENT or size not in types:
            raise ConfigError(f"{name}: this record holds no date")
        try:
            return Moment.of(types[size], quantity).octets
        except EncodeError:
            # Somebody has set the clock to a year that this type does not know.
            return _nothing(head)
    raw = quantity if isinstance(quantity, str) else _raw(head, quantity, name)
    if isinstance(raw, int) and raw >= 0 and size > 0:
        raw %= 10 ** (2 * size) if data_field in BCD else 1 << (8 * size - (kind is Kind.SIGNED))
    return values.encode(data_field, kind, raw)


def _raw(head: Head, quantity: Amount | int, name: str) -> int:
    if isinstance(quantity, int):
        return quantity
    number, exponent, unit = quantity
    vib = head.vib
    shift = exponent - vib.exponent
    divisor = 1
    if (unit, vib.unit) == ("J", "Wh"):
        divisor = 3600
    elif unit != vib.unit:
        raise ConfigError(f"{name}: {unit} does not fit a record in {vib.unit}")
    power: int = 10 ** abs(shift)
    return number * power // divisor if shift >= 0 else number // (divisor * power)


def _nothing(head: Head) -> bytes:
    data_field, kind = head.dib.field, head.vib.kind
    size = SIZES[data_field]
    if size < 0:
        return b"\0"
    if kind is Kind.MOMENT and size in (2, 4):
        return (b"\x80\0" if size == 4 else b"") + NO_DATE
    if data_field in INTEGERS and kind is Kind.SIGNED:
        return b"\0" * (size - 1) + b"\x80"
    return b"\0\0\xc0\x7f" if data_field is DataField.REAL_32 else b"\xff" * size
