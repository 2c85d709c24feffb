"""A port that is locked after failed attempts, longer each time, with clients that try (behaviours 4.13)."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.association.conversations import open_association, release
from cosem.association.initiator import Initiator
from cosem.association.responder import Responder
from cosem.association.settings import AssociationSettings
from cosem.classes.c124_communication_port_protection import ProtectionMode, ProtectionStatus
from cosem.codec import axdr
from cosem.device.causes import Cause
from cosem.device.meter import ElectricityMeter
from cosem.device.port_protection import PortProtectionBehaviour, lockout
from cosem.errors import AssociationRejected, Timeout
from cosem.io.memory import MemoryDriver
from cosem.link.wrapper import WrapperLink
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult
from support.meters import KEYS, PASSWORD, build, utc

START = utc(2026, 6, 1)
NAME, PORT = Obis.parse("0-1:44.2.0.255"), Obis.parse("0-0:25.0.0.255")


class Rig:
    """A meter with one protected port, and clients who know or do not know the password."""

    def __init__(self, **settings: Any) -> None:
        self.meter: ElectricityMeter = build(START, START, policy=0)
        chosen = {"allowed": 3, "initial": 60, "steepness": 2, "longest": 300} | settings
        self.port = PortProtectionBehaviour(self.meter.host, PORT, str(NAME), **chosen)
        self.noted: list[Any] = []
        self.meter.host.causes.listeners.append(self._note)

    def _note(self, happening: Any) -> None:
        # The meter's guard counts the same failures, for its own event.
        if "port" in happening.details:
            self.noted.append(happening)

    def attempt(self, password: bytes, client: int = 2) -> str:
        """Try to associate; return what came of it."""
        settings = AssociationSettings(client_sap=client, mechanism=1 if client == 2 else 0, secret=password, keys=KEYS)
        responder = Responder(WrapperLink(server=True), self.meter.device, os.urandom)
        driver = MemoryDriver(Initiator(WrapperLink(), settings), responder)

        def talk() -> Generator[Any, Any, None]:
            yield from open_association(driver.initiator, os.urandom)
            yield from release(driver.initiator)

        try:
            driver.run(talk())
        except AssociationRejected:
            return "rejected"
        except Timeout:
            return "silence"
        return "open"

    def wait(self, seconds: int) -> None:
        self.meter.advance(self.meter.now + seconds)


def test_after_three_bad_passwords_nobody_is_answered_until_the_lock_ends() -> None:
    rig = Rig()
    assert [rig.attempt(b"wrong") for _ in range(3)] == ["rejected"] * 3
    assert rig.port.object.protection_status is ProtectionStatus.TEMPORARILY_LOCKED
    assert rig.attempt(PASSWORD) == "silence"
    rig.wait(59)
    assert rig.attempt(PASSWORD) == "silence"
    rig.wait(1)
    assert rig.attempt(PASSWORD) == "open"
    assert (rig.port.object.failed_attempts, rig.port.object.cumulative_failed_attempts) == (0, 3)
    assert [(item.cause, item.details) for item in rig.noted] == [(Cause.LOCKED_OUT, {"port": PORT, "seconds": 60})]


def test_each_further_failure_locks_longer_up_to_the_maximum() -> None:
    rig = Rig()
    for _ in range(2):
        rig.attempt(b"wrong")
    locks = []
    for _ in range(5):
        assert rig.attempt(b"wrong") == "rejected"
        locks.append(rig.noted[-1].details["seconds"])
        rig.wait(locks[-1])
    assert locks == [60, 120, 240, 300, 300]


def test_reset_unlocks_and_the_cumulative_counter_stays() -> None:
    rig = Rig()
    for _ in range(3):
        rig.attempt(b"wrong")
    assert rig.meter.host.invoke(124, NAME, 1, axdr.integer(0)) is ActionResult.SUCCESS
    assert rig.port.object.protection_status is ProtectionStatus.UNLOCKED
    assert (rig.port.object.failed_attempts, rig.port.object.cumulative_failed_attempts) == (0, 3)
    assert rig.attempt(PASSWORD) == "open"


def test_a_success_ends_the_row_but_not_that_of_a_client_who_proves_nothing() -> None:
    rig = Rig()
    for password, client in ((b"wrong", 2), (b"wrong", 2), (PASSWORD, 2), (b"wrong", 2), (b"wrong", 2), (b"", 16)):
        rig.attempt(password, client)
    assert rig.port.failed == 2
    assert rig.attempt(b"wrong") == "rejected"
    assert rig.attempt(PASSWORD) == "silence"


@pytest.mark.parametrize(("mode", "answer"), [(ProtectionMode.LOCKED, "silence"), (ProtectionMode.UNLOCKED, "open")])
def test_a_port_is_locked_or_open_for_good(mode: ProtectionMode, answer: str) -> None:
    rig = Rig(mode=mode)
    for _ in range(4):
        rig.attempt(b"wrong")
    assert rig.attempt(PASSWORD) == answer
    rig.port.reset()
    assert rig.attempt(PASSWORD) == answer


@given(st.integers(0, 2**32 - 1), st.integers(0, 255), st.integers(0, 2**32 - 1), st.integers(0, 10**9))
def test_lockouts_grow_and_have_an_end(initial: int, steepness: int, longest: int, beyond: int) -> None:
    seconds = lockout(initial, steepness, longest, beyond)
    assert min(initial, longest) <= seconds <= longest
    assert beyond > 20 or steepness < 1 or seconds == min(initial * steepness**beyond, longest)


@given(
    st.sampled_from(list(ProtectionMode)),
    st.lists(
        st.one_of(
            st.sampled_from(["wrong", "right", "reset"]),
            st.tuples(st.just("mode"), st.sampled_from(list(ProtectionMode))),
            st.tuples(st.just("time"), st.integers(1, 400)),
        ),
        max_size=25,
    ),
)
@settings(max_examples=12, deadline=None)
def test_no_story_leads_out_of_the_table_of_locks(mode: ProtectionMode, story: list[Any]) -> None:
    rig = Rig(mode=mode)
    failed = cumulative = until = 0
    for happens in story:
        what, value = happens if isinstance(happens, tuple) else (happens, 0)
        locked = mode is ProtectionMode.LOCKED or (
            mode is ProtectionMode.LOCKED_ON_FAILED_ATTEMPTS and rig.meter.now < until
        )
        if what == "wrong":
            assert rig.attempt(b"wrong") == ("silence" if locked else "rejected")
            if not locked:
                failed, cumulative = failed + 1, cumulative + 1
                if mode is ProtectionMode.LOCKED_ON_FAILED_ATTEMPTS and failed >= 3:
                    until = rig.meter.now + min(60 * 2 ** (failed - 3), 300)
        elif what == "right":
            assert rig.attempt(PASSWORD) == ("silence" if locked else "open")
            failed = failed if locked else 0
        elif what == "reset":
            assert rig.meter.host.invoke(124, NAME, 1, axdr.integer(0)) is ActionResult.SUCCESS
            failed = until = 0
        elif what == "mode":
            mode = value
            assert rig.meter.host.write(124, NAME, 2, axdr.enum(mode)) is DataAccessResult.SUCCESS
        else:
            rig.wait(value)
        shown = rig.port.object
        assert (shown.failed_attempts, shown.cumulative_failed_attempts) == (failed, cumulative)
        expected = (
            ProtectionStatus.LOCKED
            if mode is ProtectionMode.LOCKED
            else ProtectionStatus.TEMPORARILY_LOCKED
            if mode is ProtectionMode.LOCKED_ON_FAILED_ATTEMPTS and rig.meter.now < until
            else ProtectionStatus.UNLOCKED
        )
        assert shown.protection_status is expected
