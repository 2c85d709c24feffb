"""Single action schedule (class 22): one script, executed at given times."""

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.common import action_item
from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import OpenEnum, array, date_octets, enum, structure, time_octets
from cosem.times import CosemDate, CosemTime


class ExecutionType(OpenEnum):
    """How many execution times there are, whether their times of day may differ and their dates have wildcards."""

    SINGLE_TIME_WILDCARDS_ALLOWED = 1
    EQUAL_TIMES_NO_WILDCARDS = 2
    EQUAL_TIMES_WILDCARDS_ALLOWED = 3
    DIFFERENT_TIMES_NO_WILDCARDS = 4
    DIFFERENT_TIMES_WILDCARDS_ALLOWED = 5


class ExecutionTime(NamedTuple):
    """A time of day, with hundredths of 0, and a date."""

    time: CosemTime
    date: CosemDate


class SingleActionSchedule(InterfaceClass[S], class_id=22, version=0):
    """Executes a script at given times (Blue Book ed. 9, 4.5.7)."""

    executed_script = attribute(2, action_item, "the script", static=True)
    type = attribute(3, enum(ExecutionType), "what the execution times may be", static=True)
    execution_time = attribute(
        4,
        array(structure(ExecutionTime, time=time_octets, date=date_octets)),
        "when the script is executed",
        static=True,
        default=(),
    )
