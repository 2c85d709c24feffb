"""Behaviour of a credit (class 112): an amount, the state it is in, and how it gets from one to another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from cosem.classes.c112_credit import Credit, CreditConfiguration, CreditStatus, CreditType
from cosem.codec.axdr import Data, Tag
from cosem.device.causes import Cause
from cosem.device.errors import Refused
from cosem.device.host import Host
from cosem.device.shown import settled
from cosem.errors import ConfigError
from cosem.obis import Obis, obis
from cosem.results import ActionResult, DataAccessResult
from cosem.times import CosemDateTime

ENABLED, SELECTABLE, SELECTED, IN_USE, CONSUMED = (
    CreditStatus.ENABLED,
    CreditStatus.SELECTABLE,
    CreditStatus.SELECTED_OR_INVOKED,
    CreditStatus.IN_USE,
    CreditStatus.CONSUMED,
)

TRANSITIONS: Final[Mapping[tuple[CreditStatus, CreditStatus], str]] = {
    (ENABLED, SELECTABLE): "the credits before it run out, and it wants to be confirmed",
    (SELECTABLE, ENABLED): "there is enough again before it was confirmed",
    (SELECTABLE, SELECTED): "confirmed",
    (SELECTED, ENABLED): "there is enough again before it was used",
    (SELECTED, IN_USE): "the credits before it are consumed",
    (ENABLED, IN_USE): "the credits before it are consumed, and it needs no confirmation",
    (IN_USE, ENABLED): "a credit before it can be used again",
    (IN_USE, CONSUMED): "its amount reached its limit",
    (CONSUMED, ENABLED): "it has an amount again, or was paid back",
}
"""The states a credit goes between, with what takes it there. No source has the diagram whole: a choice."""

LARGEST: Final = 0x7FFF_FFFF


def fits_in(amount: int) -> bool:
    """Whether a double-long holds an amount."""
    return -LARGEST - 1 <= amount <= LARGEST


class CreditBehaviour:
    """One credit. The account decides when it is used; `changed` is told when a client changed its amount or state.

    `lent` is what `invoke_credit` added: of a credit that has to be paid back it is taken away again once it was.
    `active` says whether its account is. `moved` hears of every transition.
    """

    def __init__(
        self,
        host: Host,
        name: str | Obis,
        kind: CreditType,
        priority: int,
        configuration: CreditConfiguration,
        *,
        amount: int = 0,
        limit: int = 0,
        warning: int = 0,
        preset: int = 0,
        available_again: int = 1,
    ) -> None:
        if not all(map(fits_in, (amount, limit, warning, preset, available_again))):
            raise ConfigError(f"an amount of {name} is too large")
        self.host = host
        self.amount = amount
        self.status = ENABLED
        self.lent = 0
        self._configuration = configuration
        self.changed: Callable[[], None] = lambda: None
        self.active: Callable[[], bool] = lambda: True
        self.moved: list[Callable[[CreditStatus, CreditStatus], None]] = []
        self.object = host.add(
            Credit(
                obis(name),
                credit_type=kind,
                priority=priority,
                warning_threshold=warning,
                limit=limit,
                credit_configuration=configuration,
                credit_status=ENABLED,
                preset_credit_amount=preset,
                credit_available_threshold=available_again,
                period=CosemDateTime(),
            )
        )
        host.compute(self.object, 2, lambda: Data(Tag.DOUBLE_LONG, self.amount))
        host.compute(self.object, 8, lambda: Data(Tag.ENUM, int(self.status)))
        host.handle(self.object, 1, self._update)
        host.handle(self.object, 2, self._set)
        host.handle(self.object, 3, lambda parameter: self.invoke())
        # Its type is what it is, and no amount is set anew by the calendar here.
        host.writers(self.object, {3: settled, 7: self._configure, 11: settled})

    # --- what it is ----------------------------------------------------------------------------------------

    def _value(self, number: int) -> int:
        store: Any = self.object.store
        value: int = store.values[number].value
        return value

    @property
    def name(self) -> Obis:
        """Return its logical name."""
        return self.object.obis

    @property
    def priority(self) -> int:
        """Return when it is used, 1 first; 0 is never."""
        return self._value(4)

    @property
    def warning(self) -> int:
        """Return the amount at which a warning is given."""
        return self._value(5)

    @property
    def limit(self) -> int:
        """Return the amount at which it is consumed."""
        return self._value(6)

    @property
    def preset(self) -> int:
        """Return what is added when it is confirmed."""
        return self._value(9)

    def has(self, flag: CreditConfiguration) -> bool:
        """Whether it is configured so."""
        return flag in self._configuration

    @property
    def confirmed_first(self) -> bool:
        """Whether somebody has to confirm it before it is used."""
        return self.has(CreditConfiguration.REQUIRES_CONFIRMATION_BEFORE_SELECTION)

    def _configure(self, value: Data) -> DataAccessResult:
        store: Any = self.object.store
        store.values[7] = value
        self._configuration = Credit.attributes[7].type.from_data(value)
        return DataAccessResult.SUCCESS

    @property
    def left(self) -> int:
        """Return what may still be taken."""
        return max(0, self.amount - self.limit)

    @property
    def owed(self) -> int:
        """Return what has to be paid back before it can be lent again."""
        if not self.lent or not self.has(CreditConfiguration.REQUIRES_CREDIT_TO_BE_PAID_BACK):
            return 0
        return max(0, self.lent - self.amount)

    @property
    def to_offer(self) -> int:
        """Return what there would be to take, were it confirmed."""
        return max(0, self.amount + (0 if self.lent else self.preset) - self.limit)

    @property
    def usable_again(self) -> bool:
        """Whether, once consumed, it comes back: paid back, or above the threshold that says so."""
        if self.lent and self.has(CreditConfiguration.REQUIRES_CREDIT_TO_BE_PAID_BACK):
            return not self.owed
        return self.left > 0 and self.amount >= self._value(10)

    # --- what moves it -------------------------------------------------------------------------------------

    def move(self, status: CreditStatus) -> None:
        """Go to another state. Raises `ValueError` where no transition leads there."""
        before = self.status
        if (before, status) not in TRANSITIONS:
            raise ValueError(f"no credit goes from {before.name} to {status.name}")
        self.status = status
        self.settle_loan()
        for told in self.moved:
            told(before, status)

    def settle_loan(self) -> None:
        """Take away again what was lent, where it has to be paid back and was, and nobody uses it."""
        to_pay_back = self.has(CreditConfiguration.REQUIRES_CREDIT_TO_BE_PAID_BACK)
        if self.status is ENABLED and self.lent and to_pay_back and not self.owed:
            self.amount -= self.lent
            self.lent = 0

    def invoke(self) -> None:
        """Confirm a credit that is offered. Raises `Refused` for one that is not, or whose account is not active."""
        if self.status is not SELECTABLE or not self.active():
            raise Refused(ActionResult.OTHER_REASON)
        if not self.lent and self.preset > 0:
            if not fits_in(self.amount + self.preset):
                raise Refused(ActionResult.OTHER_REASON)
            self.lent = self.preset
            self.amount += self.preset
        self.move(SELECTED)
        self.host.note(Cause.EMERGENCY_CREDIT_SELECTED, credit=self.name)
        self.changed()

    def _update(self, by: int) -> None:
        """Add to the amount, or take from it."""
        if not fits_in(self.amount + by):
            raise Refused(ActionResult.OTHER_REASON)
        self.amount += by
        if by > 0:
            self.host.note(Cause.CREDIT_ADDED, credit=self.name, amount=by)
        self.changed()

    def _set(self, amount: int) -> None:
        """Set the amount where the configuration allows it; nothing is lent then."""
        if not self.has(CreditConfiguration.RESETTABLE):
            raise Refused(ActionResult.OTHER_REASON)
        added, self.amount, self.lent = amount - self.amount, amount, 0
        if added > 0:
            self.host.note(Cause.CREDIT_ADDED, credit=self.name, amount=added)
        self.changed()
