"""Whole sessions of clients with the meter, both ends in memory: keys, counters, policies, several clients at once."""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import pytest

from cosem.apdu.action import ActionRequestNormal
from cosem.apdu.base import AttributeDescriptor, MethodDescriptor
from cosem.apdu.get import GetRequestNormal
from cosem.association.conversations import open_association, release
from cosem.association.initiator import Initiator
from cosem.association.responder import Responder
from cosem.association.settings import AssociationSettings
from cosem.association.steps import Call, Post
from cosem.codec import axdr
from cosem.device.device import DeviceOptions
from cosem.device.meter import ElectricityMeter, MeterSettings
from cosem.device.random import SeededRandom
from cosem.errors import AssociationRejected, CosemError, ExceptionResponseReceived
from cosem.io.memory import MemoryDriver
from cosem.link.wrapper import WrapperLink
from cosem.obis import Obis
from cosem.security import keywrap
from cosem.security.counters import MemoryCounterStore, ReceivingCounter, SendingCounter
from cosem.security.keys import Keys
from support.meters import KEYS, PASSWORD, build, utc

REGISTER = AttributeDescriptor(3, Obis.parse("1-0:1.8.0"), 2)
COUNTER = AttributeDescriptor(1, Obis.parse("0-0:43.1.0"), 2)
TRANSFER = MethodDescriptor(64, Obis.parse("0-0:43.0.0"), 2)
TITLE = b"CSMclien"


class Desk:
    """A client with counters of its own, to be connected to a meter again and again."""

    def __init__(self, meter: ElectricityMeter, **settings: Any) -> None:
        self.meter = meter
        self.store = MemoryCounterStore()
        chosen: dict[str, Any] = {
            "client_sap": 1,
            "mechanism": 5,
            "protection": 0x30,
            "keys": KEYS,
            "system_title": TITLE,
            "lease": lambda count: self.store.lease("key", count),
        }
        self.settings = AssociationSettings(**(chosen | settings))

    def driver(self) -> MemoryDriver:
        responder = Responder(WrapperLink(server=True), self.meter.device, os.urandom)
        return MemoryDriver(Initiator(WrapperLink(), self.settings), responder)

    def read(self, target: AttributeDescriptor = REGISTER) -> Any:
        driver = self.driver()

        def talk() -> Generator[Any, Any, Any]:
            yield from open_association(driver.initiator, os.urandom)
            answer = yield Call(GetRequestNormal(target, None))
            yield from release(driver.initiator)
            return axdr.decode(answer.data).value if answer.data else answer.result

        return driver.run(talk())


@pytest.fixture
def meter() -> ElectricityMeter:
    return build(utc(2026, 6, 1), utc(2026, 6, 1, 6))


def test_a_manager_reads_with_gmac_and_encryption(meter: ElectricityMeter) -> None:
    assert Desk(meter).read() == meter.metering.watt_hours(1)
    assert meter.device.sessions == []


def test_a_reader_needs_the_password(meter: ElectricityMeter) -> None:
    plain = {"client_sap": 2, "mechanism": 1, "protection": 0}
    assert Desk(meter, **plain, secret=PASSWORD).read() == meter.metering.watt_hours(1)
    with pytest.raises(AssociationRejected, match="authentication-failure"):
        Desk(meter, **plain, secret=b"wrong").read()
    assert meter.device.authentication_failures == 1


@pytest.mark.parametrize("wrong", ["global_unicast_encryption_key", "authentication_key"])
def test_a_wrong_key_is_refused_counted_and_forgotten(meter: ElectricityMeter, wrong: str) -> None:
    desk = Desk(meter)
    with pytest.raises(CosemError):
        Desk(meter, keys=replace(KEYS, **{wrong: bytes(16)})).read()
    assert meter.device.security_failures == 1
    assert desk.read() == meter.metering.watt_hours(1)


def test_counters_of_yesterday_are_refused_and_the_answer_names_the_smallest(meter: ElectricityMeter) -> None:
    desk = Desk(meter)
    desk.read()
    last = Desk(meter, client_sap=16, mechanism=0, protection=0).read(COUNTER)
    assert last > 0
    with pytest.raises(ExceptionResponseReceived) as refused:
        Desk(meter).read()
    assert (refused.value.service_error, refused.value.invocation_counter) == (6, last + 1)
    late = Desk(meter)
    late.settings.lease = lambda count: late.store.lease("key", count, last + 1000)
    assert late.read() == meter.metering.watt_hours(1)


def test_two_clients_with_different_titles_have_counters_of_their_own(meter: ElectricityMeter) -> None:
    Desk(meter).read()
    assert Desk(meter, system_title=b"CSMother").read() == meter.metering.watt_hours(1)


def key_transfer(**keys: bytes) -> bytes:
    assert KEYS.master_key is not None
    ids = {"unicast": 0, "broadcast": 1, "authentication": 2, "master": 3}
    rows = [
        axdr.structure(axdr.enum(ids[name]), axdr.octet_string(keywrap.wrap(KEYS.master_key, key)))
        for name, key in keys.items()
    ]
    return axdr.encode(axdr.array(*rows))


def test_84_3_new_keys_hold_from_the_next_request_on(meter: ElectricityMeter) -> None:
    new = bytes(range(0x60, 0x70))
    desk = Desk(meter)
    driver = desk.driver()

    def change() -> Generator[Any, Any, Any]:
        yield from open_association(driver.initiator, os.urandom)
        done = yield Call(ActionRequestNormal(TRANSFER, key_transfer(unicast=new)))
        return done.result

    def read() -> Generator[Any, Any, Any]:
        answer = yield Call(GetRequestNormal(REGISTER, None))
        return answer.result

    assert driver.run(change()) == 0, "the answer opens with the old key"
    with pytest.raises(ExceptionResponseReceived) as refused:
        driver.run(read())
    assert refused.value.service_error == 5
    context = driver.initiator.context
    assert context is not None
    # The association lives on: whoever has the new key goes on in it, counting from 1.
    context.keys = replace(KEYS, global_unicast_encryption_key=new)
    context.sending = SendingCounter(1, 100)
    context._ciphers.clear()
    context._receiving["unicast"] = ReceivingCounter()
    assert driver.run(read()) == 0
    with pytest.raises(CosemError):
        desk.read()
    fresh = Desk(meter, keys=replace(KEYS, global_unicast_encryption_key=new))
    fresh.store.lease("key", 100)
    assert fresh.read() == meter.metering.watt_hours(1)


@pytest.mark.parametrize("anew", [True, False])
def test_a_new_key_counts_anew_or_goes_on_and_an_old_one_never_anew(anew: bool) -> None:
    settings = MeterSettings(keys=KEYS)
    options = DeviceOptions(new_key_counts_anew=anew)
    meter = ElectricityMeter(settings, utc(2026, 6, 1), SeededRandom(1), simulation=True, options=options)
    desk = Desk(meter)
    desk.read()
    counters = meter.device.counters
    old = KEYS.global_unicast_encryption_key
    assert old is not None
    sent, received = counters.sending(old).next, counters.received(old)
    new = bytes(range(0x60, 0x70))
    association = meter.logical.associations[1]
    meter.device.change_keys(association, replace(KEYS, global_unicast_encryption_key=new))
    assert counters.sending(new).next == (1 if anew else sent)
    assert counters.received(new) == (0 if anew else received)
    meter.device.change_keys(association, KEYS)
    assert counters.sending(old).next >= sent
    assert counters.received(old) == received
    assert desk.read() == meter.metering.watt_hours(1)


def test_an_unconfirmed_transfer_holds_from_the_next_request_on(meter: ElectricityMeter) -> None:
    desk = Desk(meter)
    driver = desk.driver()

    def change() -> Generator[Any, Any, Any]:
        yield from open_association(driver.initiator, os.urandom)
        yield Post(ActionRequestNormal(TRANSFER, key_transfer(unicast=bytes(range(0x60, 0x70)))))
        yield Call(GetRequestNormal(REGISTER, None))

    with pytest.raises(ExceptionResponseReceived, match="deciphering"):
        driver.run(change())


def test_a_stronger_policy_holds_from_the_next_association_on() -> None:
    meter = build(utc(2026, 6, 1), utc(2026, 6, 1, 1), policy=1)
    desk = Desk(meter, protection=0x10)
    assert desk.read() == meter.metering.watt_hours(1)
    meter.security.object.security_activate(3)
    with pytest.raises(CosemError):
        desk.read()
    stronger = Desk(meter, protection=0x30)
    stronger.store = desk.store
    assert stronger.read() == meter.metering.watt_hours(1)


def test_several_clients_at_once_over_one_line(meter: ElectricityMeter) -> None:
    desks = [Desk(meter), Desk(meter, client_sap=2, mechanism=1, protection=0, secret=PASSWORD)]
    drivers = [desk.driver() for desk in desks]
    for driver in drivers:
        driver.run(open_association(driver.initiator, os.urandom))
    assert {session.profile.client_sap for session in meter.device.sessions} == {1, 2}
    for driver in drivers:

        def ask() -> Generator[Any, Any, Any]:
            answer = yield Call(GetRequestNormal(REGISTER, None))
            return axdr.decode(answer.data).value

        assert driver.run(ask()) == meter.metering.watt_hours(1)
    for driver in drivers:
        driver.run(release(driver.initiator))
    assert meter.device.sessions == []


def test_a_real_device_leases_its_counters_from_its_store() -> None:
    leases: list[tuple[int, int]] = []

    class Store(MemoryCounterStore):
        def lease(self, name: str, count: int, at_least: int = 0) -> tuple[int, int]:
            leases.append(super().lease(name, count, at_least))
            return leases[-1]

    settings = MeterSettings(keys=KEYS)
    meter = ElectricityMeter(settings, utc(2026, 6, 1), os.urandom, counters=Store())
    Desk(meter).read()
    assert leases == [(1, 1001)], "0 is left out: some clients take only what is greater than the 0 they begin with"


def test_secrets_of_a_meter_are_not_in_its_reprs(meter: ElectricityMeter) -> None:
    shown = " ".join(
        repr(item)
        for item in (meter.settings, meter.settings.keys, *(a.spec for a in meter.logical.associations.values()))
    )
    for secret in (KEYS.authentication_key, KEYS.global_unicast_encryption_key, PASSWORD, b"0123456789abcdef"):
        assert secret is not None
        assert secret.hex() not in shown
        assert repr(secret) not in shown


def test_keys_compare_but_never_show() -> None:
    assert Keys(bytes(16)) == Keys(bytes(16)) != Keys(bytes(range(16)))
