"""Account (class 111): the contract of a payment meter and its balance."""

from __future__ import annotations

from enum import IntFlag
from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import (
    OpenEnum,
    array,
    bit_string,
    date_time_octets,
    double_long,
    enum,
    flags,
    integer,
    logical_name,
    long_unsigned,
    structure,
    trigger,
    unsigned,
    utf8_string,
)
from cosem.obis import Obis


class PaymentMode(OpenEnum):
    """Whether consumption is paid afterwards or before."""

    CREDIT_MODE = 1
    PREPAYMENT_MODE = 2


class AccountStatus(OpenEnum):
    """State of the account."""

    NEW_INACTIVE = 1
    ACTIVE = 2
    CLOSED = 3


class CurrencyUnit(OpenEnum):
    """What amounts are counted in."""

    TIME = 0
    CONSUMPTION = 1
    MONETARY = 2


class CurrentCreditStatus(IntFlag):
    """How the credits stand."""

    IN_CREDIT = 0x01
    LOW_CREDIT = 0x02
    NEXT_CREDIT_ENABLED = 0x04
    NEXT_CREDIT_SELECTABLE = 0x08
    NEXT_CREDIT_SELECTED = 0x10
    SELECTABLE_CREDIT_IN_USE = 0x20
    OUT_OF_CREDIT = 0x40


class CollectionConfiguration(IntFlag):
    """When a charge is collected, beside normal times."""

    WHEN_SUPPLY_DISCONNECTED = 0x01
    IN_LOAD_LIMITING_PERIODS = 0x02
    IN_FRIENDLY_CREDIT_PERIODS = 0x04


class AccountModeAndStatus(NamedTuple):
    """Mode and state of the account."""

    payment_mode: PaymentMode
    account_status: AccountStatus


class CreditChargeConfiguration(NamedTuple):
    """Which credit a charge is collected from, and when."""

    credit_reference: Obis
    charge_reference: Obis
    collection_configuration: CollectionConfiguration


class TokenGatewayConfiguration(NamedTuple):
    """How many percent of a token a credit gets at least."""

    credit_reference: Obis
    token_proportion: int


class Currency(NamedTuple):
    """Amounts are numbers * 10**currency_scale of currency_name."""

    currency_name: str
    currency_scale: int
    currency_unit: CurrencyUnit


class Account(InterfaceClass[S], class_id=111, version=0):
    """Binds credits and charges of a payment meter together (Blue Book ed. 12, 4.6.2). Amounts are in `currency`.

    Bit 4 of current_credit_status has another name in one public source.
    """

    account_mode_and_status = attribute(
        2,
        structure(AccountModeAndStatus, payment_mode=enum(PaymentMode), account_status=enum(AccountStatus)),
        "mode and state",
        static=True,
    )
    current_credit_in_use = attribute(3, unsigned, "index of the credit in use, in credit_reference_list")
    current_credit_status = attribute(4, flags(CurrentCreditStatus, bit_string(8)), "how the credits stand")
    available_credit = attribute(5, double_long, "sum of the positive credits", default=0)
    amount_to_clear = attribute(6, double_long, "what must be paid before there is credit", default=0)
    clearance_threshold = attribute(7, double_long, "balance at which amounts count as cleared", static=True)
    aggregated_debt = attribute(8, double_long, "sum of what the charges still want", default=0)
    credit_reference_list = attribute(9, array(logical_name), "the Credit objects", static=True, default=())
    charge_reference_list = attribute(10, array(logical_name), "the Charge objects", static=True, default=())
    credit_charge_configuration = attribute(
        11,
        array(
            structure(
                CreditChargeConfiguration,
                credit_reference=logical_name,
                charge_reference=logical_name,
                collection_configuration=flags(CollectionConfiguration, bit_string()),
            )
        ),
        "which charge is collected from which credit",
        static=True,
        default=(),
    )
    token_gateway_configuration = attribute(
        12,
        array(structure(TokenGatewayConfiguration, credit_reference=logical_name, token_proportion=unsigned)),
        "how tokens are divided",
        static=True,
        default=(),
    )
    account_activation_time = attribute(13, date_time_octets, "when the account is or was activated", static=True)
    account_closure_time = attribute(14, date_time_octets, "when the account is or was closed", static=True)
    currency = attribute(
        15,
        structure(Currency, currency_name=utf8_string, currency_scale=integer, currency_unit=enum(CurrencyUnit)),
        "what amounts are counted in",
        static=True,
    )
    low_credit_threshold = attribute(16, double_long, "available_credit below which it is low", default=0)
    next_credit_available_threshold = attribute(
        17, double_long, "balance at which the next credit can be selected", default=0
    )
    max_provision = attribute(
        18, long_unsigned, "most that payment based charges take in a period", static=True, default=0
    )
    max_provision_period = attribute(19, double_long, "seconds of that period", static=True)

    activate_account = method(1, trigger, "makes the account active", sn_offset=0x98)
    close_account = method(2, trigger, "closes the account", sn_offset=0xA0)
    reset_account = method(3, trigger, "makes a closed account new", sn_offset=0xA8)
