"""Behaviour of an account (class 111): charges are taken from credits, and without credit there is no supply.

Amounts are whole; what a charge has accrued and no credit paid stays due with the charge and is taken first from what
comes. So at every moment: all that came in = what the credits hold + what was collected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from cosem.classes.c111_account import (
    Account,
    AccountModeAndStatus,
    AccountStatus,
    CollectionConfiguration,
    CreditChargeConfiguration,
    Currency,
    CurrentCreditStatus,
    PaymentMode,
    TokenGatewayConfiguration,
)
from cosem.classes.c112_credit import Credit, CreditConfiguration
from cosem.classes.c113_charge import Charge
from cosem.codec.axdr import Data, Tag
from cosem.device.causes import Cause, Happening
from cosem.device.charge import PAYMENT, ChargeBehaviour, moment_of
from cosem.device.credit import CONSUMED, ENABLED, IN_USE, LARGEST, SELECTABLE, SELECTED, CreditBehaviour, fits_in
from cosem.device.disconnector import CONNECTED, Command, Disconnector
from cosem.device.errors import Refused
from cosem.device.host import Host
from cosem.device.shown import settled
from cosem.errors import ConfigError, DecodeError
from cosem.obis import Obis, obis
from cosem.results import ActionResult, DataAccessResult
from cosem.times import CosemDateTime

NEW, ACTIVE, CLOSED = AccountStatus.NEW_INACTIVE, AccountStatus.ACTIVE, AccountStatus.CLOSED

TRANSITIONS: Final[Mapping[tuple[AccountStatus, AccountStatus], str]] = {
    (NEW, ACTIVE): "activated, by its method or when its time has come",
    (ACTIVE, CLOSED): "closed, by its method or when its time has come",
}
"""The states of an account. There is no way back: `reset_account` is not offered."""
_CLASSES: Final = (Account.class_id, Credit.class_id, Charge.class_id)
_USED_IN: Final = (ENABLED, SELECTED, IN_USE)


class AccountBehaviour:
    """One account with its credits and charges.

    `less_debt`: available_credit is what can be used less aggregated_debt; otherwise what can be used alone (two public
    accounts of the attribute differ). `low` is whether the warning was given; `cut` whether the account disconnected.
    current_credit_in_use counts from 1, 0 is none. Only in prepayment mode the supply depends on the credit; it is
    opened by a local command, and closed by one, where the control mode has that, else somebody presses the button. A
    contact that is closed without credit is opened again. Of the conditions of collection only the one about the supply
    is acted upon: load limiting and friendly credit periods are nothing this meter has.
    """

    def __init__(
        self,
        host: Host,
        name: str | Obis,
        credits_: Sequence[CreditBehaviour],
        charges: Sequence[ChargeBehaviour],
        disconnector: Disconnector,
        currency: Currency,
        *,
        mode: PaymentMode = PaymentMode.PREPAYMENT_MODE,
        low: int = 0,
        offer: int = 0,
        less_debt: bool = True,
        collection: Sequence[CreditChargeConfiguration] = (),
    ) -> None:
        self.host = host
        self.credits = tuple(credits_)
        self.charges = tuple(charges)
        self.disconnector = disconnector
        self.less_debt = less_debt
        self.status = NEW
        self.mode = mode
        self.low = False
        self.out = False
        self.cut = False
        self._disturbed = False
        self._restless = False
        self._due: int | None = None
        self._order: list[CreditBehaviour] | None = None
        self._looking = False
        self._provided = 0
        self._provision_since = host.now
        self._moments: dict[int, int | None] = {13: None, 14: None}
        names = ([item.name for item in self.credits], [item.name for item in self.charges])
        if not self.credits or len({*names[0], *names[1]}) != len(self.credits) + len(self.charges):
            raise ConfigError(f"account {name} needs credits, and each credit and charge once")
        self.object = host.add(
            Account(
                obis(name),
                clearance_threshold=0,
                credit_reference_list=tuple(names[0]),
                charge_reference_list=tuple(names[1]),
                credit_charge_configuration=tuple(collection),
                account_activation_time=CosemDateTime(),
                account_closure_time=CosemDateTime(),
                currency=currency,
                low_credit_threshold=low,
                next_credit_available_threshold=offer,
                max_provision_period=0,
            )
        )
        self._rules: dict[tuple[Obis, Obis], CollectionConfiguration] = {}
        self._use_rules(collection)
        self._attributes()
        for credit in self.credits:
            credit.changed = self.changed
            credit.active = lambda: self.active
        for charge in self.charges:
            charge.changed = self.changed
            charge.collectable = self._collectable(charge)
        host.clock.on_jump.append(lambda old, new: self.disturb())
        disconnector.moved.append(lambda closed: self.disturb())
        host.causes.listeners.append(self._happened)
        host.device.on_write.append(self._written)
        host.schedule(self)

    def _attributes(self) -> None:
        host = self.host
        kind = Account.attributes[2].type
        for number, make in (
            (2, lambda: kind.to_data(AccountModeAndStatus(self.mode, self.status))),
            (3, lambda: Data(Tag.UNSIGNED, self._index())),
            (4, lambda: Account.attributes[4].type.to_data(self.flags)),
            (5, lambda: _shown(self.available)),
            (6, lambda: _shown(self.to_clear)),
            (8, lambda: _shown(self.debt)),
        ):
            host.compute(self.object, number, make)
        host.handle(self.object, 1, lambda parameter: self.activate())
        host.handle(self.object, 2, lambda parameter: self.close())
        host.writers(
            self.object,
            {
                2: self._write_mode,
                **dict.fromkeys((9, 10, 15), settled),
                11: self._write_collection,
                12: self._write_shares,
                13: self._writer_of_moment(13),
                14: self._writer_of_moment(14),
                **{number: self._taker(number) for number in (16, 17)},
            },
        )

    def _values(self) -> dict[int, Data]:
        store: Any = self.object.store
        values: dict[int, Data] = store.values
        return values

    def _number(self, attribute: int) -> int:
        number: int = self._values()[attribute].value
        return number

    # --- how it stands -------------------------------------------------------------------------------------

    @property
    def active(self) -> bool:
        """Whether charges are collected and tokens taken."""
        return self.status is ACTIVE

    @property
    def in_order(self) -> list[CreditBehaviour]:
        """Return the credits in the order in which they are used; those of priority 0 are not."""
        if self._order is None:
            self._order = sorted((item for item in self.credits if item.priority), key=lambda item: item.priority)
        return self._order

    @property
    def in_use(self) -> CreditBehaviour | None:
        """Return the credit in use."""
        return next((item for item in self.credits if item.status is IN_USE), None)

    def _index(self) -> int:
        used = self.in_use
        return 0 if used is None else self.credits.index(used) + 1

    @property
    def usable(self) -> int:
        """Return the sum of what may be taken from the credits without anybody's confirmation."""
        return sum(item.left for item in self.in_order if item.status in _USED_IN and self._ready(item))

    @staticmethod
    def _ready(credit: CreditBehaviour) -> bool:
        return credit.status in (SELECTED, IN_USE) or not credit.confirmed_first

    @property
    def debt(self) -> int:
        """Return the sum of what the charges still want."""
        return sum(item.outstanding for item in self.charges)

    @property
    def available(self) -> int:
        """Return available_credit."""
        return self.usable - (self.debt if self.less_debt else 0)

    @property
    def to_clear(self) -> int:
        """Return what has to be paid before there is credit again; 0 while there is some."""
        if self.in_use is not None or not self.active:
            return 0
        owed = sum(item.owed for item in self.credits)
        waiting = sum(item.whole for item in self.charges if item.continuous)
        return max(0, owed + waiting + self._number(7))

    @property
    def flags(self) -> CurrentCreditStatus:
        """Return current_credit_status."""
        flags = CurrentCreditStatus(0)
        used = self.in_use
        following = self._next()
        for flag, holds in (
            (CurrentCreditStatus.IN_CREDIT, used is not None),
            (CurrentCreditStatus.LOW_CREDIT, self.low),
            (CurrentCreditStatus.NEXT_CREDIT_ENABLED, following is not None and following.status is ENABLED),
            (CurrentCreditStatus.NEXT_CREDIT_SELECTABLE, any(item.status is SELECTABLE for item in self.credits)),
            (CurrentCreditStatus.NEXT_CREDIT_SELECTED, any(item.status is SELECTED for item in self.credits)),
            (CurrentCreditStatus.SELECTABLE_CREDIT_IN_USE, used is not None and used.confirmed_first),
            (CurrentCreditStatus.OUT_OF_CREDIT, self.out),
        ):
            flags |= flag if holds else CurrentCreditStatus(0)
        return flags

    def _next(self) -> CreditBehaviour | None:
        """Return the credit that comes after the one in use."""
        used = self.in_use
        later = [item for item in self.in_order if used is None or item.priority > used.priority]
        return next((item for item in later if item.status is not CONSUMED and item.to_offer), None)

    # --- activating and closing ----------------------------------------------------------------------------

    def move(self, status: AccountStatus) -> None:
        """Go to another state. Raises `Refused` where no transition leads there."""
        if (self.status, status) not in TRANSITIONS:
            raise Refused(ActionResult.OTHER_REASON)
        if status is CLOSED:
            for charge in self.charges:
                charge.accrue()
            self.look()
        self.status = status
        number = 13 if status is ACTIVE else 14
        self._moments[number] = None
        values = self._values()
        values[number] = Data(Tag.OCTET_STRING, self.host.clock.local_octets())
        for charge in self.charges:
            (charge.start if status is ACTIVE else charge.stop)()
        self.changed()

    def activate(self) -> None:
        """Make it active: from now on charges are collected."""
        self.move(ACTIVE)

    def close(self) -> None:
        """Close it: what was used up to now is collected, and nothing afterwards. The supply stays as it is."""
        self.move(CLOSED)

    def _in_time(self) -> None:
        for number, status in ((13, ACTIVE), (14, CLOSED)):
            moment = self._moments[number]
            if moment is not None and moment <= self.host.clock.now and (self.status, status) in TRANSITIONS:
                self.move(status)

    # --- as time passes ------------------------------------------------------------------------------------

    def disturb(self) -> None:
        """Look again at this same moment: something changed."""
        self._disturbed = self._restless = True
        self._order = None

    def changed(self) -> None:
        """See at once what a client's method changed, so that its answer finds everything done."""
        self.disturb()
        self.look()

    def _happened(self, happening: Happening) -> None:
        if happening.cause is Cause.POWER_UP:
            self.disturb()

    def _written(self, obj: Any, attribute: int, value: Data) -> None:
        if obj.class_id in _CLASSES:
            self.disturb()

    def next_time(self) -> int | None:
        """Return when something is due: a collection, new prices, activation or closure."""
        return self.host.now if self._disturbed else self._due

    def _find(self) -> int | None:
        offset = self.host.clock.offset
        moments = [charge.due_at() for charge in self.charges]
        if self.status is not CLOSED:
            number = 13 if self.status is NEW else 14
            moment = self._moments[number]
            moments.append(None if moment is None else moment - offset)
        return min((moment for moment in moments if moment is not None), default=None)

    def act(self, now: int) -> None:
        """Do what is due."""
        self._disturbed = False
        self._in_time()
        self.look()
        self._due = self._find()

    def look(self) -> None:
        """Let charges accrue, collect what is due, and see how the credits stand then."""
        if self._looking:
            return
        self._looking = True
        try:
            for charge in self.charges:
                charge.look()
            # Where nothing is due and nothing changed, everything stands as it stood at the last look.
            if self.active and (self._restless or any(charge.whole for charge in self.charges)):
                if self._restless:
                    self._restless = False
                    self._arrange()
                for charge in sorted(self.charges, key=lambda item: item.priority):
                    self._collect(charge)
                self._arrange()
                self._warn()
                self._supply()
        finally:
            self._looking = False

    # --- collecting ----------------------------------------------------------------------------------------

    def _rule(self, credit: CreditBehaviour, charge: ChargeBehaviour) -> CollectionConfiguration | None:
        """Return how a charge is collected from a credit, None where it is not; without any rules all are."""
        return self._rules.get((credit.name, charge.name)) if self._rules else CollectionConfiguration(0)

    def _collectable(self, charge: ChargeBehaviour) -> Callable[[], bool]:
        """Return whether a charge accrues by time now: with the supply, or also without it where a rule says so."""

        def accrues() -> bool:
            rules = [rule for item in self.credits if (rule := self._rule(item, charge)) is not None]
            always = any(CollectionConfiguration.WHEN_SUPPLY_DISCONNECTED in rule for rule in rules)
            return always or self.disconnector.state == CONNECTED

        return accrues

    def _collect(self, charge: ChargeBehaviour) -> None:
        """Take what a charge is due from the credit in use, and from the next where that is consumed."""
        for _ in range(len(self.credits) + 1):
            used = self.in_use
            if not charge.whole or used is None or self._rule(used, charge) is None:
                return
            part = min(charge.whole, used.left)
            used.amount -= part
            if part:
                charge.take(part)
            if used.left:
                return
            self._arrange()

    def _arrange(self) -> None:
        """Bring every credit to the state it has now. Each pass moves one at least, and none goes in circles."""
        for _ in range(4 * len(self.credits)):
            if not self._move_one():
                return

    def _move_one(self) -> bool:
        """Make one transition that is due; say whether there was one."""
        used = self.in_use
        if used is not None and not used.left:
            used.move(CONSUMED)
            return True
        order = self.in_order
        for item in self.credits:
            item.settle_loan()
            if item.status is CONSUMED and item.usable_again:
                item.move(ENABLED)
                return True
        first = next((item for item in order if item.status in _USED_IN and self._ready(item) and item.left), None)
        if first is not used:
            if used is not None:
                used.move(ENABLED)
            elif first is not None:
                first.move(IN_USE)
            return True
        return self._offer(order)

    def _offer(self, order: Sequence[CreditBehaviour]) -> bool:
        """Offer the next credit that wants to be confirmed once the others run low, or take the offer back."""
        plenty = sum(item.left for item in order if not item.confirmed_first and item.status in _USED_IN)
        scarce = plenty <= self._number(17)
        offered = [item for item in order if item.status in (SELECTABLE, SELECTED)]
        if not scarce:
            for item in offered:
                item.move(ENABLED)
            return bool(offered)
        if offered or any(item.confirmed_first and item.status is IN_USE for item in order):
            return False
        following = next((item for item in order if item.confirmed_first and item.status is ENABLED), None)
        if following is None or not following.to_offer:
            return False
        following.move(SELECTABLE)
        return True

    # --- warning and supply --------------------------------------------------------------------------------

    def _warn(self) -> None:
        """Warn once when the credit becomes low: that of the account, or the amount in use at its own threshold."""
        used = self.in_use
        low = self.available < self._number(16) or (used is not None and used.amount <= used.warning)
        if low and not self.low:
            self.host.note(Cause.CREDIT_LOW, available=self.available)
        self.low = low

    def _supply(self) -> None:
        out = self.in_use is None
        if out and not self.out:
            self.host.note(Cause.CREDIT_EXHAUSTED)
        self.out = out
        if self.mode is not PaymentMode.PREPAYMENT_MODE:
            out = False
        if out and self.disconnector.state == CONNECTED:
            self.disconnector.command(Command.LOCAL_DISCONNECT)
            self.cut = self.disconnector.state != CONNECTED
        elif not out and self.cut:
            # Where somebody feeds from the other side it does not close, and has to be closed by hand.
            with suppress(Refused):
                self.disconnector.command(Command.LOCAL_RECONNECT)
            self.cut = False

    # --- being paid ----------------------------------------------------------------------------------------

    def pay(self, amount: int) -> None:
        """Take a payment: charges that follow payments, what is owed, then the shares of the credits.

        Raises `Refused` and changes nothing where the account is not active or a credit has no room for it.
        """
        receivers = [item for item in self.in_order if item.has(CreditConfiguration.CAN_RECEIVE_AMOUNTS_FROM_TOKENS)]
        if not self.active or not receivers or amount <= 0:
            raise Refused(ActionResult.OTHER_REASON)
        self.disturb()
        self.look()
        rest = amount
        charged: list[tuple[ChargeBehaviour, int]] = []
        for charge in sorted(self.charges, key=lambda item: item.priority):
            if charge.kind is PAYMENT:
                part = min(charge.of_payment(amount), rest, self._provision() - sum(item for _, item in charged))
                if part > 0:
                    charged.append((charge, part))
                    rest -= part
        parts = self._parts(rest, receivers)
        if not all(fits_in(credit.amount + part) for credit, part in parts):
            raise Refused(ActionResult.OTHER_REASON)
        for charge, part in charged:
            charge.collected(part)
            self._provided += part
        for credit, part in parts:
            credit.amount += part
        self._arrange()
        self.host.note(Cause.CREDIT_ADDED, amount=amount)
        self.changed()

    def _parts(self, rest: int, receivers: Sequence[CreditBehaviour]) -> list[tuple[CreditBehaviour, int]]:
        """Return which credit gets how much: what is owed first, then the shares, the first receiver the rest."""
        parts = []
        for credit in self.in_order:
            back = min(rest, credit.owed)
            parts.append((credit, back))
            rest -= back
        total = rest
        for share in self.object.token_gateway_configuration:
            credit = next(item for item in self.credits if item.name == share.credit_reference)
            if credit in receivers:
                part = total * share.token_proportion // 100
                parts.append((credit, part))
                rest -= part
        parts.append((receivers[0], rest))
        # One credit may be in it several times: together they have to fit.
        return [(credit, sum(part for item, part in parts if item is credit)) for credit in dict(parts)]

    def _provision(self) -> int:
        """Return what charges that follow payments may still take in this period; without a limit all."""
        most, period = self._number(18), self._number(19)
        if not most or period <= 0:
            return LARGEST
        passed = (self.host.now - self._provision_since) // period
        if passed:
            self._provision_since += passed * period
            self._provided = 0
        return max(0, most - self._provided)

    # --- being set -----------------------------------------------------------------------------------------

    def _write_mode(self, value: Data) -> DataAccessResult:
        """Take the payment mode. The state is changed by methods alone."""
        mode, status = (part.value for part in value.value)
        if status != self.status or mode not in set(PaymentMode):
            return DataAccessResult.OTHER_REASON
        self.mode = PaymentMode(mode)
        return DataAccessResult.SUCCESS

    def _write_collection(self, value: Data) -> DataAccessResult:
        rules: tuple[CreditChargeConfiguration, ...] = Account.attributes[11].type.from_data(value)
        pairs = {(rule.credit_reference, rule.charge_reference) for rule in rules}
        known = {(credit.name, charge.name) for credit in self.credits for charge in self.charges}
        if len(pairs) != len(rules) or not pairs <= known:
            return DataAccessResult.OTHER_REASON
        self.look()
        self._use_rules(rules)
        self._values()[11] = value
        return DataAccessResult.SUCCESS

    def _use_rules(self, rules: Sequence[CreditChargeConfiguration]) -> None:
        self._rules = {(rule.credit_reference, rule.charge_reference): rule.collection_configuration for rule in rules}

    def _write_shares(self, value: Data) -> DataAccessResult:
        shares: tuple[TokenGatewayConfiguration, ...] = Account.attributes[12].type.from_data(value)
        names = {share.credit_reference for share in shares}
        known = {item.name for item in self.credits}
        whole = sum(share.token_proportion for share in shares)
        if len(names) != len(shares) or not names <= known or whole > 100:
            return DataAccessResult.OTHER_REASON
        self._values()[12] = value
        return DataAccessResult.SUCCESS

    def _writer_of_moment(self, number: int) -> Callable[[Data], DataAccessResult]:
        """Return what takes the time of activation or closure: a past one acts at once, once it acted none is taken."""

        def write(value: Data) -> DataAccessResult:
            if self.status is CLOSED or (number == 13 and self.status is not NEW):
                return DataAccessResult.OTHER_REASON
            try:
                moment = moment_of(self.host, value)
            except DecodeError:
                return DataAccessResult.OTHER_REASON
            self._moments[number] = moment
            self._values()[number] = value
            self._in_time()
            return DataAccessResult.SUCCESS

        return write

    def _taker(self, number: int) -> Callable[[Data], DataAccessResult]:
        def write(value: Data) -> DataAccessResult:
            self._values()[number] = value
            return DataAccessResult.SUCCESS

        return write


def _shown(amount: int) -> Data:
    return Data(Tag.DOUBLE_LONG, max(-LARGEST - 1, min(amount, LARGEST)))
