"""Register monitor (class 21): scripts executed when a value crosses thresholds."""

from __future__ import annotations

from cosem.classes.common import action_set, attribute_reference
from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import any_data, array


class RegisterMonitor(InterfaceClass[S], class_id=21, version=0):
    """Watches one attribute and executes scripts at its thresholds (Blue Book ed. 9, 4.5.6).

    The thresholds have the type of the monitored attribute; there is one action set per threshold.
    """

    thresholds = attribute(2, array(any_data), "in the type, scaler and unit of the monitored value", static=True)
    monitored_value = attribute(3, attribute_reference, "the attribute that is watched", static=True)
    actions = attribute(
        4,
        array(action_set),
        "the scripts of each threshold",
        static=True,
        default=(),
    )
