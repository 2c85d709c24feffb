"""Limiter (class 71): scripts executed when a value stays over a threshold, with an emergency threshold."""

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.common import ActionItem, action_item, attribute_reference
from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import (
    array,
    boolean,
    date_time_octets,
    double_long_unsigned,
    long_unsigned,
    simple,
    structure,
)
from cosem.times import CosemDateTime


class EmergencyProfile(NamedTuple):
    """When the emergency threshold holds, and for how many seconds."""

    emergency_profile_id: int
    emergency_activation_time: CosemDateTime
    emergency_duration: int


class LimiterActions(NamedTuple):
    """What is executed when the value was over, or under, the threshold for its minimum time."""

    action_over_threshold: ActionItem
    action_under_threshold: ActionItem


class Limiter(InterfaceClass[S], class_id=71, version=0):
    """Watches one attribute, for example the power, and acts on it (Blue Book ed. 9, 4.5.9).

    Thresholds have the type of the monitored attribute. An emergency profile starts only if its id is a member of
    emergency_profile_group_id_list.
    """

    monitored_value = attribute(2, attribute_reference, "the attribute that is watched", static=True)
    threshold_active = attribute(3, simple, "the threshold that holds now")
    threshold_normal = attribute(4, simple, "the threshold of normal operation", static=True)
    threshold_emergency = attribute(5, simple, "the threshold of an emergency", static=True)
    min_over_threshold_duration = attribute(6, double_long_unsigned, "seconds over it until an action", static=True)
    min_under_threshold_duration = attribute(7, double_long_unsigned, "seconds under it until an action", static=True)
    emergency_profile = attribute(
        8,
        structure(
            EmergencyProfile,
            emergency_profile_id=long_unsigned,
            emergency_activation_time=date_time_octets,
            emergency_duration=double_long_unsigned,
        ),
        "when the emergency threshold holds",
        static=True,
    )
    emergency_profile_group_id_list = attribute(
        9, array(long_unsigned), "the profiles that may start", static=True, default=()
    )
    emergency_profile_active = attribute(10, boolean, "whether the emergency threshold holds", default=False)
    actions = attribute(
        11,
        structure(LimiterActions, action_over_threshold=action_item, action_under_threshold=action_item),
        "the scripts to execute",
        static=True,
    )
