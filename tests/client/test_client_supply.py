"""Disconnect, reconnect and limit as a client says it, against the simulated meter."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cosem.classes.c070_disconnect_control import ControlState
from cosem.classes.c071_limiter import EmergencyProfile
from cosem.device.host import Origin
from cosem.errors import AccessError, EncodeError
from cosem.results import ActionResult
from cosem.times import CosemDateTime
from cosem.units import Quantity, Unit
from support.served import END, Served, served

DISCONNECTED, CONNECTED, READY = ControlState.DISCONNECTED, ControlState.CONNECTED, ControlState.READY_FOR_RECONNECTION


def trip(world: Served) -> None:
    """Disconnect as the limiter does."""
    disconnector = world.meter.disconnector
    with disconnector.host.acting(Origin.LOCAL):
        disconnector.object.remote_disconnect()
    assert disconnector.state == READY


@pytest.mark.parametrize("referencing", ["ln", "sn"])
def test_disconnected_and_reconnected(referencing: str) -> None:
    with served(days=0.05, referencing=referencing) as world, world.connect() as meter:
        assert meter.supply() == (CONNECTED, True, 4)
        assert meter.disconnect() == (DISCONNECTED, False, 4)
        assert not world.meter.metering.connected
        assert meter.reconnect() == (CONNECTED, True, 4)
        assert world.meter.metering.connected


@pytest.mark.parametrize(
    ("mode", "after_remote", "after_trip"),
    [(1, READY, READY), (2, CONNECTED, CONNECTED), (4, CONNECTED, CONNECTED), (5, READY, READY)],
)
def test_reconnect_leads_as_far_as_the_control_mode_goes(
    mode: int, after_remote: ControlState, after_trip: ControlState
) -> None:
    with served(days=0.05, control_mode=mode) as world, world.connect() as meter:
        meter.disconnect()
        assert meter.reconnect().control_state is after_remote
        if after_remote is READY:
            world.meter.disconnector.press()
        trip(world)
        assert meter.reconnect().control_state is after_trip


def test_reconnect_of_version_1_in_mode_7_needs_no_detour() -> None:
    with served(days=0.05, control_mode=7, disconnector_version=1) as world, world.connect() as meter:
        trip(world)
        causes = []
        world.meter.host.causes.listeners.append(lambda happening: causes.append(happening.cause.name))
        assert meter.reconnect() == (CONNECTED, True, 7)
        assert causes == ["REMOTE_CONNECTION"]


def test_what_the_mode_does_not_allow_is_seen_in_what_comes_back() -> None:
    with served(days=0.05, control_mode=0) as world, world.connect() as meter:
        assert meter.disconnect() == (CONNECTED, True, 0)


def test_a_valve_by_its_name_and_a_disconnector_that_is_not_there() -> None:
    with served(days=0.05, switches={"0-1:24.4.0": 1}) as world, world.connect() as meter:
        assert meter.disconnect("0-1:24.4.0").control_state is DISCONNECTED
        assert meter.reconnect("0-1:24.4.0").control_state is READY
        assert meter.supply().control_state is CONNECTED
        with pytest.raises(AccessError) as error:
            meter.disconnect("0-2:24.4.0")
        assert error.value.result is ActionResult.OBJECT_UNDEFINED


@pytest.mark.parametrize("referencing", ["ln", "sn"])
def test_limits_are_read_and_written_in_the_unit_of_what_is_watched(referencing: str) -> None:
    with served(days=0.05, limit=9000, referencing=referencing) as world, world.connect() as meter:
        found = meter.limit()
        assert str(found.monitored_value.logical_name) == "1-0:1.7.0.255"
        assert found.active == found.normal == found.emergency == Quantity(Decimal(9000), Unit.WATT)
        found = meter.limit(7500, emergency=Quantity(Decimal("1.5"), Unit.WATT, "k"), min_over=90, min_under=600)
        assert (found.normal.value, found.emergency.value, found.active.value) == (7500, 1500, 7500)
        assert (found.min_over, found.min_under) == (90, 600)
        assert world.meter.equipment.limiter.object.threshold_normal == 7500
        with pytest.raises(EncodeError):
            meter.limit(Decimal("0.5"))
        with pytest.raises(EncodeError):
            meter.limit(Quantity(Decimal(1), Unit.AMPERE))
        assert meter.limit().normal.value == 7500


def test_an_emergency_holds_for_the_groups_it_is_meant_for() -> None:
    profile = EmergencyProfile(7, CosemDateTime.from_datetime(END), 3600)
    with served(days=0.05) as world, world.connect() as meter:
        found = meter.limit(emergency=500, profile=profile)
        assert (found.emergency_active, found.groups) == (False, ())
        found = meter.limit(groups=(1, 7))
        assert (found.emergency_active, found.active.value, found.groups) == (True, 500, (1, 7))
        assert found.emergency_profile.emergency_profile_id == 7


def test_thresholds_with_scaler_and_without_register() -> None:
    with served(days=0.05) as world, world.connect() as meter:
        from cosem.classes.common import AttributeReference, attribute_reference
        from cosem.obis import Obis

        meter.limit(500, emergency=500)
        current = AttributeReference(3, Obis.parse("1-0:31.7.0.255"), 2)
        meter.set(71, "0-0:17.0.0", 2, attribute_reference.to_data(current))
        assert str(meter.limit().normal) == "5.00 A"
        assert meter.limit(Decimal("16.5")).normal.value == Decimal("16.5")
        tariff = AttributeReference(1, Obis.parse("0-0:96.14.0.255"), 2)
        meter.limit(1, emergency=2)
        meter.set(71, "0-0:17.0.0", 2, attribute_reference.to_data(tariff))
        assert meter.limit(7).normal == Quantity(Decimal(7), Unit.COUNT)


async def test_supply_and_limit_asynchronously() -> None:
    with served(days=0.05) as world:
        async with await world.connect_async() as meter:
            assert (await meter.supply()).output_state
            assert (await meter.disconnect()).control_state is DISCONNECTED
            assert (await meter.reconnect()).control_state is CONNECTED
            found: Any = await meter.limit(6000)
            assert found.active == Quantity(Decimal(6000), Unit.WATT)
