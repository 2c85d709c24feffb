"""New keys on their way: the published values, and what happens to altered ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import ConfigError, DecodeError, TagMismatch
from cosem.mbus.key_change import GCM_LENGTH, unwrap, wrap, wrap_counted
from cosem.mbus.wireless import Address

DEFAULT = bytes(range(16))
NEW = bytes.fromhex("11111111222222223333333344444455")
METER = Address.of("FLO", "99310014", 0x50, 0x03)
KEYS = st.binary(min_size=16, max_size=16)


def test_both_forms_are_the_published_ones():
    assert wrap(DEFAULT, NEW).hex() == "08eab184363141f1e7b554939dfb75b8"
    counted = wrap_counted(DEFAULT, NEW, METER, 1, 2)
    assert counted.hex() == "000000011928dd82e493e489eed5a235e771c2232523c60ac982f22c820a"


@given(under=KEYS, key=KEYS, counter=st.integers(0, 2**32 - 1), key_id=st.integers(0, 255))
def test_what_was_wrapped_is_unwrapped(under, key, counter, key_id):
    assert unwrap(under, wrap(under, key), METER) == (key, None, None)
    assert unwrap(under, wrap_counted(under, key, METER, counter, key_id), METER) == (key, key_id, counter)


@given(bit=st.integers(0, GCM_LENGTH * 8 - 1))
def test_the_form_with_a_counter_is_refused_with_any_bit_altered(bit):
    octets = bytearray(wrap_counted(DEFAULT, NEW, METER, 1, 2))
    octets[bit // 8] ^= 1 << bit % 8
    with pytest.raises(TagMismatch):
        unwrap(DEFAULT, bytes(octets), METER)


def test_the_form_with_a_counter_is_for_one_meter_and_one_key_and_the_other_form_proves_nothing():
    octets = wrap_counted(DEFAULT, NEW, METER, 1, 2)
    with pytest.raises(TagMismatch):
        unwrap(NEW, octets, METER)
    with pytest.raises(TagMismatch):
        unwrap(DEFAULT, octets, METER._replace(version=0x51))
    assert unwrap(NEW, wrap(DEFAULT, NEW), METER).key != NEW


@given(octets=st.binary(max_size=40))
def test_any_octets_are_a_key_or_the_declared_error(octets):
    try:
        found = unwrap(DEFAULT, octets, METER)
    except (DecodeError, TagMismatch):
        assert len(octets) != 16
    else:
        assert len(octets) == 16
        assert len(found.key) == 16


def test_keys_of_other_lengths_and_counters_that_do_not_fit_are_refused_and_no_key_is_shown():
    for call in (lambda: wrap(DEFAULT, b"short"), lambda: wrap(b"short", NEW)):
        with pytest.raises(ConfigError):
            call()
    for counter, key_id in ((-1, 0), (2**32, 0), (1, 256)):
        with pytest.raises(ConfigError):
            wrap_counted(DEFAULT, NEW, METER, counter, key_id)
    assert NEW.hex() not in repr(unwrap(DEFAULT, wrap(DEFAULT, NEW), METER))
    assert repr(NEW) not in repr(unwrap(DEFAULT, wrap(DEFAULT, NEW), METER))
