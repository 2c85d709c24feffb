"""Payment meters as conversations: read an account with its credits and charges, top up, select a credit."""

from __future__ import annotations

from collections.abc import Generator
from decimal import Decimal
from typing import Any, NamedTuple

from cosem.association.steps import Step
from cosem.classes.c111_account import Account, AccountStatus, CurrentCreditStatus, PaymentMode
from cosem.classes.c112_credit import Credit, CreditStatus, CreditType
from cosem.classes.c113_charge import Charge, ChargeType
from cosem.classes.c115_token_gateway import TokenGateway, TokenStatusCode
from cosem.classes.model import InterfaceClass
from cosem.client.core import Core
from cosem.client.supply import attributes
from cosem.codec.axdr import integer, octet_string
from cosem.errors import CosemError
from cosem.obis import Obis
from cosem.times import CosemDateTime
from cosem.units import scaled


class CreditState(NamedTuple):
    """One credit: what is left, in the currency of the account, and the state it is in."""

    name: Obis
    kind: CreditType
    priority: int
    amount: Decimal
    status: CreditStatus


class ChargeState(NamedTuple):
    """One charge: what was paid of it and what is still wanted, in the currency of the account."""

    name: Obis
    kind: ChargeType
    priority: int
    paid: Decimal
    remaining: Decimal


class AccountState(NamedTuple):
    """What a payment meter says of an account. Amounts are in `currency`; `in_use` is the credit that pays now."""

    name: Obis
    mode: PaymentMode
    status: AccountStatus
    currency: str
    scale: int
    available: Decimal
    debt: Decimal
    to_clear: Decimal
    flags: CurrentCreditStatus
    in_use: Obis | None
    credits: tuple[CreditState, ...]
    charges: tuple[ChargeState, ...]


class TokenResult(NamedTuple):
    """What became of the last token: its status, when it came, and what it is in the meter's words."""

    status: TokenStatusCode
    time: CosemDateTime
    description: str

    @property
    def accepted(self) -> bool:
        """Whether it was carried out."""
        return self.status is TokenStatusCode.TOKEN_EXECUTION_RESULT_OK


def _values(core: Core, obj: InterfaceClass, *numbers: int) -> Generator[Step, Any, list[Any]]:
    """Read attributes at once, as values."""
    found = yield from attributes(core, obj, numbers)
    return [value for _, value in found]


def account(core: Core, name: Obis) -> Generator[Step, Any, AccountState]:
    """Read an account, and the credits and charges that it names."""
    values = yield from _values(core, Account(name), 2, 3, 4, 5, 6, 8, 9, 10, 15)
    (mode, status), index, flags, available, to_clear, debt, credit_names, charge_names, currency = values
    scale = currency.currency_scale
    credits_, charges = [], []
    for credit in credit_names:
        amount, kind, priority, state = yield from _values(core, Credit(credit), 2, 3, 4, 8)
        credits_.append(CreditState(credit, kind, priority, scaled(amount, scale), state))
    for charge in charge_names:
        paid, charge_kind, priority, remaining = yield from _values(core, Charge(charge), 2, 3, 4, 12)
        charges.append(ChargeState(charge, charge_kind, priority, scaled(paid, scale), scaled(remaining, scale)))
    return AccountState(
        name,
        mode,
        status,
        currency.currency_name,
        scale,
        scaled(available, scale),
        scaled(debt, scale),
        scaled(to_clear, scale),
        flags,
        credit_names[index - 1] if 0 < index <= len(credit_names) else None,
        tuple(credits_),
        tuple(charges),
    )


def token_result(core: Core, gateway: Obis) -> Generator[Step, Any, TokenResult]:
    """Read what became of the last token."""
    time, description, status = yield from _values(core, TokenGateway(gateway), 3, 4, 6)
    words = ", ".join(part.decode("utf-8", "backslashreplace") for part in description)
    return TokenResult(status.status_code, time, words)


def top_up(core: Core, token: str | bytes, gateway: Obis) -> Generator[Step, Any, TokenResult]:
    """Enter a token, once, and return what became of it. A refused one changes nothing.

    Text goes as its characters, octets as they are: which of the two a meter wants is for its form of tokens to say.
    """
    octets = token.encode("utf-8") if isinstance(token, str) else token
    yield from core.call_data(TokenGateway.class_id, gateway, 1, octet_string(octets))
    return (yield from token_result(core, gateway))


def select_credit(core: Core, name: Obis, credit: Obis | None = None) -> Generator[Step, Any, AccountState]:
    """Confirm a credit of an account, the one that is offered unless it is named; return how the account stands then.

    Raises `CosemError` where none is offered.
    """
    if credit is None:
        state = yield from account(core, name)
        offered = (item.name for item in state.credits if item.status is CreditStatus.SELECTABLE)
        credit = next(offered, None)
        if credit is None:
            raise CosemError(f"account {name} offers no credit to select now")
    yield from core.call_data(Credit.class_id, credit, 3, integer(0))
    return (yield from account(core, name))
