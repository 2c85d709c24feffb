"""Keys and secrets changed by the client's verbs, in the safe order, and when the answer is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import pytest

from cosem.apdu.action import ActionRequestNormal
from cosem.association.steps import Call
from cosem.classes import Register
from cosem.client import ClientOptions, Meter, connect
from cosem.client.keychange import change_key
from cosem.errors import AccessError, ConfigError, ConnectionLost, CosemError, KeyMissing, Timeout
from cosem.security.keys import Keys
from cosem.simulator.meter import DEMO_KEYS, DEMO_SECRET
from support.served import DEVICE, MANAGEMENT, READING, Served, served

NEW = Keys(bytes(range(0x60, 0x70)), bytes(range(0x70, 0x80)))
OWNER = replace(DEVICE, keys=DEMO_KEYS)
ENERGY = "1-0:1.8.0"


def manager(world: Served, device: Any = OWNER, **query: str) -> Meter:
    return connect(
        world.url(**(MANAGEMENT | {"timeout": "0.3"} | query)),
        device=device,
        counters=world.counters,
        options=ClientOptions(retries=0),
    )


def test_keys_are_changed_and_both_ends_go_on() -> None:
    with served(days=0.01) as world:
        with manager(world) as meter:
            assert meter.change_key(NEW) == ("global_unicast_encryption_key", "authentication_key")
            assert meter[Register, ENERGY].value >= 0
            held = world.meter.logical.associations[1].spec.keys
            others = ("global_broadcast_encryption_key", "master_key")
            assert held == replace(NEW, **{name: getattr(DEMO_KEYS, name) for name in others})
        with pytest.raises(CosemError):
            manager(world)
        with manager(world, replace(OWNER, keys=held)) as meter:
            assert meter[Register, ENERGY].value >= 0


def test_a_new_counter_is_the_first_under_the_new_key() -> None:
    with served(days=0.01) as world, manager(world) as meter:
        meter.change_key(NEW, counter=5000)
        received = world.meter.device.received_counter(NEW.global_unicast_encryption_key or b"")
        assert 5000 <= received < 5010


def test_one_key_alone_and_the_master_key_of_version_1() -> None:
    master = Keys(master_key=bytes(range(0x40, 0x50)))
    with served(days=0.01, security_version=1) as world, manager(world) as meter:
        assert meter.change_key(master) == ("master_key",)
        assert meter.change_key(Keys(authentication_key=NEW.authentication_key)) == ("authentication_key",)
        assert world.meter.logical.associations[1].spec.keys.master_key == master.master_key


def test_asynchronous_it_is_the_same() -> None:
    async def change(world: Served) -> tuple[str, ...]:
        async with await world.connect_async(**MANAGEMENT) as meter:
            changed = await meter.change_key(NEW)
            assert await meter.get(Register.value, ENERGY) >= 0
            return changed

    with served(days=0.01) as world:
        assert asyncio.run(change(world)) == ("global_unicast_encryption_key", "authentication_key")


@pytest.mark.parametrize(
    ("device", "new", "error", "why"),
    [
        (replace(OWNER, keys=replace(DEMO_KEYS, master_key=None)), NEW, KeyMissing, "master_key is needed"),
        (OWNER, DEMO_KEYS, ConfigError, "the ones that are in use"),
        (OWNER, Keys(), ConfigError, "the ones that are in use"),
        (OWNER, Keys(dedicated_key=bytes(16)), ConfigError, "dedicated"),
        (replace(OWNER, keys=replace(DEMO_KEYS, master_key=bytes(16))), NEW, AccessError, "other-reason"),
    ],
)
def test_what_cannot_be_changed_is_told_and_nothing_changes(device: Any, new: Keys, error: Any, why: str) -> None:
    with served(days=0.01) as world, manager(world, device) as meter:
        with pytest.raises(error, match=why):
            meter.change_key(new)
        assert meter[Register, ENERGY].value >= 0
        assert world.meter.logical.associations[1].spec.keys == DEMO_KEYS


def losing(talk: Any, *, carried_out: bool) -> Generator[Any, Any, Any]:
    """Run a conversation whose ACTION gets no answer, carried out or not."""
    value = failure = None
    while True:
        try:
            step = talk.throw(failure) if failure is not None else talk.send(value)
        except StopIteration as end:
            return end.value
        value = failure = None
        lost = (
            isinstance(step, Call)
            and isinstance(step.service, ActionRequestNormal)
            and step.service.target.class_id == 64
        )
        try:
            if not lost or carried_out:
                value = yield step
        except CosemError as error:
            failure = error
        if lost:
            failure = Timeout("no answer")


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_lost_answer_is_cleared_up_by_the_new_keys_or_the_old(carried_out: bool) -> None:
    with served(days=0.01) as world, manager(world) as meter:
        talk = losing(change_key(meter.plan, meter.core, NEW), carried_out=carried_out)
        if carried_out:
            assert meter.run(talk) == ("global_unicast_encryption_key", "authentication_key")
        else:
            with pytest.raises(ConnectionLost, match="still has the old keys"):
                meter.run(talk)
        assert meter[Register, ENERGY].value >= 0


# --- secrets ------------------------------------------------------------------------------------------------------


def test_a_password_is_changed() -> None:
    with served(days=0.01, mechanism=1, policy=0, secret=b"12345678") as world:
        plain = {"auth": "low", "security": "none"}
        with manager(world, **plain) as meter:
            meter.change_secret(b"87654321")
            assert meter[Register, ENERGY].value >= 0
        with pytest.raises(CosemError, match="authentication-failure"):
            manager(world, **plain)
        with manager(world, replace(OWNER, password=b"87654321"), **plain) as meter:
            assert meter[Register, ENERGY].value >= 0


def test_a_secret_of_high_level_security_is_changed() -> None:
    other = b"fedcba9876543210"
    with served(days=0.01, mechanism=6, policy=3) as world:
        with manager(world, auth="high-sha256") as meter:
            meter.change_secret(other)
            assert meter[Register, ENERGY].value >= 0
        with manager(world, replace(OWNER, hls_secret=other), auth="high-sha256") as meter:
            assert meter[Register, ENERGY].value >= 0


def test_by_short_names_a_password_is_changed() -> None:
    with served(days=0.01, mechanism=1, policy=0, secret=b"12345678", referencing="sn") as world:
        plain = {"auth": "low", "security": "none"}
        with manager(world, **plain) as meter:
            meter.change_secret(b"87654321")
            assert meter[Register, ENERGY].value >= 0
        with pytest.raises(CosemError, match="authentication-failure"):
            manager(world, **plain)
        with manager(world, replace(OWNER, password=b"87654321"), **plain) as meter:
            assert meter[Register, ENERGY].value >= 0
        with world.connect(**READING) as meter, pytest.raises(AccessError, match="read-write-denied"):
            meter.change_secret(b"87654321")


def test_by_short_names_a_secret_of_high_level_security_is_changed() -> None:
    other = b"fedcba9876543210"
    with served(days=0.01, mechanism=6, policy=3, referencing="sn") as world:
        with manager(world, auth="high-sha256") as meter:
            meter.change_secret(other)
            assert meter[Register, ENERGY].value >= 0
        with manager(world, replace(OWNER, hls_secret=other), auth="high-sha256") as meter:
            assert meter[Register, ENERGY].value >= 0
            with pytest.raises(AccessError, match="other-reason"):
                meter.change_secret(b"short")


def test_secrets_that_are_none_or_not_ours_are_refused() -> None:
    with served(days=0.01) as world, manager(world) as meter, pytest.raises(ConfigError, match="no secret to change"):
        meter.change_secret(DEMO_SECRET)
    with served(days=0.01) as world, world.connect(**READING) as meter:
        with pytest.raises(AccessError, match="read-write-denied"):
            meter.change_secret(b"87654321")
        assert meter[Register, ENERGY].value >= 0
