"""M-Bus diagnostic (class 77): what a M-Bus port sees of the other side."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.common import attribute_capture_time
from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import (
    OpenEnum,
    array,
    date_time,
    double_long_unsigned,
    enum,
    structure,
    trigger,
    unsigned,
)
from cosem.times import CosemDateTime


class LinkStatus(OpenEnum):
    """State of the link."""

    NO_LINK = 0
    LINK_OK = 1
    LINK_TEMPORARILY_INTERRUPTED = 2
    LINK_PERMANENTLY_INTERRUPTED = 3


class BroadcastFramesCount(NamedTuple):
    """Broadcast frames of one client, and when the last one came."""

    client_id: int
    counter: int
    time_stamp: CosemDateTime


class MBusDiagnostic(InterfaceClass[S], class_id=77, version=0, name="M-Bus diagnostic"):
    """Signal, link and counters (Blue Book ed. 13). The offset of reset is the next free place, not verified."""

    received_signal_strength = attribute(2, unsigned, "strength of the signal, -dBm")
    channel_Id = attribute(3, unsigned, "channel in use")
    link_status = attribute(4, enum(LinkStatus), "state of the link")
    broadcast_frames_counter = attribute(
        5,
        array(structure(BroadcastFramesCount, client_id=unsigned, counter=double_long_unsigned, time_stamp=date_time)),
        "broadcast frames by client",
        default=(),
    )
    transmissions_counter = attribute(6, double_long_unsigned, "frames sent", default=0)
    FCS_OK_frames_counter = attribute(7, double_long_unsigned, "frames received with a correct checksum", default=0)
    FCS_NOK_frames_counter = attribute(8, double_long_unsigned, "frames received with a wrong checksum", default=0)
    capture_time = attribute(9, attribute_capture_time, "which attribute was captured last, and when")

    reset = method(1, trigger, "sets the counters to 0", sn_offset=0x48)
