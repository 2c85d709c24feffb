"""What a type checker must know of objects: checked by `tests/classes/test_static_types.py`, never run."""

from collections.abc import Awaitable
from typing import Any, assert_type

from cosem.classes import AsyncStore, Attribute, InterfaceClass
from cosem.classes.access import ObjectListElement
from cosem.classes.c003_register import Register
from cosem.classes.c004_extended_register import ExtendedRegister
from cosem.classes.c007_profile_generic import ProfileGeneric
from cosem.classes.c008_clock import Clock, ClockBase
from cosem.classes.c009_script_table import ScriptTable
from cosem.classes.c015_association_ln import AssociationLN
from cosem.classes.c018_image_transfer import ImageTransfer, ImageTransferStatus
from cosem.classes.c023_iec_hdlc_setup import IECHDLCSetup
from cosem.classes.c040_push_setup import PushSetup
from cosem.classes.c064_security_setup import SecuritySetup
from cosem.classes.c070_disconnect_control import ControlMode, ControlState, DisconnectControl, DisconnectControlV1
from cosem.classes.types import Simple
from cosem.client import AsyncMeter, Meter
from cosem.obis import Obis
from cosem.times import ClockStatus, CosemDateTime
from cosem.units import ScalerUnit

NAME = "0-0:1.0.0"


def synchronous(meter: Meter) -> None:
    assert_type(meter[Register, NAME], Register)
    assert_type(meter[Register, NAME].value, Simple)
    assert_type(meter[Register, NAME].scaler_unit, ScalerUnit)
    assert_type(meter[Register, NAME].logical_name, Obis)
    assert_type(meter[Register, NAME].reset(), None)
    assert_type(meter[ExtendedRegister, NAME].capture_time, CosemDateTime)
    assert_type(meter[Clock, NAME].time, CosemDateTime)
    assert_type(meter[Clock, NAME].status, ClockStatus)
    assert_type(meter[Clock, NAME].clock_base, ClockBase)
    assert_type(meter[Clock, NAME].shift_time(-60), None)
    assert_type(meter[ProfileGeneric, NAME].entries_in_use, int)
    assert_type(meter[ProfileGeneric, NAME].get_buffer_by_index(None), tuple[tuple[Any, ...], ...])
    assert_type(meter[DisconnectControl, NAME].output_state, bool)
    assert_type(meter[DisconnectControl, NAME].control_state, ControlState)
    assert_type(meter[DisconnectControlV1, NAME].control_mode, ControlMode)
    assert_type(meter[DisconnectControl, NAME].remote_disconnect(), None)
    assert_type(meter[ImageTransfer, NAME].image_transfer_status, ImageTransferStatus)
    assert_type(meter[ImageTransfer, NAME].image_transferred_blocks_status, str)
    assert_type(meter[ScriptTable, NAME].execute(1), None)
    assert_type(meter[SecuritySetup, NAME].server_system_title, bytes)
    assert_type(meter[PushSetup, NAME].last_confirmation_date_time, CosemDateTime)
    assert_type(meter[IECHDLCSetup, NAME].inactivity_time_out, int)
    assert_type(meter[AssociationLN, NAME].object_list, tuple[ObjectListElement, ...])
    assert_type(meter[NAME], InterfaceClass)
    meter[DisconnectControl, NAME].control_mode = ControlMode.MODE_4
    meter[ScriptTable, NAME].execute("one")  # type: ignore[arg-type]
    meter[DisconnectControl, NAME].control_mode = "four"  # type: ignore[assignment]
    print(meter[Register, NAME].valeu)  # type: ignore[attr-defined]


async def asynchronous(meter: AsyncMeter) -> None:
    assert_type(meter[Register, NAME], Register[AsyncStore])
    assert_type(meter[Register, NAME].value, Awaitable[Simple])
    assert_type(await meter[Register, NAME].value, Simple)
    assert_type(await meter[Register, NAME].scaler_unit, ScalerUnit)
    assert_type(await meter[ExtendedRegister, NAME].capture_time, CosemDateTime)
    assert_type(await meter[Clock, NAME].time, CosemDateTime)
    assert_type(await meter[Clock, NAME].status, ClockStatus)
    assert_type(await meter[Clock, NAME].shift_time(-60), None)
    assert_type(await meter[ProfileGeneric, NAME].entries_in_use, int)
    assert_type(await meter[ProfileGeneric, NAME].get_buffer_by_index(None), tuple[tuple[Any, ...], ...])
    assert_type(await meter[DisconnectControl, NAME].control_state, ControlState)
    assert_type(await meter[DisconnectControlV1, NAME].control_mode, ControlMode)
    assert_type(await meter[DisconnectControl, NAME].remote_disconnect(), None)
    assert_type(await meter[ImageTransfer, NAME].image_transfer_status, ImageTransferStatus)
    assert_type(await meter[ScriptTable, NAME].execute(1), None)
    assert_type(await meter[SecuritySetup, NAME].server_system_title, bytes)
    assert_type(await meter[PushSetup, NAME].last_confirmation_date_time, CosemDateTime)
    assert_type(await meter[IECHDLCSetup, NAME].inactivity_time_out, int)
    assert_type(await meter[AssociationLN, NAME].object_list, tuple[ObjectListElement, ...])
    assert_type(await meter.object(NAME), InterfaceClass[AsyncStore])
    assert_type(await meter.get(DisconnectControl.control_mode, NAME), ControlMode)
    await meter.set(DisconnectControl.control_mode, NAME, ControlMode.MODE_4)
    await meter[ScriptTable, NAME].execute("one")  # type: ignore[arg-type]
    meter[DisconnectControl, NAME].control_mode = ControlMode.MODE_4  # type: ignore[arg-type]


def in_memory() -> None:
    assert_type(Register(NAME, value=5), Register)
    assert_type(Register(NAME).scaler_unit, ScalerUnit)
    assert_type(DisconnectControl.control_state, Attribute[ControlState])
