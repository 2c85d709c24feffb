"""Credit (class 112): one source of credit of a payment meter."""

from __future__ import annotations

from enum import IntFlag

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import (
    OpenEnum,
    bit_string,
    date_time_octets,
    double_long,
    enum,
    flags,
    trigger,
    unsigned,
)


class CreditType(OpenEnum):
    """Where the credit comes from."""

    TOKEN_CREDIT = 0
    RESERVED_CREDIT = 1
    EMERGENCY_CREDIT = 2
    TIME_BASED_CREDIT = 3
    CONSUMPTION_BASED_CREDIT = 4


class CreditConfiguration(IntFlag):
    """How the credit is used."""

    REQUIRES_VISUAL_INDICATION = 0x01
    REQUIRES_CONFIRMATION_BEFORE_SELECTION = 0x02
    REQUIRES_CREDIT_TO_BE_PAID_BACK = 0x04
    RESETTABLE = 0x08
    CAN_RECEIVE_AMOUNTS_FROM_TOKENS = 0x10


class CreditStatus(OpenEnum):
    """State of the credit."""

    ENABLED = 0
    SELECTABLE = 1
    SELECTED_OR_INVOKED = 2
    IN_USE = 3
    CONSUMED = 4


class Credit(InterfaceClass[S], class_id=112, version=0):
    """An amount and when it may be used (Blue Book ed. 12, 4.6.3). Amounts are in the currency of the account."""

    current_credit_amount = attribute(2, double_long, "what is left", default=0)
    credit_type = attribute(3, enum(CreditType), "where the credit comes from", static=True)
    priority = attribute(4, unsigned, "order of use, 1 first, 0 = none", static=True)
    warning_threshold = attribute(5, double_long, "amount at which a warning is given", static=True)
    limit = attribute(6, double_long, "amount at which the credit is consumed", static=True)
    credit_configuration = attribute(7, flags(CreditConfiguration, bit_string()), "how the credit is used", static=True)
    credit_status = attribute(8, enum(CreditStatus), "state of the credit")
    preset_credit_amount = attribute(9, double_long, "amount that is added when the credit is invoked", static=True)
    credit_available_threshold = attribute(10, double_long, "amount at which it can be selected again", static=True)
    period = attribute(11, date_time_octets, "when the amount is set anew, by wildcards", static=True)

    update_amount = method(1, double_long, "adds to the amount", sn_offset=0x58)
    set_amount_to_value = method(2, double_long, "sets the amount", sn_offset=0x60)
    invoke_credit = method(3, trigger, "makes the credit selected", sn_offset=0x68)
