"""Supply of the premises as conversations: disconnect, reconnect, limit."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from cosem.association.steps import Step
from cosem.classes.c070_disconnect_control import ControlMode, ControlState, DisconnectControl
from cosem.classes.c071_limiter import EmergencyProfile, Limiter
from cosem.classes.common import AttributeReference
from cosem.classes.model import InterfaceClass
from cosem.client.core import Core
from cosem.codec.axdr import Data, Tag, integer
from cosem.errors import AccessError, ConfigError
from cosem.obis import Obis
from cosem.times import CosemDateTime
from cosem.units import Quantity, ScalerUnit

_VIA_DISCONNECTED = (ControlMode.MODE_2, ControlMode.MODE_4)
"""Modes in which no remote command leads out of ready for reconnection but to disconnected."""
NO_EMERGENCY = EmergencyProfile(0, CosemDateTime(), 0)
"""The emergency profile that is never active."""


class Supply(NamedTuple):
    """What a disconnector says of itself. A contact may take its time to follow the control state."""

    control_state: ControlState
    output_state: bool
    control_mode: ControlMode


class Limits(NamedTuple):
    """What a limiter says of itself: thresholds in the unit of what it watches, durations in seconds."""

    monitored_value: AttributeReference
    active: Quantity
    normal: Quantity
    emergency: Quantity
    min_over: int
    min_under: int
    emergency_profile: EmergencyProfile
    groups: tuple[int, ...]
    emergency_active: bool


def attributes(core: Core, obj: InterfaceClass, numbers: Iterable[int]) -> Generator[Step, Any, list[tuple[Data, Any]]]:
    """Read attributes at once, as `Data` and as values."""
    numbers = tuple(numbers)
    answers = yield from core.read_many([(obj.class_id, obj.obis, number) for number in numbers])
    found = []
    for number, answer in zip(numbers, answers, strict=True):
        if isinstance(answer, AccessError):
            raise answer
        found.append((answer, core.typed(obj, obj.attributes[number], answer)))
    return found


def supply(core: Core, name: Obis) -> Generator[Step, Any, Supply]:
    """Read how a disconnector stands."""
    (_, output), (_, state), (_, mode) = yield from attributes(core, DisconnectControl(name), range(2, 5))
    return Supply(state, output, mode)


def disconnect(core: Core, name: Obis) -> Generator[Step, Any, Supply]:
    """Disconnect from afar. What the control mode does not allow succeeds as well: look at what comes back."""
    yield from core.call_data(DisconnectControl.class_id, name, 1, integer(0))
    return (yield from supply(core, name))


def reconnect(core: Core, name: Obis) -> Generator[Step, Any, Supply]:
    """Reconnect from afar, or make ready for the button where the control mode wants somebody to press it.

    Where ready for reconnection can be left by way of disconnected only (modes 2 and 4) that way is gone.
    """
    before = yield from supply(core, name)
    if before.control_state == ControlState.READY_FOR_RECONNECTION and before.control_mode in _VIA_DISCONNECTED:
        yield from core.call_data(DisconnectControl.class_id, name, 1, integer(0))
    yield from core.call_data(DisconnectControl.class_id, name, 2, integer(0))
    return (yield from supply(core, name))


def limits(core: Core, name: Obis) -> Generator[Step, Any, Limits]:
    """Read a limiter."""
    found = yield from attributes(core, Limiter(name), range(2, 11))
    monitored: AttributeReference = found[0][1]
    scaler_unit = (yield from core.scaler_unit(monitored.class_id, monitored.logical_name)) or ScalerUnit()
    active, normal, emergency = (_quantity(data, scaler_unit, name) for data, _ in found[1:4])
    over, under, profile, groups, emergency_active = (value for _, value in found[4:])
    return Limits(monitored, active, normal, emergency, over, under, profile, groups, emergency_active)


def limit(
    core: Core,
    name: Obis,
    threshold: Quantity | Decimal | int | None = None,
    *,
    emergency: Quantity | Decimal | int | None = None,
    min_over: int | None = None,
    min_under: int | None = None,
    groups: tuple[int, ...] | None = None,
    profile: EmergencyProfile | None = None,
) -> Generator[Step, Any, Limits]:
    """Write what is given and return how the limiter stands then. What is left out stays; `profile` is written last.

    Thresholds are physical values in the unit of what is watched. Raises `EncodeError` for one that does not fit it.
    """
    written: list[tuple[int, Data]] = []
    if threshold is not None or emergency is not None:
        monitored: AttributeReference = yield from core.read(Limiter(name), Limiter.monitored_value)
        scaler_unit = (yield from core.scaler_unit(monitored.class_id, monitored.logical_name)) or ScalerUnit()
        for number, value in ((4, threshold), (5, emergency)):
            if value is not None:
                present = yield from core.get_data(Limiter.class_id, name, number)
                raw = scaler_unit.raw(value)
                written.append((number, Data(present.tag, float(raw) if _is_float(present) else raw)))
    for number, given in ((6, min_over), (7, min_under), (9, groups), (8, profile)):
        if given is not None:
            written.append((number, Limiter.attributes[number].type.to_data(given)))
    for number, data in written:
        yield from core.set_data(Limiter.class_id, name, number, data)
    return (yield from limits(core, name))


def _is_float(data: Data) -> bool:
    return data.tag in (Tag.FLOAT32, Tag.FLOAT64)


def _quantity(data: Data, scaler_unit: ScalerUnit, name: Obis) -> Quantity:
    if not isinstance(data.value, (int, float)):
        raise ConfigError(f"the thresholds of {name} are no numbers but {data.tag.label}")
    return scaler_unit.quantity(data.value)
