"""Charge (class 113): one thing that a payment meter collects money for."""

from __future__ import annotations

from enum import IntFlag
from typing import NamedTuple

from cosem.classes.common import AttributeReference, attribute_reference
from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import (
    OpenEnum,
    array,
    bit_string,
    date_time,
    date_time_octets,
    double_long,
    double_long_unsigned,
    enum,
    flags,
    integer,
    long,
    long_unsigned,
    octet_string,
    structure,
    trigger,
    unsigned,
)


class ChargeType(OpenEnum):
    """What the charge follows."""

    CONSUMPTION_BASED_COLLECTION = 0
    TIME_BASED_COLLECTION = 1
    PAYMENT_EVENT_BASED_COLLECTION = 2


class ChargeConfiguration(IntFlag):
    """How the charge is collected."""

    PERCENTAGE_BASED_COLLECTION = 0x01
    CONTINUOUS_COLLECTION = 0x02


class ChargePerUnitScaling(NamedTuple):
    """Powers of ten of the commodity and of the price."""

    commodity_scale: int
    price_scale: int


class ChargeTableElement(NamedTuple):
    """The price of one tariff; an empty index without tariffs."""

    index: bytes  # type: ignore[assignment]  # the standard's name, which tuple has too
    charge_per_unit: int


class UnitCharge(NamedTuple):
    """What a unit of the commodity costs; class_id 0 where none is referred to."""

    charge_per_unit_scaling: ChargePerUnitScaling
    commodity_reference: AttributeReference
    charge_table: tuple[ChargeTableElement, ...]


charge_table = array(structure(ChargeTableElement, index=octet_string(), charge_per_unit=long))
_unit_charge = structure(
    UnitCharge,
    charge_per_unit_scaling=structure(ChargePerUnitScaling, commodity_scale=integer, price_scale=integer),
    commodity_reference=attribute_reference,
    charge_table=charge_table,
)


class Charge(InterfaceClass[S], class_id=113, version=0):
    """A tariff, a standing charge or a debt (Blue Book ed. 12, 4.6.4). Amounts are in the currency of the account."""

    total_amount_paid = attribute(2, double_long, "what was collected so far")
    charge_type = attribute(3, enum(ChargeType), "what the charge follows", static=True)
    priority = attribute(4, unsigned, "order of collection, 1 first, 0 = none", static=True)
    unit_charge_active = attribute(5, _unit_charge, "prices that hold", static=True)
    unit_charge_passive = attribute(6, _unit_charge, "prices to come", static=True)
    unit_charge_activation_time = attribute(7, date_time_octets, "when the prices to come hold", static=True)
    period = attribute(8, double_long_unsigned, "seconds between collections", static=True)
    charge_configuration = attribute(
        9, flags(ChargeConfiguration, bit_string()), "how the charge is collected", static=True
    )
    last_collection_time = attribute(10, date_time, "when was collected last")
    last_collection_amount = attribute(11, double_long, "what was collected then")
    total_amount_remaining = attribute(12, double_long, "what is still to be collected")
    proportion = attribute(13, long_unsigned, "part of a payment that is collected, 1/10000", static=True)

    update_unit_charge = method(1, charge_table, "changes the prices to come", sn_offset=0x68)
    activate_passive_unit_charge = method(2, trigger, "makes the prices to come hold", sn_offset=0x70)
    collect = method(3, trigger, "collects now", sn_offset=0x78)
    update_total_amount_remaining = method(4, double_long, "adds to what is to be collected", sn_offset=0x80)
    set_total_amount_remaining = method(5, double_long, "sets what is to be collected", sn_offset=0x88)
