"""Disconnect control (class 70): the supply of the premises."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import OpenEnum, boolean, enum, trigger


class ControlState(OpenEnum):
    """State of the internal state machine."""

    DISCONNECTED = 0
    CONNECTED = 1
    READY_FOR_RECONNECTION = 2


class ControlMode(OpenEnum):
    """Which transitions are allowed (Blue Book ed. 9, 4.5.8). Remote and local disconnection are in modes 1 to 7.

    Remote reconnection leads to ready for reconnection (modes 1, 3, 5, 6), then manual, or to connected (2, 4); modes
    5 and 6 reconnect locally too. Modes 1, 2 and 5 have manual disconnection. Mode 7 belongs to version 1.
    """

    NONE = 0
    MODE_1 = 1
    MODE_2 = 2
    MODE_3 = 3
    MODE_4 = 4
    MODE_5 = 5
    MODE_6 = 6
    MODE_7 = 7


class DisconnectControl(InterfaceClass[S], class_id=70, version=0):
    """Connects and disconnects the premises of the consumer (Blue Book ed. 9, 4.5.8)."""

    output_state = attribute(2, boolean, "whether the device is physically connected")
    control_state = attribute(3, enum(ControlState), "what the internal state machine holds")
    control_mode = attribute(4, enum(ControlMode), "which transitions are allowed", static=True)

    remote_disconnect = method(1, trigger, "disconnects where control_mode allows it", optional=False, sn_offset=0x20)
    remote_reconnect = method(2, trigger, "connects, or makes ready for it, by mode", optional=False, sn_offset=0x28)


class DisconnectControlV1(DisconnectControl[S], class_id=70, version=1, verified=False):
    """Version 1 is not verified: one public source has it, with control_mode 7 and no other difference."""
