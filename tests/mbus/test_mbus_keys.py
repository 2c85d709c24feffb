"""The key store: keys by meter and id, counters that only go on, what is refused and counted, and nothing shown."""

from __future__ import annotations

import pytest

from cosem.errors import (
    ConfigError,
    CosemError,
    DecodeError,
    InvocationCounterError,
    KeyMissing,
    PolicyViolation,
    TagMismatch,
    WeakProtection,
)
from cosem.mbus.keys import KeyStore, Reason, ReplayedAccessNumber
from support.mbus_telegrams import KEY, METER, OTHER_KEY, store

STRANGER = METER._replace(version=0x34)


def test_a_key_belongs_to_a_meter_and_an_id() -> None:
    keys = store()
    keys.add(METER, OTHER_KEY, 3)
    assert keys.find(METER) == KEY
    assert keys.find(METER, 3) == OTHER_KEY
    assert len(keys) == 1
    with pytest.raises(KeyMissing, match=r"no key 1 of meter 12345678-ELS-33-03"):
        keys.find(METER, 1)
    with pytest.raises(KeyMissing, match="34-03"):
        keys.find(STRANGER)
    assert keys.knows(METER)
    assert not keys.knows(STRANGER)
    assert not keys.knows(None)
    keys.remove(METER)
    assert not keys.knows(METER)


def test_a_store_shows_no_key() -> None:
    keys = store()
    assert repr(keys) == "<KeyStore: 1 meters>"
    assert KEY.hex() not in repr(keys) + repr(vars(keys))
    assert repr(KEY) not in repr(vars(keys))


@pytest.mark.parametrize(("key", "key_id"), [(bytes(15), 0), (bytes(32), 0), (KEY, 16), (KEY, -1)])
def test_what_is_no_key_is_refused(key: bytes, key_id: int) -> None:
    with pytest.raises(ConfigError):
        KeyStore().add(METER, key, key_id)


def test_a_counter_only_goes_on() -> None:
    keys = store()
    keys.check_counter(METER, 0, "message", 0)
    keys.commit(METER, 0, "message", 5)
    for refused in (0, 4, 5):
        with pytest.raises(InvocationCounterError) as caught:
            keys.check_counter(METER, 0, "message", refused)
        assert (caught.value.received, caught.value.smallest) == (refused, 6)
    keys.check_counter(METER, 0, "message", 6)
    keys.check_counter(METER, 0, "message", 6)  # checking changes nothing
    keys.check_counter(METER, 0, "session", 1)
    keys.check_counter(METER, 1, "message", 1)
    keys.check_counter(STRANGER, 0, "message", 1)


def test_another_key_lets_its_counters_begin_anew_and_the_same_does_not() -> None:
    keys = store()
    keys.add(METER, OTHER_KEY, 1)
    keys.commit(METER, 0, "message", 5)
    keys.commit(METER, 1, "message", 9)
    keys.add(METER, KEY)
    with pytest.raises(InvocationCounterError):
        keys.check_counter(METER, 0, "message", 5)
    keys.add(METER, OTHER_KEY)
    keys.check_counter(METER, 0, "message", 1)
    with pytest.raises(InvocationCounterError):
        keys.check_counter(METER, 1, "message", 9)


def test_an_access_number_is_not_taken_twice_running() -> None:
    keys = store()
    keys.check_access(METER, 0, "access", 255)
    keys.commit(METER, 0, "access", 255)
    with pytest.raises(ReplayedAccessNumber, match="255"):
        keys.check_access(METER, 0, "access", 255)
    for number in (0, 100, 254):
        keys.check_access(METER, 0, "access", number)


def test_a_window_takes_only_what_is_not_far_ahead() -> None:
    keys = store(access_window=10)
    keys.commit(METER, 0, "access", 250)
    for number in (251, 255, 0, 4):
        keys.check_access(METER, 0, "access", number)
    for number in (5, 100, 249, 250):
        with pytest.raises(ReplayedAccessNumber):
            keys.check_access(METER, 0, "access", number)
    with pytest.raises(ConfigError):
        KeyStore(access_window=256)


def test_counters_outlive_the_store() -> None:
    keys = store()
    keys.commit(METER, 0, "message", 5)
    later = store()
    later.restore(METER, keys.counters(METER))
    with pytest.raises(InvocationCounterError):
        later.check_counter(METER, 0, "message", 5)
    assert keys.counters(STRANGER) == {}
    with pytest.raises(ConfigError):
        later.restore(STRANGER, {})


def test_nothing_is_remembered_of_meters_without_a_key() -> None:
    keys = store()
    keys.commit(STRANGER, 0, "message", 5)
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DecodeError("cut"), Reason.MALFORMED),
        (KeyMissing("none"), Reason.NO_KEY),
        (TagMismatch("wrong"), Reason.WRONG_KEY),
        (InvocationCounterError(1, 2), Reason.REPLAY),
        (ReplayedAccessNumber("again"), Reason.REPLAY),
        (WeakProtection("clear"), Reason.CLEAR),
        (PolicyViolation("mode 13"), Reason.UNSUPPORTED),
    ],
)
def test_refusals_are_counted_by_reason(error: CosemError, reason: Reason) -> None:
    keys = store()
    keys.count(error)
    keys.count(error)
    assert keys.failures == {reason: 2}
