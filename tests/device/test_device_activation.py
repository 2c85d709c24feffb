"""Register activation: masks choose which registers count (behaviours 4.3)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.classes.access import ObjectId
from cosem.classes.c006_register_activation import RegisterActivation, RegisterMask
from cosem.codec import axdr
from cosem.device.activation import RegisterActivationBehaviour
from cosem.device.host import Host
from cosem.errors import ConfigError
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult
from support.meters import bare_host, build, utc

NAME = Obis.parse("0-0:14.0.0.255")
REGISTERS = [Obis.parse(f"1-0:1.8.{rate}.255") for rate in (1, 2, 3)]


class Rig:
    def __init__(self, *masks: RegisterMask, active: bytes = b"T1", registers: int = 2) -> None:
        self.host: Host = bare_host()
        self.counting = dict.fromkeys(REGISTERS, True)
        self.behaviour = RegisterActivationBehaviour(
            self.host,
            str(NAME),
            [ObjectId(3, name) for name in REGISTERS[:registers]],
            masks or (RegisterMask(b"T1", (1,)), RegisterMask(b"T2", (2,))),
            active,
            self.counting.__setitem__,
        )

    @property
    def shown(self) -> list[bool]:
        return list(self.counting.values())

    def call(self, method: int, value: Any) -> ActionResult:
        return self.host.invoke(6, NAME, method, RegisterActivation.methods[method].parameter.to_data(value))

    def write(self, attribute: int, value: Any) -> DataAccessResult:
        return self.host.write(6, NAME, attribute, RegisterActivation.attributes[attribute].type.to_data(value))


# --- the scenarios of 4.3 ---------------------------------------------------------------------------------------------


def test_a_script_that_writes_the_active_mask_lets_one_register_count_and_freezes_the_other() -> None:
    meter = build(utc(2026, 1, 12, 16), utc(2026, 1, 12, 17))
    names = [Obis.parse(f"1-0:1.8.{rate}") for rate in (0, 1, 2)]
    before = [meter.host.read(3, name, 2).value for name in names]  # type: ignore[union-attr]
    script = axdr.long_unsigned(2)
    assert meter.host.invoke(9, Obis.parse("0-0:10.0.100"), 1, script) is ActionResult.SUCCESS
    assert meter.host.read(6, NAME, 4) == axdr.octet_string(b"T2")
    meter.advance(utc(2026, 1, 12, 18))
    total, first, second = (meter.host.read(3, name, 2).value - old for name, old in zip(names, before, strict=True))  # type: ignore[union-attr]
    assert first == 0
    assert second == total > 0


def test_an_index_beyond_the_registers_is_other_reason() -> None:
    rig = Rig()
    assert rig.call(2, RegisterMask(b"T3", (3,))) is ActionResult.OTHER_REASON
    assert rig.call(2, RegisterMask(b"T3", (0,))) is ActionResult.OTHER_REASON
    assert len(rig.behaviour.object.mask_list) == 2


def test_overwriting_the_active_mask_takes_effect_at_once() -> None:
    rig = Rig()
    assert rig.shown == [True, False, True]
    assert rig.call(2, RegisterMask(b"T1", (2,))) is ActionResult.SUCCESS
    assert rig.shown == [False, True, True]
    assert [mask.mask_name for mask in rig.behaviour.object.mask_list] == [b"T1", b"T2"]


# --- the rules of 4.3 -------------------------------------------------------------------------------------------------


def test_registers_are_added_at_the_end_and_do_not_count_until_a_mask_has_them() -> None:
    rig = Rig()
    assert rig.call(1, ObjectId(3, REGISTERS[2])) is ActionResult.SUCCESS
    assert rig.shown == [True, False, False]
    assert rig.call(2, RegisterMask(b"T1", (1, 3))) is ActionResult.SUCCESS
    assert rig.shown == [True, False, True]


def test_behaviour_of_deleting_the_active_mask_and_of_unknown_names() -> None:
    rig = Rig()
    assert rig.call(3, b"T1") is ActionResult.OTHER_REASON
    assert rig.call(3, b"T9") is ActionResult.OTHER_REASON
    assert rig.write(4, b"T9") is DataAccessResult.OTHER_REASON
    assert rig.call(3, b"T2") is ActionResult.SUCCESS
    assert rig.write(4, b"T2") is DataAccessResult.OTHER_REASON
    assert rig.shown == [True, False, True]


def test_a_register_that_is_not_assigned_any_more_counts_again() -> None:
    rig = Rig()
    assert rig.write(2, (ObjectId(3, REGISTERS[0]),)) is DataAccessResult.OTHER_REASON, "a mask speaks of the other"
    assert rig.write(3, (RegisterMask(b"T1", (1,)),)) is DataAccessResult.SUCCESS
    assert rig.write(2, (ObjectId(3, REGISTERS[0]),)) is DataAccessResult.SUCCESS
    assert rig.shown == [True, True, True]


def test_masks_that_do_not_fit_cannot_be_built_in() -> None:
    with pytest.raises(ConfigError, match="do not fit"):
        Rig(RegisterMask(b"T1", (9,)))


@given(
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from([b"a", b"b", b"c"]), st.lists(st.integers(0, 4), max_size=3)))
)
def test_whatever_is_asked_only_the_active_mask_counts_of_what_is_assigned(
    steps: list[tuple[int, bytes, list[int]]],
) -> None:
    rig = Rig(RegisterMask(b"a", (1,)), active=b"a", registers=3)
    for what, name, indexes in steps:
        if what == 1:
            rig.call(2, RegisterMask(name, tuple(indexes)))
        elif what == 2:
            rig.call(3, name)
        else:
            rig.write(4, name)
        obj = rig.behaviour.object
        masks = {mask.mask_name: mask.index_list for mask in obj.mask_list}
        assert obj.active_mask in masks
        assert rig.shown == [number in masks[obj.active_mask] for number in (1, 2, 3)]
