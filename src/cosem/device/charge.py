"""Behaviour of a charge (class 113): what it costs, exactly, and what of that was collected.

A price is charge_per_unit * 10**price_scale of the currency for each 10**commodity_scale of the commodity in its unit
(a kWh is commodity_scale 3 of a register in Wh, whatever that register's scaler). Of two sources none says it in so
many words: a choice. Costs are kept as fractions, so that what is collected in whole amounts loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, Final

from cosem.classes.c113_charge import (
    Charge,
    ChargeConfiguration,
    ChargeTableElement,
    ChargeType,
    UnitCharge,
)
from cosem.classes.common import AttributeReference
from cosem.codec.axdr import Data, Tag
from cosem.device.credit import LARGEST, fits_in
from cosem.device.errors import Refused
from cosem.device.host import Host
from cosem.device.metering import STEP
from cosem.device.shown import NO_TIME, settled
from cosem.errors import ConfigError, DecodeError
from cosem.obis import Obis, obis
from cosem.results import ActionResult, DataAccessResult
from cosem.times import CosemDateTime

Counts = Mapping[bytes, int]
"""What a commodity stands at, in 1/3600 of its unit (Ws of Wh): by tariff, and under the empty index all of it."""
PARTS: Final = 3600
Meter = Callable[[AttributeReference], Counts | None]
"""Who knows what a commodity stands at; None for a reference to nothing that is counted."""

CONSUMPTION, TIME, PAYMENT = (
    ChargeType.CONSUMPTION_BASED_COLLECTION,
    ChargeType.TIME_BASED_COLLECTION,
    ChargeType.PAYMENT_EVENT_BASED_COLLECTION,
)
WHOLE: Final = 10_000
"""Proportions are counted in 1/10000."""
MAX_PRICES: Final = 64
"""More than any meter has tariffs; bounds what a client can make a meter hold."""
MAX_SCALE: Final = 12
"""The largest power of ten of a price, either way; bounds what a client can make a meter calculate."""


class ChargeBehaviour:
    """One charge. It knows what is due; the account takes that from the credits.

    `due` has accrued and is not collected yet. Of a charge that is not continuous there is `remaining`, beyond which
    nothing accrues. `scale` is that of the account's currency. `collectable` says whether it accrues by time at this
    moment; `changed` is told when a client changed something. A change of prices counts first what was used before it.
    An activation time in the past activates at once, as that of an activity calendar does.
    """

    def __init__(
        self,
        host: Host,
        name: str | Obis,
        kind: ChargeType,
        priority: int,
        prices: UnitCharge,
        meter: Meter,
        *,
        scale: int = 0,
        period: int = 0,
        configuration: ChargeConfiguration = ChargeConfiguration.CONTINUOUS_COLLECTION,
        remaining: int = 0,
        proportion: int = 0,
    ) -> None:
        self.host = host
        self.kind = kind
        self.scale = scale
        self.continuous = ChargeConfiguration.CONTINUOUS_COLLECTION in configuration
        self.percentage = ChargeConfiguration.PERCENTAGE_BASED_COLLECTION in configuration
        if not allowed(prices) or not 0 <= remaining <= LARGEST or not 0 <= proportion <= WHOLE:
            raise ConfigError(f"charge {name} has an amount or a proportion that no charge has")
        self.paid = 0
        self.due = Fraction(0)
        self.remaining = remaining
        self.collectable: Callable[[], bool] = lambda: True
        self.changed: Callable[[], None] = lambda: None
        self.running = False
        self._meter = meter
        self._prices = prices
        self._factor = self._scaled(prices)
        self._base: Counts | None = None
        self._since = host.now
        self._activation: int | None = None
        self._last: tuple[bytes, int] = (NO_TIME, 0)
        self.object = host.add(
            Charge(
                obis(name),
                charge_type=kind,
                priority=priority,
                unit_charge_active=prices,
                unit_charge_passive=prices,
                unit_charge_activation_time=CosemDateTime(),
                period=period,
                charge_configuration=configuration,
                proportion=proportion,
            )
        )
        for number, tag, make in (
            (2, Tag.DOUBLE_LONG, lambda: min(self.paid, LARGEST)),
            (10, Tag.DATE_TIME, lambda: self._last[0]),
            (11, Tag.DOUBLE_LONG, lambda: min(self._last[1], LARGEST)),
            (12, Tag.DOUBLE_LONG, lambda: min(self.outstanding, LARGEST)),
        ):
            host.compute(self.object, number, _maker(tag, make))
        host.handle(self.object, 1, self._update_prices)
        host.handle(self.object, 2, lambda parameter: self.activate())
        host.handle(self.object, 3, lambda parameter: self._collect())
        host.handle(self.object, 4, lambda by: self._remain(self.remaining + by))
        host.handle(self.object, 5, self._remain)
        host.writers(
            self.object,
            {
                3: settled,
                5: self._write_active,
                6: self._write_passive,
                7: self._write_activation,
                8: self._write_period,
                9: settled,
                13: self._write_proportion,
            },
        )

    def _values(self) -> dict[int, Data]:
        store: Any = self.object.store
        values: dict[int, Data] = store.values
        return values

    # --- what it is ----------------------------------------------------------------------------------------

    @property
    def name(self) -> Obis:
        """Return its logical name."""
        return self.object.obis

    @property
    def priority(self) -> int:
        """Return when it is collected among others, 1 first; 0 is never."""
        priority: int = self._values()[4].value
        return priority

    @property
    def period(self) -> int:
        """Return the seconds between collections; what follows consumption is collected each minute without one."""
        period: int = self._values()[8].value
        return period or (STEP if self.kind is CONSUMPTION else 0)

    @property
    def proportion(self) -> int:
        """Return the part of a payment that is collected, in 1/10000."""
        proportion: int = self._values()[13].value
        return proportion

    @property
    def outstanding(self) -> int:
        """Return what is still to be collected: of a debt all of it, else what has accrued in whole amounts."""
        return int(self.due) if self.continuous else self.remaining

    @property
    def whole(self) -> int:
        """Return what is due now, in whole amounts."""
        return int(self.due) if self.priority else 0

    @property
    def single(self) -> Fraction:
        """Return what one collection costs that follows no commodity: the first price of the table."""
        table = self._prices.charge_table
        price = table[0].charge_per_unit if table else 0
        return price * _power(self._prices.charge_per_unit_scaling.price_scale - self.scale)

    # --- accruing ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to accrue: what was used before costs nothing."""
        self.running = True
        self._base = self._count()
        self._since = self.host.now
        self._activate_in_time()

    def stop(self) -> None:
        """Cease to accrue; what is due stays due."""
        self.accrue()
        self.running = False

    def accrue(self) -> None:
        """Let become due what was used, or the periods that went by, up to now."""
        if not self.running:
            return
        if self.kind is CONSUMPTION:
            self._accrue(self._cost())
        elif self.kind is TIME and (period := self.period):
            periods = (self.host.now - self._since) // period
            self._since += periods * period
            if self.collectable():
                self._accrue(periods * self.single)

    def _scaled(self, prices: UnitCharge) -> Fraction:
        """Return what brings counts times prices to amounts of the account."""
        scaling = prices.charge_per_unit_scaling
        return _power(scaling.price_scale - self.scale - scaling.commodity_scale) / PARTS

    def _accrue(self, cost: Fraction) -> None:
        self.due += cost
        if not self.continuous:
            self.due = min(self.due, Fraction(self.remaining))

    def _count(self) -> Counts | None:
        return self._meter(self._prices.commodity_reference) if self.kind is CONSUMPTION else None

    def _cost(self) -> Fraction:
        """Return what was used since the last time costs; what no row of the table is for costs what the empty is."""
        counts, before = self._count(), self._base
        self._base = counts
        if counts is None or before is None:
            return Fraction(0)
        rest = counts[b""] - before.get(b"", counts[b""])
        cost = other = 0
        for index, price in self._prices.charge_table:
            if not index:
                other = price
            elif index in counts:
                used = counts[index] - before.get(index, counts[index])
                cost += used * price
                rest -= used
        return max(0, cost + rest * other) * self._factor

    def take(self, amount: int) -> None:
        """Know that this much was collected."""
        self.due -= amount
        self.collected(amount)

    def collected(self, amount: int) -> None:
        """Count what was collected, also of a payment, which was never due."""
        self.paid += amount
        if not self.continuous:
            self.remaining -= amount
            self.due = min(self.due, Fraction(self.remaining))
        self._last = (self.host.clock.local_octets(), amount)

    def of_payment(self, payment: int) -> int:
        """Return how much of a payment is collected by this charge: a part of it, or its price."""
        part = payment * self.proportion // WHOLE if self.percentage else int(self.single)
        if not self.continuous:
            part = min(part, self.remaining)
        return max(0, min(part, payment)) if self.priority else 0

    # --- prices --------------------------------------------------------------------------------------------

    def activate(self) -> None:
        """Let the prices to come hold."""
        self._use(self._values()[6])

    def _use(self, prices: Data) -> None:
        self.accrue()
        values = self._values()
        self._prices = Charge.attributes[5].type.from_data(prices)
        self._factor = self._scaled(self._prices)
        values[5] = prices
        self._base = self._count()
        self.changed()

    def _activate_in_time(self) -> None:
        if self._activation is not None and self._activation <= self.host.clock.now:
            self._activation = None
            self.activate()

    def due_at(self) -> int | None:
        """Return when there is something to do, in the simulation's time."""
        moments = []
        if self.running and self.kind is not PAYMENT and self.period:
            moments.append(self._since + self.period)
        if self._activation is not None:
            moments.append(self._activation - self.host.clock.offset)
        return min(moments, default=None)

    def look(self) -> None:
        """Accrue what a period, or the moment of new prices, has come for."""
        if self.running and self.kind is not PAYMENT and self.period:
            late = self.host.now - self._since
            if late >= self.period:
                self.accrue()
                if self.kind is CONSUMPTION:
                    self._since += late // self.period * self.period
        self._activate_in_time()

    # --- being set -----------------------------------------------------------------------------------------

    def _write_active(self, value: Data) -> DataAccessResult:
        if not self._usable(value):
            return DataAccessResult.OTHER_REASON
        self._use(value)
        return DataAccessResult.SUCCESS

    def _write_passive(self, value: Data) -> DataAccessResult:
        if not self._usable(value):
            return DataAccessResult.OTHER_REASON
        self._values()[6] = value
        return DataAccessResult.SUCCESS

    def _usable(self, value: Data) -> bool:
        prices: UnitCharge = Charge.attributes[5].type.from_data(value)
        counted = self.kind is not CONSUMPTION or self._meter(prices.commodity_reference) is not None
        return allowed(prices) and counted

    def _write_activation(self, value: Data) -> DataAccessResult:
        """Take when the prices to come hold: a moment, or nothing specified for never."""
        try:
            self._activation = moment_of(self.host, value)
        except DecodeError:
            return DataAccessResult.OTHER_REASON
        self._values()[7] = value
        self._activate_in_time()
        self.changed()
        return DataAccessResult.SUCCESS

    def _write_period(self, value: Data) -> DataAccessResult:
        """Take another period, which begins now; what went by of the old one and is whole has been counted."""
        self.look()
        self._values()[8] = value
        self._since = self.host.now
        self.changed()
        return DataAccessResult.SUCCESS

    def _write_proportion(self, value: Data) -> DataAccessResult:
        if value.value > WHOLE:
            return DataAccessResult.OTHER_REASON
        self._values()[13] = value
        return DataAccessResult.SUCCESS

    def _update_prices(self, rows: tuple[ChargeTableElement, ...]) -> None:
        """Change prices of those to come, each for a row that is there; all of them or none."""
        passive: UnitCharge = Charge.attributes[6].type.from_data(self._values()[6])
        table = {row.index: row for row in passive.charge_table}
        if not rows or any(row.index not in table for row in rows):
            raise Refused(ActionResult.OTHER_REASON)
        made = passive._replace(charge_table=tuple((table | {row.index: row for row in rows}).values()))
        if not allowed(made):
            raise Refused(ActionResult.OTHER_REASON)
        self._values()[6] = Charge.attributes[6].type.to_data(made)
        self.host.changed(self.object, 6)

    def _collect(self) -> None:
        """Collect now: what was used; or one period's price, and the next begins. What follows payments waits."""
        if self.kind is PAYMENT or not self.running:
            raise Refused(ActionResult.OTHER_REASON)
        self.accrue()
        if self.kind is TIME:
            self._accrue(self.single)
        self._since = self.host.now
        self.changed()

    def _remain(self, amount: int) -> None:
        """Set what remains of a debt; what is collected continuously has no end."""
        if self.continuous or amount < 0 or not fits_in(amount):
            raise Refused(ActionResult.OTHER_REASON)
        self.remaining = amount
        self.due = min(self.due, Fraction(amount))
        self.changed()


def allowed(prices: UnitCharge) -> bool:
    """Whether prices are such as a charge has: each index once, none below 0, scales in reach."""
    rows = prices.charge_table
    return (
        len(rows) <= MAX_PRICES
        and len({row.index for row in rows}) == len(rows)
        and all(row.charge_per_unit >= 0 for row in rows)
        and all(abs(scale) <= MAX_SCALE for scale in prices.charge_per_unit_scaling)
    )


def moment_of(host: Host, value: Data) -> int | None:
    """Return the UTC seconds of a date-time in octets, None where it specifies nothing. Raises `DecodeError`."""
    moment = CosemDateTime.from_octets(value.value)
    if all(field is None for field in moment[:8]):
        return None
    return host.clock.utc(moment)


def _power(exponent: int) -> Fraction:
    return Fraction(10**exponent) if exponent >= 0 else Fraction(1, 10**-exponent)


def _maker(tag: Tag, make: Callable[[], Any]) -> Callable[[], Data]:
    return lambda: Data(tag, make())
