"""Accounts, tokens and emergency credit as a client says it, against the simulated payment meter."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from cosem.classes.c070_disconnect_control import ControlState
from cosem.classes.c111_account import AccountStatus, CurrentCreditStatus, PaymentMode
from cosem.classes.c112_credit import CreditStatus
from cosem.classes.c113_charge import ChargeType
from cosem.classes.c115_token_gateway import TokenStatusCode
from cosem.device.payment import PaymentSettings
from cosem.errors import AccessError, CosemError
from cosem.obis import Obis
from cosem.security.tokens import SignedTokens
from cosem.simulator.meter import DEMO_TOKEN_KEY, demo_payment
from support.served import READING, Served, served

TOKEN_CREDIT, EMERGENCY = Obis.parse("0-0:19.10.0"), Obis.parse("0-0:19.10.1")
VENDOR = SignedTokens(DEMO_TOKEN_KEY, b"CSM" + (2**32 + 1).to_bytes(5, "big"))


def paying(credit: int = 5000, **settings: Any) -> Any:
    return served(days=0.05, control_mode=5, payment=demo_payment(credit), **settings)


def empty(world: Served) -> None:
    """Let the credit run out."""
    world.meter.advance(world.meter.now + 3 * 86_400)


@pytest.mark.parametrize("referencing", ["ln", "sn"])
def test_an_account_is_read_whole(referencing: str) -> None:
    with paying(referencing=referencing) as world, world.connect() as meter:
        found = meter.account()
        assert (found.mode, found.status) == (PaymentMode.PREPAYMENT_MODE, AccountStatus.ACTIVE)
        assert (found.available, found.currency, found.debt, found.to_clear) == (Decimal("5.000"), "EUR", 0, 0)
        assert (found.flags, found.in_use) == (
            CurrentCreditStatus.IN_CREDIT | CurrentCreditStatus.NEXT_CREDIT_ENABLED,
            TOKEN_CREDIT,
        )
        assert [(item.name, item.amount, item.status) for item in found.credits] == [
            (TOKEN_CREDIT, Decimal("5.000"), CreditStatus.IN_USE),
            (EMERGENCY, Decimal("0.000"), CreditStatus.ENABLED),
        ]
        assert [item.kind for item in found.charges] == list(ChargeType)


def test_credit_runs_out_is_lent_and_topped_up() -> None:
    with paying() as world, world.connect() as meter:
        with pytest.raises(CosemError, match="offers no credit"):
            meter.select_credit()
        empty(world)
        found = meter.account()
        assert CurrentCreditStatus.OUT_OF_CREDIT in found.flags
        assert found.in_use is None
        assert found.to_clear > 0
        assert meter.supply().control_state is ControlState.READY_FOR_RECONNECTION
        lent = meter.select_credit()
        assert (lent.in_use, lent.available > 0) == (EMERGENCY, True)
        assert meter.supply().control_state is ControlState.CONNECTED
        token = VENDOR.issue(1, 20_000)
        done = meter.top_up(token)
        assert (done.accepted, done.status, done.description) == (
            True,
            TokenStatusCode.TOKEN_EXECUTION_RESULT_OK,
            "top-up",
        )
        again = meter.top_up(token.replace(" ", ""))
        assert (again.accepted, again.status) == (False, TokenStatusCode.VALIDATION_FAILURE)
        found = meter.account()
        assert (found.in_use, found.credits[1].amount) == (TOKEN_CREDIT, 0)
        paid = sum(item.paid for item in found.charges)
        assert found.credits[0].amount + paid == 25


def test_a_token_of_another_meter_and_none_at_all() -> None:
    with paying() as world, world.connect() as meter:
        other = SignedTokens(DEMO_TOKEN_KEY, b"CSMother").issue(1, 1)
        assert meter.top_up(other).status is TokenStatusCode.AUTHENTICATION_FAILURE
        assert meter.top_up(b"\x00\x01").status is TokenStatusCode.TOKEN_FORMAT_FAILURE
        assert meter.top_up("ten euros").status is TokenStatusCode.TOKEN_FORMAT_FAILURE
        with pytest.raises(AccessError):
            meter.top_up("1" * 65)
        with pytest.raises(AccessError):
            meter.select_credit(EMERGENCY)
        assert meter.account().available == 5


def test_who_may_and_what_is_not_there() -> None:
    with paying() as world, world.connect(**READING) as meter, pytest.raises(AccessError):
        meter.top_up(VENDOR.issue(1, 1))
    with served(days=0.05) as world, world.connect() as meter, pytest.raises(AccessError):
        meter.account()


def test_the_same_asynchronously() -> None:
    async def talk(world: Served) -> None:
        async with await world.connect_async() as meter:
            empty(world)
            assert (await meter.account()).in_use is None
            assert (await meter.select_credit()).in_use == EMERGENCY
            assert (await meter.top_up(VENDOR.issue(1, 9000))).accepted

    with paying() as world:
        asyncio.run(talk(world))


def test_prices_are_set_by_the_typed_object() -> None:
    from cosem.classes.c113_charge import Charge

    with paying() as world, world.connect() as meter:
        charge = meter[Charge, "0-0:19.20.0"]
        charge.update_unit_charge([(b"T1", 999)])
        charge.activate_passive_unit_charge()
        assert dict(charge.unit_charge_active.charge_table)[b"T1"] == 999
        with pytest.raises(AccessError):
            charge.update_unit_charge([(b"T7", 1)])


def test_a_model_of_a_payment_meter_is_made_of_it() -> None:
    with paying() as world, world.connect() as meter:
        made = meter.model(values=True)
        names = {str(item.name) for item in made.logical_devices[0].objects}
        assert {"0-0:19.0.0.255", "0-0:19.10.1.255", "0-0:19.20.2.255", "0-0:19.40.0.255"} <= names


def test_no_key_shows_in_settings() -> None:
    assert str(DEMO_TOKEN_KEY) not in repr(PaymentSettings(token_key=DEMO_TOKEN_KEY))
