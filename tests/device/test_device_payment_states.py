"""Payment: no path leads outside the tables of states, and on every path the books balance to the last amount."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from cosem.classes.c111_account import AccountStatus
from cosem.codec import axdr
from cosem.device import account as accounts
from cosem.device import credit as credit_states
from cosem.device import token_gateway as gateways
from cosem.device.credit import CONSUMED, IN_USE
from cosem.device.disconnector import CONNECTED
from cosem.device.token_gateway import ENDS, EXECUTION_OK
from cosem.results import ActionResult
from support.paying import Paying

# What leads through the life of a loan comes often, or chance would hardly get there.
STEPS = st.one_of(
    st.tuples(st.just("live"), st.integers(1000, 5000)),
    st.tuples(st.just("live"), st.integers(1000, 5000)),
    st.tuples(st.just("invoke"), st.just(1)),
    st.tuples(st.just("invoke"), st.just(1)),
    st.tuples(st.just("token"), st.integers(100, 900)),
    st.tuples(st.just("token"), st.integers(100, 900)),
    st.tuples(st.just("live"), st.integers(1, 5000)),
    st.tuples(st.just("load"), st.sampled_from((0, 700, 3600, 40_000))),
    st.tuples(st.just("token"), st.integers(1, 900)),
    st.tuples(st.just("again"), st.just(0)),
    st.tuples(st.just("garbage"), st.integers(0, 10**40)),
    st.tuples(st.just("invoke"), st.integers(0, 1)),
    st.tuples(st.just("update"), st.integers(-800, 800)),
    st.tuples(st.just("set"), st.integers(-100, 800)),
    st.tuples(st.just("collect"), st.integers(0, 2)),
    st.tuples(st.just("price"), st.integers(0, 999)),
    st.tuples(st.just("debt"), st.integers(-50, 200)),
    st.tuples(st.just("press"), st.just(0)),
    st.tuples(st.just("power"), st.integers(1, 200_000)),
    st.tuples(st.just("account"), st.integers(1, 2)),
    st.tuples(st.just("clock"), st.integers(-900, 900)),
)


class Walk:
    """A payment meter that is done anything to, and beside it a ledger kept in another way."""

    def __init__(self, active: bool) -> None:
        self.paying = paying = Paying(
            active=active, standing=37, debt=150, energy={"T1": 313, "T2": 97}, credit=400, emergency=300
        )
        self.came_in = 400
        self.number = 0
        self.edges: list[bool] = []
        for item in paying.account.credits:
            item.moved.append(lambda old, new: self.edges.append((old, new) in credit_states.TRANSITIONS))
        self.token_steps: list[Any] = []
        paying.gateway.moved.append(self.token_steps.append)
        self.token, self.worth = "", 0
        self.given_back = 0
        settle = paying.emergency.settle_loan

        def settled() -> None:
            lent, amount = paying.emergency.lent, paying.emergency.amount
            settle()
            assert amount - paying.emergency.amount == lent - paying.emergency.lent
            self.given_back += amount - paying.emergency.amount

        paying.emergency.settle_loan = settled  # type: ignore[method-assign]

    def do(self, what: str, value: int) -> None:
        paying, host = self.paying, self.paying.host
        before = paying.account.status
        powered = paying.meter.equipment.power.powered
        assert powered
        if what == "live":
            paying.live(value)
        elif what == "load":
            paying.load.watts = value
        elif what == "token":
            self.number += 1
            self.token, self.worth = paying.vendor.issue(self.number, value), value
            self._enter(self.token, value)
        elif what == "again" and self.token:
            self._enter(self.token, 0 if self.number in paying.gateway.used else self.worth)
        elif what == "garbage":
            self._enter(str(value), 0)
        elif what == "invoke":
            credit = paying.account.credits[value]
            selectable = credit.status is credit_states.SELECTABLE and paying.account.active
            lent, amount = credit.lent, credit.preset
            done = host.invoke(112, credit.name, 3, axdr.integer(0))
            assert (done is ActionResult.SUCCESS) is selectable
            if selectable and not lent:
                self.came_in += amount
        elif what in ("update", "set"):
            method = 1 if what == "update" else 2
            held = paying.token.amount
            done = host.invoke(112, paying.token.name, method, axdr.double_long(value))
            assert done is ActionResult.SUCCESS
            self.came_in += value if what == "update" else value - held
        elif what == "collect":
            host.invoke(113, paying.account.charges[value].name, 3, axdr.integer(0))
        elif what == "price":
            parameter = axdr.array(axdr.structure(axdr.octet_string(b"T1"), axdr.long(value)))
            host.invoke(113, paying.energy.name, 1, parameter)
            host.invoke(113, paying.energy.name, 2, axdr.integer(0))
        elif what == "debt":
            host.invoke(113, paying.debt.name, 4, axdr.double_long(value))
        elif what == "press":
            paying.disconnector.press()
        elif what == "power":
            paying.meter.equipment.power.fail()
            paying.live(value)
            paying.meter.equipment.power.restore()
        elif what == "account":
            host.invoke(111, paying.account.object.obis, value, axdr.integer(0))
        elif what == "clock":
            host.invoke(8, host.clock.object.obis, 6, axdr.long(value))
        after = paying.account.status
        assert after is before or (before, after) in accounts.TRANSITIONS

    def _enter(self, digits: str, worth: int) -> None:
        paying = self.paying
        first = len(self.token_steps)
        before = gateways.EXECUTION_OK if not first else self.token_steps[-1]
        status = paying.gateway.press(digits.encode()[:64])
        path = [before, *self.token_steps[first:]]
        assert all(new in gateways.TRANSITIONS[old] for old, new in pairwise(path))
        assert status in ENDS
        if status is EXECUTION_OK:
            assert worth, "what was used, or is none, was carried out"
            self.came_in += worth

    def check(self) -> None:
        paying = self.paying
        account = paying.account
        assert all(self.edges)
        in_use = [item for item in account.credits if item.status is IN_USE]
        assert len(in_use) <= 1
        # What came in is what the credits hold and what was collected; a loan paid back went again.
        held = sum(item.amount for item in account.credits)
        collected = sum(charge.paid for charge in account.charges)
        assert self.came_in == held + collected + self.given_back
        for charge in account.charges:
            assert charge.due >= 0
            assert charge.remaining >= 0
            assert charge.paid >= 0
        if account.active:
            assert not any(item.status is CONSUMED and item.usable_again for item in account.credits)
            assert not in_use or in_use[0].left
            if not in_use:
                assert paying.disconnector.state != CONNECTED


@settings(max_examples=50, deadline=None)
@given(st.booleans(), st.lists(STEPS, min_size=12, max_size=30))
@example(True, [("live", 1200), ("invoke", 1), ("live", 1000), ("token", 900), ("again", 0), ("live", 5000)])
def test_no_path_leads_outside_the_tables_or_loses_an_amount(active: bool, steps: list[tuple[str, int]]) -> None:
    walk = Walk(active)
    for what, value in steps:
        walk.do(what, value)
        walk.paying.live(1)
        walk.check()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60_000), st.integers(1, 4000)), min_size=1, max_size=8),
    st.integers(0, 32_767),
    st.integers(1, 7),
)
def test_what_is_collected_is_what_was_used_times_its_price(
    loads: list[tuple[int, int]], price: int, looks: int
) -> None:
    paying = Paying(energy={"": price}, credit=0x7FFFFFFF, watts=0)
    for watts, seconds in loads:
        paying.load.watts = watts
        for _ in range(looks):
            paying.live(seconds // looks)
            # Looking does not round: collecting at odd moments gives the same sum.
            paying.host.invoke(113, paying.energy.name, 3, axdr.integer(0))
    paying.energy.accrue()
    watt_seconds = paying.meter.metering.energy[1]
    assert paying.energy.paid + paying.energy.due == Fraction(watt_seconds * price, 3600 * 1000)
    assert paying.energy.due < 1
    assert paying.token.amount == 0x7FFFFFFF - paying.energy.paid


def test_every_state_of_the_tables_is_reached_and_left_by_what_they_say() -> None:
    for table, start in ((credit_states.TRANSITIONS, credit_states.ENABLED), (accounts.TRANSITIONS, accounts.NEW)):
        reached, before = {start}, 0
        while len(reached) != before:
            before = len(reached)
            reached |= {new for old, new in table if old in reached}
        assert reached == {state for edge in table for state in edge}
    assert not any(old is AccountStatus.CLOSED for old, _ in accounts.TRANSITIONS)
    after_all = {new for following in gateways.TRANSITIONS.values() for new in following}
    assert after_all == set(gateways.TRANSITIONS)
