"""Payment classes: masks in words, prices, tokens, defaults."""

from __future__ import annotations

import pytest

from cosem.classes import Account, Charge, Credit, LocalStore, TokenGateway, describe, lookup
from cosem.classes.c111_account import CollectionConfiguration, CurrencyUnit, CurrentCreditStatus, PaymentMode
from cosem.classes.c112_credit import CreditConfiguration, CreditStatus
from cosem.classes.c113_charge import ChargeTableElement
from cosem.classes.c115_token_gateway import TokenStatusCode
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag


def test_the_first_bit_of_a_credit_status_is_in_credit():
    status = Account.attributes[4].type
    assert status.from_data(axdr.decode(bytes.fromhex("0408c0"))) == (
        CurrentCreditStatus.IN_CREDIT | CurrentCreditStatus.LOW_CREDIT
    )
    assert axdr.encode(status.to_data(CurrentCreditStatus.OUT_OF_CREDIT)) == bytes.fromhex("040802")
    assert describe(Account)["attributes"][3]["bits"][""]["6"] == "out of credit"


def test_an_account_reads_as_words():
    account = Account(
        "0-0:19.0.0",
        LocalStore(
            {
                2: axdr.decode(bytes.fromhex("0202 1602 1602")),
                11: axdr.decode(bytes.fromhex("0101 0203 0906 0000130a00ff 0906 0000131400ff 040320")),
                15: axdr.decode(bytes.fromhex("0203 0c03455552 0ffe 1602")),
            }
        ),
    )
    assert account.account_mode_and_status.payment_mode is PaymentMode.PREPAYMENT_MODE
    (configuration,) = account.credit_charge_configuration
    assert configuration.collection_configuration == CollectionConfiguration.IN_FRIENDLY_CREDIT_PERIODS
    assert account.currency == ("EUR", -2, CurrencyUnit.MONETARY)
    account.credit_charge_configuration = (
        configuration._replace(collection_configuration=CollectionConfiguration.WHEN_SUPPLY_DISCONNECTED),
    )
    assert account.store.values[11].value[0].value[2] == Data(Tag.BIT_STRING, "100")


def test_a_configuration_is_written_with_every_bit_that_has_a_name():
    credit = Credit("0-0:19.10.0", credit_configuration=CreditConfiguration.RESETTABLE)
    assert credit.store.values[7] == Data(Tag.BIT_STRING, "00010")
    assert credit.current_credit_amount == 0
    assert Credit.attributes[8].type.from_data(axdr.enum(3)) is CreditStatus.IN_USE


def test_prices_have_an_index_of_their_own():
    element = ChargeTableElement(b"\x01", 25)
    assert (element.index, element.charge_per_unit) == (b"\x01", 25)
    kind = Charge.methods[1].parameter
    assert axdr.encode(kind.to_data((element,))) == bytes.fromhex("0101 0202 090101 100019")


def test_the_state_of_a_token():
    gateway = TokenGateway("0-0:19.40.0", LocalStore({6: axdr.decode(bytes.fromhex("0202 1606 0400"))}))
    assert gateway.token_status == (TokenStatusCode.VALIDATION_FAILURE, "")
    assert not TokenGateway.methods[1].optional


@pytest.mark.parametrize(
    ("class_id", "offsets"),
    [(111, (0x98, 0xA8)), (112, (0x58, 0x68)), (113, (0x68, 0x88)), (115, (0x30, 0x30))],
)
def test_methods_lie_after_the_attributes(class_id, offsets):
    methods = list(lookup(class_id).methods.values())
    assert (methods[0].sn_offset, methods[-1].sn_offset) == offsets
