"""What a meter does about clients that fail, keys that change and counters that run out (behaviours 7.4, 7.5, 8)."""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.apdu.action import ActionRequestNormal
from cosem.apdu.base import AttributeDescriptor, MethodDescriptor
from cosem.apdu.get import GetRequestNormal
from cosem.apdu.set import SetRequestNormal
from cosem.association.conversations import open_association, release
from cosem.association.initiator import Initiator
from cosem.association.responder import Responder
from cosem.association.settings import AssociationSettings
from cosem.association.steps import Call, Post, Sleep
from cosem.classes.c064_security_setup import SecuritySetup
from cosem.codec import axdr
from cosem.device.causes import Cause, Happening
from cosem.device.counters import NEAR_END
from cosem.device.guard import GuardOptions
from cosem.device.meter import ElectricityMeter, MeterSettings
from cosem.device.random import SeededRandom
from cosem.device.security import mask_of
from cosem.errors import AssociationRejected, CosemError, ExceptionResponseReceived
from cosem.io.memory import MemoryDriver
from cosem.link.base import Address
from cosem.link.wrapper import WrapperLink
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult
from cosem.security import keywrap
from cosem.security.counters import END, MemoryCounterStore
from cosem.security.keys import Keys
from support.meters import PASSWORD, session, utc

START = utc(2026, 6, 1)
KEYS = Keys(
    bytes(range(16)),
    bytes(range(0xD0, 0xE0)),
    global_broadcast_encryption_key=bytes(range(0x50, 0x60)),
    master_key=bytes(range(0x20, 0x30)),
)
SECRET = b"0123456789abcdef"
TITLE, TO_ALL = b"CSMclien", b"CSMtoall"
SETUP, ASSOCIATION, CLOCK = Obis.parse("0-0:43.0.0"), Obis.parse("0-0:40.0.0"), Obis.parse("0-0:1.0.0")
REGISTER = AttributeDescriptor(3, Obis.parse("1-0:1.8.0"), 2)
NEW = bytes(range(0x60, 0x70))


class Bench:
    """A meter, what happens in it, and clients of it."""

    def __init__(self, store: MemoryCounterStore | None = None, **settings: Any) -> None:
        given: dict[str, Any] = {"keys": KEYS, "password": PASSWORD, "secret": SECRET}
        self.store = store or MemoryCounterStore()
        self.meter = ElectricityMeter(
            MeterSettings(**(given | settings)), START, SeededRandom(1), simulation=True, counters=self.store
        )
        self.happened: list[Happening] = []
        self.meter.host.causes.listeners.append(self.happened.append)
        self.counters = MemoryCounterStore()

    @property
    def causes(self) -> list[Cause]:
        return [happening.cause for happening in self.happened]

    def client(self, **settings: Any) -> MemoryDriver:
        chosen: dict[str, Any] = {
            "client_sap": 1,
            "mechanism": 5,
            "protection": 0x30,
            "keys": KEYS,
            "system_title": TITLE,
            "lease": lambda count: self.counters.lease("key", count),
        }
        responder = Responder(WrapperLink(server=True), self.meter.device, os.urandom)
        return MemoryDriver(Initiator(WrapperLink(), AssociationSettings(**(chosen | settings))), responder)

    def read(self, **settings: Any) -> int:
        driver = self.client(**settings)

        def talk() -> Generator[Any, Any, int]:
            yield from open_association(driver.initiator, os.urandom)
            answer = yield Call(GetRequestNormal(REGISTER, None))
            yield from release(driver.initiator)
            return int(answer.result)

        return driver.run(talk())

    def read_with_password(self, password: bytes = PASSWORD) -> int:
        return self.read(client_sap=2, mechanism=1, protection=0, secret=password)

    def action(self, class_id: int, name: Obis, method: int, parameter: axdr.Data, client: int = 1) -> ActionResult:
        target = MethodDescriptor(class_id, name, method)
        return self.meter.device.action(session(self.meter, client), target, axdr.encode(parameter))[0]


def transfer(*keys: tuple[int, bytes], master: bytes | None = None) -> axdr.Data:
    master = master or KEYS.master_key
    assert master is not None
    rows = [axdr.structure(axdr.enum(i), axdr.octet_string(keywrap.wrap(master, key))) for i, key in keys]
    return axdr.array(*rows)


# --- policies (8.1, 8.4) -------------------------------------------------------------------------------------------


def test_84_1_a_policy_of_version_0_does_not_get_weaker() -> None:
    bench = Bench(policy=3)
    assert bench.action(64, SETUP, 1, axdr.enum(1)) is ActionResult.OTHER_REASON
    assert bench.meter.security.policy == 3


@pytest.mark.parametrize(
    ("before", "wanted", "accepted"),
    [(0x24, 0x6C, True), (0x6C, 0x24, False), (0x24, 0x48, False), (0, 0x24, True), (0x24, 0x24, True)],
)
def test_84_1_a_mask_of_version_1_only_gains_bits(before: int, wanted: int, accepted: bool) -> None:
    bench = Bench(policy={0: 0, 0x24: 1, 0x6C: 3}[before], security_version=1)
    assert bench.meter.security.policy == before
    result = bench.action(64, SETUP, 1, axdr.enum(wanted))
    assert (result is ActionResult.SUCCESS) is accepted
    assert bench.meter.security.policy == (wanted if accepted else before)


@given(before=st.integers(0, 3), wanted=st.integers(0, 255))
def test_no_policy_ever_loses_a_bit(before: int, wanted: int) -> None:
    bench = Bench(policy=before, security_version=1)
    target = AttributeDescriptor(64, SETUP, 2)
    written = bench.meter.device.set(session(bench.meter, 1), target, None, axdr.encode(axdr.enum(wanted)))
    now = bench.meter.security.policy
    assert now & mask_of(before) == mask_of(before)
    allowed = wanted & mask_of(before) == mask_of(before) and not wanted & 0x93
    assert (written is DataAccessResult.SUCCESS) is allowed
    assert now == (wanted if allowed else mask_of(before))


def test_a_mask_may_ask_more_of_requests_than_of_answers() -> None:
    bench = Bench(policy=0, security_version=1)
    assert bench.action(64, SETUP, 1, axdr.enum(0x0C)) is ActionResult.SUCCESS
    assert bench.read() == 0
    with pytest.raises(CosemError):
        bench.read(protection=0x10)


def test_version_1_agrees_on_no_keys_in_suite_0() -> None:
    bench = Bench(security_version=1)
    assert isinstance(bench.meter.security.object, SecuritySetup)
    data = axdr.array(axdr.structure(axdr.enum(0), axdr.octet_string(bytes(128))))
    assert bench.action(64, SETUP, 3, data) is ActionResult.OTHER_REASON
    assert bench.action(64, SETUP, 4, axdr.enum(0)) is ActionResult.READ_WRITE_DENIED


# --- keys (8.2, 8.4) ------------------------------------------------------------------------------------------------


def test_84_2_all_keys_of_a_transfer_or_none() -> None:
    bench = Bench()
    good = axdr.structure(axdr.enum(0), axdr.octet_string(keywrap.wrap(KEYS.master_key or b"", NEW)))
    bad = axdr.structure(axdr.enum(2), axdr.octet_string(keywrap.wrap(bytes(16), NEW)))
    assert bench.action(64, SETUP, 2, axdr.array(good, bad)) is ActionResult.OTHER_REASON
    assert bench.read() == 0
    bench.counters.lease("key", 1000)
    with pytest.raises(CosemError):
        bench.read(keys=replace(KEYS, global_unicast_encryption_key=NEW))
    assert Cause.KEY_CHANGED not in bench.causes


@pytest.mark.parametrize(
    ("number", "name"),
    [(0, "global_unicast_encryption_key"), (1, "global_broadcast_encryption_key"), (2, "authentication_key")],
)
@pytest.mark.parametrize("version", [0, 1])
def test_each_key_is_replaced_and_told(version: int, number: int, name: str) -> None:
    bench = Bench(security_version=version)
    assert bench.action(64, SETUP, 2, transfer((number, NEW))) is ActionResult.SUCCESS
    assert bench.meter.logical.associations[1].spec.keys == replace(KEYS, **{name: NEW})
    assert bench.causes == [Cause.KEY_CHANGED]
    assert bench.happened[0].details == {"keys": (name,)}
    assert bench.read(keys=replace(KEYS, **{name: NEW})) == 0


def test_a_new_master_key_is_for_the_next_transfer() -> None:
    bench = Bench(security_version=1)
    other = bytes(range(0x70, 0x80))
    assert bench.action(64, SETUP, 2, transfer((3, other), (0, NEW))) is ActionResult.SUCCESS, "both under the old one"
    assert bench.action(64, SETUP, 2, transfer((0, bytes(16)))) is ActionResult.OTHER_REASON
    assert bench.action(64, SETUP, 2, transfer((0, bytes(16)), master=other)) is ActionResult.SUCCESS
    assert Bench().action(64, SETUP, 2, transfer((3, other))) is ActionResult.OTHER_REASON, "version 0 knows none"


def test_another_session_goes_on_under_the_new_keys_too() -> None:
    bench = Bench()
    driver = bench.client()
    driver.run(open_association(driver.initiator, os.urandom))
    bench.action(64, SETUP, 2, transfer((0, NEW)))

    def ask() -> Generator[Any, Any, Any]:
        yield Call(GetRequestNormal(REGISTER, None))

    with pytest.raises(ExceptionResponseReceived, match="deciphering"):
        driver.run(ask())
    assert len(bench.meter.device.sessions) >= 1, "the association is not closed by that"


# --- secrets (7.4, 7.5) -----------------------------------------------------------------------------------------------


def test_75_9_a_new_secret_is_for_the_next_association() -> None:
    bench = Bench(mechanism=6, policy=0)
    other = b"fedcba9876543210"
    high = {"mechanism": 6, "protection": 0}
    driver = bench.client(**high, secret=SECRET)

    def talk() -> Generator[Any, Any, tuple[int, int]]:
        yield from open_association(driver.initiator, os.urandom)
        value = axdr.encode(axdr.octet_string(other))
        changed = yield Call(ActionRequestNormal(MethodDescriptor(15, ASSOCIATION, 2), value))
        still = yield Call(GetRequestNormal(REGISTER, None))
        return int(changed.result), int(still.result)

    assert driver.run(talk()) == (0, 0), "the old association lives"
    with pytest.raises(CosemError):
        bench.read(**high, secret=SECRET)
    assert bench.read(**high, secret=other) == 0
    assert bench.causes[0] is Cause.SECRET_CHANGED


def test_75_2_classes_and_attributes_that_do_not_fit() -> None:
    bench = Bench()
    opened = session(bench.meter, 1)
    device = bench.meter.device
    register = REGISTER.instance
    assert device.get(opened, AttributeDescriptor(1, register, 2), None) is DataAccessResult.OBJECT_CLASS_INCONSISTENT
    assert device.get(opened, AttributeDescriptor(3, register, 99), None) is DataAccessResult.READ_WRITE_DENIED
    one = axdr.encode(axdr.double_long_unsigned(1))
    assert device.set(opened, REGISTER, None, one) is DataAccessResult.READ_WRITE_DENIED
    assert device.set(opened, AttributeDescriptor(8, CLOCK, 3), None, one) is DataAccessResult.TYPE_UNMATCHED


def test_75_4_a_wrong_password_is_rejected_and_nobody_is_associated() -> None:
    bench = Bench()
    with pytest.raises(AssociationRejected) as rejected:
        bench.read_with_password(b"wrong")
    assert (rejected.value.result, rejected.value.diagnostic) == (1, 13)
    assert bench.meter.device.sessions == []


def test_75_7_two_clients_two_sets_of_rights() -> None:
    bench = Bench()
    device, zone = bench.meter.device, AttributeDescriptor(8, CLOCK, 3)
    value = axdr.encode(axdr.long(-60))
    assert device.set(session(bench.meter, 1), zone, None, value) is DataAccessResult.SUCCESS
    assert device.set(session(bench.meter, 2), zone, None, value) is DataAccessResult.READ_WRITE_DENIED
    lists = [
        device.get(session(bench.meter, client), AttributeDescriptor(15, ASSOCIATION, 2), None) for client in (1, 2)
    ]
    counts = [len(axdr.decode(octets).value) for octets in lists if isinstance(octets, bytes)]
    assert counts[0] > counts[1] > 0


def test_75_8_the_clock_is_set_by_broadcast() -> None:
    bench = Bench(broadcast_title=TO_ALL)
    driver = bench.client(
        client_sap=102, server_sap=0x7F, mechanism=0, system_title=TO_ALL, pre_established=True, broadcast=True
    )
    answered: list[bytes] = []
    take = driver.responder.take  # type: ignore[union-attr]

    def listen() -> bytes:
        answered.append(take())
        return answered[-1]

    driver.responder.take = listen  # type: ignore[union-attr, method-assign]
    zone = SetRequestNormal(AttributeDescriptor(8, CLOCK, 3), None, axdr.encode(axdr.long(-120)))
    denied = SetRequestNormal(AttributeDescriptor(64, SETUP, 2), None, axdr.encode(axdr.enum(3)))
    moment = bench.meter.clock.octets(START + 30)
    time = SetRequestNormal(AttributeDescriptor(8, CLOCK, 2), None, axdr.encode(axdr.octet_string(moment)))

    def talk() -> Generator[Any, Any, None]:
        yield from open_association(driver.initiator, os.urandom)
        for service in (zone, denied, time):
            yield Post(service)
        yield Sleep(1)

    driver.run(talk())
    assert bench.meter.clock.now == START + 30
    assert bench.meter.clock.object.time_zone == -60, "only what is meant for all may be written"
    assert b"".join(answered) == b""


# --- failures (8.3) -------------------------------------------------------------------------------------------------


def test_wrong_passwords_are_one_event_every_n_times_and_lock_the_client_out_for_a_while() -> None:
    bench = Bench(guard=GuardOptions(authentication_attempts=3, lock_after=6, lock_time=60))
    for _ in range(6):
        with pytest.raises(AssociationRejected) as rejected:
            bench.read_with_password(b"wrong")
        assert rejected.value.result == 1
    assert bench.causes == [Cause.AUTHENTICATION_FAILED, Cause.AUTHENTICATION_FAILED, Cause.LOCKED_OUT]
    assert bench.happened[-1].details == {"client": 2, "seconds": 60}
    for password in (PASSWORD, b"wrong"):
        with pytest.raises(AssociationRejected) as rejected:
            bench.read_with_password(password)
        assert (rejected.value.result, rejected.value.diagnostic) == (2, 1), "the right one is told from no wrong one"
    assert bench.read() == 0, "others come in"
    bench.meter.advance(START + 59)
    with pytest.raises(AssociationRejected):
        bench.read_with_password()
    bench.meter.advance(START + 60)
    assert bench.read_with_password() == 0


def test_a_client_that_gets_in_has_its_failures_forgotten() -> None:
    bench = Bench(guard=GuardOptions(authentication_attempts=3, lock_after=3))
    for _ in range(4):
        for _ in range(2):
            with pytest.raises(AssociationRejected):
                bench.read_with_password(b"wrong")
        assert bench.read_with_password() == 0
    assert bench.causes == []


def test_whoever_is_in_stays_in_while_others_are_locked_out() -> None:
    bench = Bench(guard=GuardOptions(lock_after=1))
    driver = bench.client(client_sap=2, mechanism=1, protection=0, secret=PASSWORD)
    driver.run(open_association(driver.initiator, os.urandom))
    with pytest.raises(AssociationRejected):
        bench.read_with_password(b"wrong")
    assert bench.causes == [Cause.LOCKED_OUT]

    def ask() -> Generator[Any, Any, Any]:
        return (yield Call(GetRequestNormal(REGISTER, None))).result

    assert driver.run(ask()) == 0


def test_without_a_lock_nobody_is_locked_out() -> None:
    bench = Bench(guard=GuardOptions(lock_after=0))
    for _ in range(30):
        with pytest.raises(AssociationRejected):
            bench.read_with_password(b"wrong")
    assert Cause.LOCKED_OUT not in bench.causes
    assert bench.read_with_password() == 0


@pytest.mark.parametrize("wrong", ["global_unicast_encryption_key", "authentication_key"])
def test_wrong_keys_are_one_event_every_n_times(wrong: str) -> None:
    bench = Bench(guard=GuardOptions(decryption_attempts=2, lock_after=4))
    for _ in range(4):
        with pytest.raises(CosemError):
            bench.read(keys=replace(KEYS, **{wrong: bytes(16)}))
    assert bench.causes == [Cause.DECRYPTION_FAILED, Cause.DECRYPTION_FAILED, Cause.LOCKED_OUT]


def test_84_4_every_replay_is_told_and_a_jump_forward_is_none() -> None:
    bench = Bench()
    bench.read()
    bench.counters = MemoryCounterStore()
    with pytest.raises(ExceptionResponseReceived) as refused:
        bench.read()
    last = bench.meter.device.received_counter(KEYS.global_unicast_encryption_key or b"")
    assert (refused.value.service_error, refused.value.invocation_counter) == (6, last + 1)
    assert bench.causes == [Cause.REPLAY]
    bench.counters.lease("key", last + 1000)
    assert bench.read() == 0


def test_84_6_too_little_protection_is_refused_and_no_attempt_at_a_key() -> None:
    bench = Bench(guard=GuardOptions(decryption_attempts=1, lock_after=1))
    for protection in (0x10, 0x20):
        with pytest.raises(CosemError):
            bench.read(protection=protection)
    assert bench.meter.device.security_failures == 2
    assert bench.causes == []


# --- counters near their end ------------------------------------------------------------------------------------------


def test_a_counter_near_its_end_is_told_once_in_each_direction() -> None:
    bench = Bench()
    bench.counters.lease("key", NEAR_END)
    bench.read()
    bench.read()
    assert bench.causes == [Cause.COUNTER_NEAR_END]
    assert bench.happened[0].details["direction"] == "receiving"
    sending = bench.meter.device.counters.sending(KEYS.global_unicast_encryption_key or b"")
    sending.renew(NEAR_END - 1, NEAR_END)
    assert bench.meter.device.counters._store.lease is not None
    bench.store.lease(next(iter(bench.store._next)), NEAR_END)
    sending.take()
    sending.take()
    assert bench.causes == [Cause.COUNTER_NEAR_END] * 2
    assert bench.happened[1].details["direction"] == "sending"


def test_a_counter_at_its_end_sends_nothing_until_the_key_is_changed() -> None:
    store = MemoryCounterStore()
    first = Bench(store)
    first.read()
    (name,) = store._next
    store._next[name] = END
    exhausted = Bench(store)
    exhausted.counters = first.counters
    with pytest.raises(CosemError):
        exhausted.read()
    assert exhausted.meter.device.association_profile(Address(1, 1)) is not None


def test_84_8_a_power_cycle_refuses_old_counters_and_repeats_none() -> None:
    store = MemoryCounterStore()
    bench = Bench(store)
    bench.read()
    key = KEYS.global_unicast_encryption_key or b""
    sent = bench.meter.device.counters.sending(key).next
    again = Bench(store)
    with pytest.raises(ExceptionResponseReceived, match="invocation-counter-error"):
        again.read()
    assert again.meter.device.counters.sending(key).next >= sent
    again.counters = bench.counters
    assert again.read() == 0
