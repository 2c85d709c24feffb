"""Types that several interface classes share."""

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.types import (
    OpenEnum,
    array,
    choice,
    date_time,
    date_time_octets,
    enum,
    integer,
    logical_name,
    long_unsigned,
    structure,
    unsigned,
    utf8_string,
    visible_string,
)
from cosem.obis import Obis
from cosem.times import CosemDateTime
from cosem.units import ScalerUnit, Unit

scaler_unit = structure(ScalerUnit, scaler=integer, unit=enum(Unit))
"""scaler_unit of registers: physical value = value * 10**scaler in unit (Blue Book ed. 9, 4.3.2)."""


class CaptureObject(NamedTuple):
    """One captured attribute. `attribute_index` 0 means all; `data_index` n the n-th element, 0 the whole."""

    class_id: int
    logical_name: Obis
    attribute_index: int
    data_index: int = 0


capture_object = structure(
    CaptureObject,
    class_id=long_unsigned,
    logical_name=logical_name,
    attribute_index=integer,
    data_index=long_unsigned,
)


class AttributeReference(NamedTuple):
    """One attribute of one object, for example the monitored value of a register monitor or limiter."""

    class_id: int
    logical_name: Obis
    attribute_index: int


attribute_reference = structure(
    AttributeReference, class_id=long_unsigned, logical_name=logical_name, attribute_index=integer
)


class ActionItem(NamedTuple):
    """A script to execute: its script table and its number there. Selector 0 executes nothing."""

    script_logical_name: Obis
    script_selector: int


action_item = structure(ActionItem, script_logical_name=logical_name, script_selector=long_unsigned)


class ActionSet(NamedTuple):
    """What is executed when a value crosses a threshold upwards or downwards."""

    action_up: ActionItem
    action_down: ActionItem


action_set = structure(ActionSet, action_up=action_item, action_down=action_item)


class AttributeCaptureTime(NamedTuple):
    """The attribute that was captured last, by its number, and when."""

    attribute_id: int
    timestamp: CosemDateTime


attribute_capture_time = structure(AttributeCaptureTime, attribute_id=unsigned, timestamp=date_time)


class TimeWindow(NamedTuple):
    """A span of time; wildcards make it come again."""

    start_time: CosemDateTime
    end_time: CosemDateTime


time_windows = array(structure(TimeWindow, start_time=date_time_octets, end_time=date_time_octets))


class User(NamedTuple):
    """A user of the client side."""

    user_id: int
    user_name: str


user = structure(User, user_id=unsigned, user_name=choice(visible_string, utf8_string, prefer_first=True))
named_user = structure(User, user_id=unsigned, user_name=visible_string)
"""A user as the methods that add and remove one take it."""


class BaudRate(OpenEnum):
    """Speed of a port in bit/s."""

    BAUD_300 = 0
    BAUD_600 = 1
    BAUD_1200 = 2
    BAUD_2400 = 3
    BAUD_4800 = 4
    BAUD_9600 = 5
    BAUD_19200 = 6
    BAUD_38400 = 7
    BAUD_57600 = 8
    BAUD_115200 = 9


baud_rate = enum(BaudRate)
