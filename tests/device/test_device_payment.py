"""Payment: credit runs down, is lent, paid back and topped up; without it there is no supply (behaviours 4.13)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from cosem.classes.c111_account import AccountStatus, CollectionConfiguration, CurrentCreditStatus
from cosem.classes.c113_charge import Charge, ChargePerUnitScaling, ChargeTableElement, UnitCharge
from cosem.classes.c115_token_gateway import TokenDelivery
from cosem.codec import axdr
from cosem.codec.axdr import Data
from cosem.device.causes import Cause
from cosem.device.credit import CONSUMED, ENABLED, IN_USE, SELECTABLE, SELECTED
from cosem.device.disconnector import CONNECTED, READY
from cosem.device.host import Origin
from cosem.device.meter import ElectricityMeter, MeterSettings
from cosem.device.payment import ACCOUNT, ENERGY_CHARGE, GATEWAY, STS_ATTRIBUTES, TOKEN_CREDIT, StsIdentity
from cosem.device.random import SeededRandom
from cosem.device.token_gateway import (
    AUTHENTICATION_FAILURE,
    EXECUTION_FAILURE,
    EXECUTION_OK,
    FORMAT_FAILURE,
    VALIDATION_FAILURE,
)
from cosem.errors import ConfigError, DecodeError
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult
from cosem.security.tokens import Token
from cosem.times import CosemDateTime
from support.meters import KEYS, utc
from support.paying import START, Paying

OK, NO = ActionResult.SUCCESS, ActionResult.OTHER_REASON
TAKEN, REFUSED, DENIED = DataAccessResult.SUCCESS, DataAccessResult.OTHER_REASON, DataAccessResult.READ_WRITE_DENIED
EMPTY = 10_000
"""Seconds in which 1000 are used up."""


def moment(at: int, paying: Paying) -> Data:
    return axdr.octet_string(paying.host.clock.octets(at))


def invoke(paying: Paying, class_id: int, name: Any, method: int, parameter: Data | None = None) -> ActionResult:
    return paying.host.invoke(class_id, name, method, axdr.integer(0) if parameter is None else parameter)


# --- the scenarios ---------------------------------------------------------------------------------------------


def test_charge_drives_credit_to_limit_state_2_row_64() -> None:
    paying = Paying()
    paying.live(EMPTY - 60)
    assert (paying.disconnector.state, paying.token.status) == (CONNECTED, IN_USE)
    paying.live(120)
    assert (paying.disconnector.state, paying.token.status, paying.token.amount) == (READY, CONSUMED, 0)
    assert paying.rows[-1] == 64
    assert paying.causes[-2:] == [Cause.CREDIT_EXHAUSTED, Cause.LOCAL_DISCONNECTION]


@pytest.mark.parametrize(
    ("mode", "state", "row"), [(5, CONNECTED, 69), (6, CONNECTED, 69), (1, READY, 64), (4, READY, 64)]
)
def test_top_up_10_reconnects_or_makes_ready_by_the_mode(mode: int, state: int, row: int) -> None:
    paying = Paying(mode=mode)
    paying.live(EMPTY + 60)
    assert paying.top_up(10, 1) == EXECUTION_OK
    assert (paying.disconnector.state, paying.rows[-1]) == (state, row)
    if state == READY:
        paying.disconnector.press()
        paying.live(1)
        assert paying.disconnector.state == CONNECTED


def test_the_same_token_twice_is_a_validation_failure() -> None:
    paying = Paying()
    token = paying.vendor.issue(7, 250).encode()
    assert paying.gateway.press(token) == EXECUTION_OK
    assert paying.token.amount == 1250
    assert paying.gateway.press(token) == VALIDATION_FAILURE
    assert paying.token.amount == 1250
    assert paying.causes == [Cause.CREDIT_ADDED, Cause.TOKEN_REFUSED]


def test_the_account_is_new_then_active_then_closed_and_never_goes_back() -> None:
    paying = Paying(active=False)
    paying.live(3600)
    assert (paying.account.status, paying.token.amount) == (AccountStatus.NEW_INACTIVE, 1000)
    assert paying.top_up(10, 1) == EXECUTION_FAILURE
    assert invoke(paying, 111, ACCOUNT, 2) is NO
    assert invoke(paying, 111, ACCOUNT, 1) is OK
    paying.live(1000)
    assert paying.token.amount == 1000 - 96
    assert invoke(paying, 111, ACCOUNT, 2) is OK
    # What was used since the last full minute is collected at the end.
    assert paying.token.amount == 900
    paying.live(3600)
    assert paying.token.amount == 900
    assert paying.top_up(10, 1) == EXECUTION_FAILURE
    assert invoke(paying, 111, ACCOUNT, 1) is NO
    assert invoke(paying, 111, ACCOUNT, 3) is ActionResult.OBJECT_UNDEFINED
    assert paying.account.status is AccountStatus.CLOSED


def test_a_closed_account_lends_nothing() -> None:
    paying = Paying()
    paying.live(EMPTY)
    assert invoke(paying, 111, ACCOUNT, 2) is OK
    assert paying.emergency.status is SELECTABLE
    assert not paying.payment.select_emergency()
    assert invoke(paying, 112, paying.emergency.name, 3) is NO
    assert paying.emergency.amount == 0


def test_an_account_is_activated_and_closed_in_time() -> None:
    paying = Paying(active=False)
    assert paying.host.write(111, ACCOUNT, 13, moment(START + 100, paying)) is TAKEN
    assert paying.host.write(111, ACCOUNT, 14, moment(START + 1100, paying)) is TAKEN
    paying.live(99)
    assert paying.account.status is AccountStatus.NEW_INACTIVE
    paying.live(1)
    assert paying.account.status is AccountStatus.ACTIVE
    paying.live(1000)
    assert paying.account.status is AccountStatus.CLOSED
    assert paying.token.amount == 900


def test_the_next_credit_by_priority_when_the_present_one_reaches_its_limit() -> None:
    paying = Paying()
    paying.live(8040)
    assert (paying.token.status, paying.emergency.status) == (IN_USE, SELECTABLE)
    assert paying.payment.select_emergency()
    assert (paying.emergency.status, paying.emergency.amount) == (SELECTED, 500)
    paying.live(2060)
    assert (paying.token.status, paying.emergency.status) == (CONSUMED, IN_USE)
    assert (paying.token.amount, paying.emergency.amount, paying.disconnector.state) == (0, 492, CONNECTED)
    assert Cause.CREDIT_EXHAUSTED not in paying.causes
    paying.live(5000)
    assert (paying.emergency.status, paying.disconnector.state) == (CONSUMED, READY)


def test_invoke_credit_confirms_a_selectable_one_alone() -> None:
    paying = Paying()
    assert invoke(paying, 112, paying.emergency.name, 3) is NO
    paying.live(EMPTY + 60)
    assert invoke(paying, 112, paying.token.name, 3) is NO
    assert invoke(paying, 112, paying.emergency.name, 3) is OK
    assert invoke(paying, 112, paying.emergency.name, 3) is NO
    assert (paying.emergency.status, paying.disconnector.state) == (IN_USE, CONNECTED)
    # What was used since the credit ended is taken from the next at once.
    assert paying.emergency.amount == 500 - 2


def test_an_offer_is_taken_back_when_there_is_enough_again() -> None:
    paying = Paying()
    paying.live(8500)
    assert paying.emergency.status is SELECTABLE
    paying.top_up(1000, 1)
    assert paying.emergency.status is ENABLED
    paying.live(10_000)
    paying.payment.select_emergency()
    paying.top_up(1000, 2)
    assert (paying.emergency.status, paying.emergency.amount) == (ENABLED, 0)


def test_emergency_credit_is_paid_back_before_there_is_credit() -> None:
    paying = Paying()
    paying.live(EMPTY)
    paying.payment.select_emergency()
    paying.live(5000)
    assert (paying.disconnector.state, paying.account.to_clear, paying.emergency.owed) == (READY, 500, 500)
    paying.top_up(300, 1)
    assert (paying.emergency.amount, paying.emergency.status, paying.account.to_clear) == (300, CONSUMED, 200)
    assert paying.disconnector.state == READY
    paying.top_up(300, 2)
    assert (paying.token.amount, paying.emergency.amount, paying.emergency.status) == (100, 0, SELECTABLE)
    assert (paying.disconnector.state, paying.token.status) == (CONNECTED, IN_USE)


def test_part_of_a_loan_paid_back_while_it_is_in_use_is_used_on() -> None:
    paying = Paying()
    paying.live(EMPTY)
    paying.payment.select_emergency()
    paying.live(3000)
    paying.top_up(100, 1)
    assert (paying.emergency.status, paying.emergency.amount, paying.token.amount) == (IN_USE, 304, 0)
    paying.top_up(300, 2)
    assert (paying.emergency.status, paying.emergency.amount, paying.token.amount) == (SELECTABLE, 0, 104)


# --- charges ---------------------------------------------------------------------------------------------------


def test_a_warning_is_given_once_each_time() -> None:
    paying = Paying()
    paying.live(7100)
    assert paying.causes == [Cause.CREDIT_LOW]
    assert CurrentCreditStatus.LOW_CREDIT in paying.account.flags
    paying.top_up(500, 1)
    assert CurrentCreditStatus.LOW_CREDIT not in paying.account.flags
    paying.live(6000)
    assert paying.causes == [Cause.CREDIT_LOW, Cause.CREDIT_ADDED, Cause.CREDIT_LOW]


def test_the_price_of_each_tariff_for_what_was_used_in_it() -> None:
    # The calendar changes to tariff 2 at 22:00 local time, which is 20:00 UTC, in the middle of the run.
    paying = Paying(start=utc(2026, 6, 1, 19), energy={"T1": 300, "T2": 100}, credit=100_000)
    paying.live(7200)
    assert paying.token.amount == 100_000 - int(Fraction(36, 10) * 300 + Fraction(36, 10) * 100)


def test_a_period_costs_its_price_with_the_supply_or_by_rule_without() -> None:
    paying = Paying(watts=0, standing=10, credit=15)
    paying.live(86_400)
    assert paying.token.amount == 5
    paying.live(3 * 86_400)
    # One day took what was left; what it still wants and the days without supply stay due: the rule says so.
    assert (paying.token.amount, paying.disconnector.state, paying.standing.outstanding) == (0, READY, 25)
    assert (paying.account.debt, paying.account.to_clear, paying.account.available) == (25, 25, -25)
    paying.top_up(30, 1)
    assert (paying.token.amount, paying.standing.paid, paying.account.debt) == (5, 40, 0)
    rules = tuple(
        rule._replace(collection_configuration=CollectionConfiguration(0))
        for rule in paying.account.object.credit_charge_configuration
    )
    data = type(paying.account.object).attributes[11].type.to_data(rules)
    assert paying.host.write(111, ACCOUNT, 11, data) is TAKEN
    paying.live(10 * 86_400)
    assert (paying.token.amount, paying.standing.outstanding) == (0, 5)


def test_a_debt_is_paid_out_of_each_token_up_to_a_provision() -> None:
    paying = Paying(debt=300, debt_part=2500, watts=0)
    paying.top_up(1000, 1)
    assert (paying.token.amount, paying.debt.remaining, paying.debt.paid) == (1750, 50, 250)
    assert paying.host.write(111, ACCOUNT, 18, axdr.long_unsigned(270)) is TAKEN
    assert paying.host.write(111, ACCOUNT, 19, axdr.double_long(3600)) is TAKEN
    paying.top_up(1000, 2)
    assert (paying.token.amount, paying.debt.remaining) == (2730, 30)
    paying.top_up(1000, 3)
    assert (paying.token.amount, paying.debt.remaining) == (3730, 30)
    paying.live(3600)
    paying.top_up(1000, 4)
    assert (paying.token.amount, paying.debt.remaining) == (4700, 0)
    paying.top_up(1000, 5)
    assert (paying.token.amount, paying.debt.remaining, paying.account.debt) == (5700, 0, 0)


def test_shares_of_a_token_and_the_first_credit_takes_the_rest() -> None:
    paying = Paying(watts=0)
    kind = type(paying.account.object).attributes[12].type
    assert paying.host.write(111, ACCOUNT, 12, kind.to_data([(TOKEN_CREDIT, 30)])) is TAKEN
    paying.top_up(99, 1)
    assert paying.token.amount == 1099
    for wrong in ([(TOKEN_CREDIT, 101)], [(TOKEN_CREDIT, 1), (TOKEN_CREDIT, 1)], [(ENERGY_CHARGE, 1)]):
        assert paying.host.write(111, ACCOUNT, 12, kind.to_data(wrong)) is REFUSED


def prices(per_kwh: int, *, index: bytes = b"") -> UnitCharge:
    scaling = ChargePerUnitScaling(3, -3)
    reference = Paying().energy.object.unit_charge_active.commodity_reference
    return UnitCharge(scaling, reference, (ChargeTableElement(index, per_kwh),))


def test_passive_tariff_by_time_holds_from_its_second_on() -> None:
    paying = Paying(credit=100_000)
    kind = Charge.attributes[6].type
    assert paying.host.write(113, ENERGY_CHARGE, 6, kind.to_data(prices(1000))) is TAKEN
    assert paying.host.write(113, ENERGY_CHARGE, 7, moment(START + 1010, paying)) is TAKEN
    paying.live(1009)
    assert paying.energy.object.unit_charge_active.charge_table == ((b"", 100),)
    paying.live(1001)
    assert paying.energy.object.unit_charge_active == prices(1000)
    paying.energy.accrue()
    assert paying.energy.paid + paying.energy.due == 101 + 1000


def test_prices_to_come_are_changed_row_by_row_or_not_at_all() -> None:
    paying = Paying()
    rows = Charge.methods[1].parameter
    assert invoke(paying, 113, ENERGY_CHARGE, 1, rows.to_data([(b"", 500)])) is OK
    assert paying.energy.object.unit_charge_passive.charge_table == ((b"", 500),)
    assert paying.energy.object.unit_charge_active.charge_table == ((b"", 100),)
    for wrong in ([], [(b"T9", 5)], [(b"", -1)], [(b"", 7), (b"T9", 5)]):
        assert invoke(paying, 113, ENERGY_CHARGE, 1, rows.to_data(wrong)) is NO
    assert paying.energy.object.unit_charge_passive.charge_table == ((b"", 500),)
    assert invoke(paying, 113, ENERGY_CHARGE, 2) is OK
    paying.live(1020)
    assert paying.token.amount == 1000 - 510


def test_a_price_in_the_past_holds_at_once_and_costs_nothing_backwards() -> None:
    paying = Paying(credit=100_000)
    paying.live(1000)
    paying.host.write(113, ENERGY_CHARGE, 6, Charge.attributes[6].type.to_data(prices(1000)))
    assert paying.host.write(113, ENERGY_CHARGE, 7, moment(START - 86_400, paying)) is TAKEN
    paying.live(1000)
    paying.energy.accrue()
    assert paying.energy.paid + paying.energy.due == 100 + 1000


def test_another_commodity_is_counted_from_where_it_stands() -> None:
    paying = Paying(credit=100_000)
    paying.live(1000)
    active = paying.energy.object.unit_charge_active
    exported = active.commodity_reference._replace(logical_name=Obis.parse("1-0:2.8.0"))
    kind = Charge.attributes[5].type
    assert (
        paying.host.write(113, ENERGY_CHARGE, 5, kind.to_data(active._replace(commodity_reference=exported))) is TAKEN
    )
    paying.live(1000)
    paying.energy.accrue()
    assert paying.energy.paid + paying.energy.due == 100
    assert paying.host.write(113, ENERGY_CHARGE, 5, kind.to_data(active)) is TAKEN
    paying.live(1000)
    paying.energy.accrue()
    assert paying.energy.paid + paying.energy.due == 200


def test_collect_takes_what_is_due_now() -> None:
    paying = Paying(standing=10)
    paying.live(10)
    assert invoke(paying, 113, ENERGY_CHARGE, 3) is OK
    assert paying.energy.paid == 1
    assert invoke(paying, 113, paying.standing.name, 3) is OK
    assert paying.standing.paid == 10
    paying.live(86_399)
    assert paying.standing.paid == 10
    assert invoke(paying, 113, paying.debt.name, 3) is NO


def test_what_remains_of_a_debt_is_set_within_bounds() -> None:
    paying = Paying(debt=100)
    name = paying.debt.name
    assert invoke(paying, 113, name, 4, axdr.double_long(-40)) is OK
    assert paying.debt.remaining == 60
    assert invoke(paying, 113, name, 4, axdr.double_long(-61)) is NO
    assert invoke(paying, 113, name, 5, axdr.double_long(5)) is OK
    assert paying.account.debt == 5
    assert invoke(paying, 113, name, 4, axdr.double_long(0x7FFFFFFF)) is NO
    assert invoke(paying, 113, ENERGY_CHARGE, 5, axdr.double_long(5)) is NO


def test_available_credit_less_debt_or_without_it() -> None:
    assert Paying(debt=400).account.available == 600
    assert Paying(debt=400, less_debt=False).account.available == 1000


# --- the supply ------------------------------------------------------------------------------------------------


def test_in_credit_mode_the_supply_stays() -> None:
    paying = Paying(prepayment=False)
    paying.live(EMPTY + 5000)
    assert (paying.disconnector.state, paying.token.amount, paying.energy.outstanding) == (CONNECTED, 0, 500)
    assert Cause.CREDIT_EXHAUSTED in paying.causes


def test_nobody_gets_supply_without_credit_by_another_way() -> None:
    paying = Paying()
    paying.live(EMPTY + 60)
    paying.disconnector.press()
    paying.live(1)
    assert paying.disconnector.state == READY
    with paying.host.acting(Origin.LOCAL):
        paying.disconnector.object.remote_reconnect()
    paying.live(1)
    assert paying.disconnector.state == READY


def test_credit_reconnects_only_what_its_absence_disconnected() -> None:
    paying = Paying()
    with paying.host.acting(Origin.LOCAL):
        paying.disconnector.object.remote_disconnect()
    paying.top_up(100, 1)
    paying.live(3600)
    assert paying.disconnector.state == READY
    remote = Paying()
    remote.live(EMPTY + 60)
    remote.disconnector.object.remote_disconnect()
    remote.top_up(100, 1)
    assert remote.disconnector.state != CONNECTED


def test_an_account_that_begins_with_nothing_has_no_supply() -> None:
    paying = Paying(credit=0)
    assert (paying.disconnector.state, paying.account.flags) == (
        READY,
        CurrentCreditStatus.OUT_OF_CREDIT | CurrentCreditStatus.LOW_CREDIT | CurrentCreditStatus.NEXT_CREDIT_SELECTABLE,
    )
    paying.top_up(1000, 1)
    assert (paying.disconnector.state, paying.account.in_use) == (CONNECTED, paying.token)


def test_the_limiter_does_not_bring_back_what_is_not_paid() -> None:
    paying = Paying(watts=0)
    limiter = paying.meter.equipment.limiter.object
    paying.host.write(71, limiter.obis, 4, axdr.double_long_unsigned(15_000))
    paying.live(60)
    paying.load.watts = 20_000
    paying.live(179)
    assert (paying.disconnector.state, paying.account.out) == (READY, False)
    # Meanwhile the credit goes; the limiter, whose load is gone, reconnects, and the account does not let it.
    invoke(paying, 112, TOKEN_CREDIT, 2, axdr.double_long(0))
    paying.live(600)
    assert Cause.LIMITER_OK in paying.causes
    assert paying.disconnector.state == READY
    paying.top_up(1000, 1)
    assert paying.disconnector.state == CONNECTED


def test_a_power_cut_loses_nothing_and_costs_no_energy() -> None:
    paying = Paying(standing=10)
    paying.live(1000)
    paying.top_up(100, 1)
    before = (paying.token.amount, paying.energy.paid, list(paying.gateway.used))
    paying.meter.equipment.power.fail()
    paying.live(2 * 86_400)
    assert (paying.token.amount, paying.energy.paid, paying.gateway.used) == before
    paying.meter.equipment.power.restore()
    paying.live(60)
    assert paying.standing.paid == 20
    assert paying.token.amount == before[0] - 20 - (paying.energy.paid - before[1])
    paying.energy.accrue()
    assert paying.energy.paid + paying.energy.due == 100 + 6
    assert paying.top_up(100, 1) == VALIDATION_FAILURE


def test_a_clock_that_is_set_charges_no_period_twice() -> None:
    paying = Paying(watts=0, standing=10)
    paying.live(3600)
    paying.host.write(8, paying.host.clock.object.obis, 2, moment(paying.meter.now + 30 * 86_400, paying))
    paying.live(86_400)
    assert paying.standing.paid == 10


# --- bad input -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "status"),
    [
        (b"", FORMAT_FAILURE),
        (b"1234", FORMAT_FAILURE),
        (b"7" * 39, FORMAT_FAILURE),
        (b"\x00" * 64, FORMAT_FAILURE),
        (b"%040d" % ((1 << 128) + 5), AUTHENTICATION_FAILURE),
    ],
)
def test_a_token_that_is_none_changes_nothing_but_the_status(token: bytes, status: int) -> None:
    paying = Paying()
    assert invoke(paying, 115, GATEWAY, 1, axdr.octet_string(token)) is OK
    shown = paying.gateway.object
    assert (shown.token, shown.token_status.status_code) == (token, status)
    assert shown.token_delivery_method is TokenDelivery.REMOTE
    assert (paying.token.amount, paying.gateway.used, paying.causes) == (1000, [], [Cause.TOKEN_REFUSED])


def test_a_token_longer_than_any_and_a_parameter_of_another_type() -> None:
    paying = Paying()
    assert invoke(paying, 115, GATEWAY, 1, axdr.octet_string(bytes(65))) is NO
    assert invoke(paying, 115, GATEWAY, 1, axdr.double_long(1)) is ActionResult.TYPE_UNMATCHED
    assert invoke(paying, 112, TOKEN_CREDIT, 1, axdr.octet_string(b"1")) is ActionResult.TYPE_UNMATCHED
    assert invoke(paying, 111, ACCOUNT, 1, axdr.octet_string(b"1")) is ActionResult.TYPE_UNMATCHED
    assert paying.gateway.object.token == b""


def test_tokens_older_than_all_that_are_remembered_count_as_used() -> None:
    paying = Paying(watts=0)
    assert [paying.top_up(1, number) for number in range(100, 151)] == [EXECUTION_OK] * 51
    assert paying.top_up(1, 100) == VALIDATION_FAILURE
    assert paying.top_up(1, 50) == VALIDATION_FAILURE
    assert paying.top_up(1, 151) == EXECUTION_OK
    assert len(paying.gateway.used) == 50


def test_a_token_that_no_credit_has_room_for_is_not_used_up() -> None:
    paying = Paying(credit=0x7FFFFFFF, watts=0)
    assert paying.top_up(1, 1) == EXECUTION_FAILURE
    assert paying.token.amount == 0x7FFFFFFF
    assert invoke(paying, 112, TOKEN_CREDIT, 2, axdr.double_long(5)) is OK
    assert paying.top_up(1, 1) == EXECUTION_OK
    assert paying.token.amount == 6


def test_amounts_by_method_within_bounds_and_by_configuration() -> None:
    paying = Paying(watts=0)
    assert invoke(paying, 112, TOKEN_CREDIT, 1, axdr.double_long(-1001)) is OK
    assert (paying.token.amount, paying.disconnector.state) == (-1, READY)
    assert invoke(paying, 112, TOKEN_CREDIT, 1, axdr.double_long(-0x7FFFFFFF)) is OK
    assert invoke(paying, 112, TOKEN_CREDIT, 1, axdr.double_long(-5)) is NO
    assert invoke(paying, 112, TOKEN_CREDIT, 2, axdr.double_long(7)) is OK
    assert (paying.token.amount, paying.disconnector.state) == (7, CONNECTED)


def test_what_may_not_be_written() -> None:
    paying = Paying()
    account, write = type(paying.account.object), paying.host.write
    assert write(111, ACCOUNT, 2, account.attributes[2].type.to_data((2, 3))) is REFUSED
    assert write(111, ACCOUNT, 2, axdr.structure(axdr.enum(9), axdr.enum(2))) is REFUSED
    assert write(111, ACCOUNT, 2, account.attributes[2].type.to_data((1, 2))) is TAKEN
    assert write(111, ACCOUNT, 5, axdr.double_long(9999)) is DENIED
    assert write(111, ACCOUNT, 9, account.attributes[9].type.to_data([])) is DENIED
    assert write(111, ACCOUNT, 13, moment(START, paying)) is REFUSED
    half = CosemDateTime(year=2026).to_octets()
    assert write(111, ACCOUNT, 14, axdr.octet_string(half)) is REFUSED
    assert write(112, TOKEN_CREDIT, 2, axdr.double_long(9999)) is DENIED
    assert write(112, TOKEN_CREDIT, 3, axdr.enum(2)) is DENIED
    assert write(113, ENERGY_CHARGE, 13, axdr.long_unsigned(10_001)) is REFUSED
    assert write(113, ENERGY_CHARGE, 7, axdr.octet_string(half)) is REFUSED
    kind = Charge.attributes[5].type
    active = paying.energy.object.unit_charge_active
    nothing = active.commodity_reference._replace(attribute_index=3)
    for wrong in (
        prices(-1),
        active._replace(commodity_reference=nothing),
        active._replace(charge_table=active.charge_table * 2),
        active._replace(charge_per_unit_scaling=ChargePerUnitScaling(100, 100)),
    ):
        assert write(113, ENERGY_CHARGE, 5, kind.to_data(wrong)) is REFUSED
    assert paying.energy.object.unit_charge_active == active


# --- around it -------------------------------------------------------------------------------------------------


class Plain:
    """A decoder of another form of token, such as one of STS tokens would be."""

    def decode(self, token: bytes) -> Token:
        if not token.startswith(b"pay "):
            raise DecodeError("no such token")
        return Token(int(token[4:]), 42, "plain")


def test_another_form_of_token_is_plugged_in() -> None:
    paying = Paying(decoder=Plain(), token_key=None, watts=0)
    assert paying.gateway.press(b"pay 3") == EXECUTION_OK
    assert paying.gateway.press(b"pay 3") == VALIDATION_FAILURE
    assert paying.gateway.press(b"3") == FORMAT_FAILURE
    assert paying.token.amount == 1042
    assert paying.gateway.object.token_delivery_method is TokenDelivery.MANUAL
    with pytest.raises(ConfigError, match="token key"):
        Paying(token_key=None)


def test_the_display_and_the_sts_attributes() -> None:
    paying = Paying(sts=StsIdentity(600727, 1234567890, 5, supply_group_code=123456))
    display = paying.meter.equipment.customer.display
    assert "credit 1.000 EUR" in display.texts
    paying.live(EMPTY + 60)
    assert "emergency credit: press to select" in display.texts
    data = paying.host.read(116, STS_ATTRIBUTES, 6)
    assert data is not None
    assert data.value == 123456


def test_what_goes_to_the_house_has_the_credit_and_the_prices() -> None:
    settings = MeterSettings(keys=KEYS, customer_keys=KEYS, payment=Paying().payment.settings)
    meter = ElectricityMeter(settings, START, SeededRandom(1), simulation=True)
    push = meter.equipment.customer.push
    assert push is not None
    assert [item[:2] for item in push.pushed[-3:]] == [(111, "0-0:19.0.0"), (111, "0-0:19.0.0"), (113, "0-0:19.20.0")]
    plain = ElectricityMeter(MeterSettings(keys=KEYS, customer_keys=KEYS), START, SeededRandom(1), simulation=True)
    assert plain.equipment.payment is None
    assert plain.host.find(ACCOUNT) is None
