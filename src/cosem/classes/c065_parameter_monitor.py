"""Parameter monitor (class 65): notes changes of a list of parameters."""

from __future__ import annotations

from typing import Any, NamedTuple

from cosem.classes.common import attribute_reference
from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import (
    any_data,
    array,
    date_time,
    enum_code,
    integer,
    logical_name,
    long_unsigned,
    octet_string,
    raw_data,
    structure,
)
from cosem.obis import Obis


class ChangedParameter(NamedTuple):
    """The attribute that was changed last, and its new value."""

    class_id: int
    logical_name: Obis
    attribute_index: int
    attribute_value: Any


class ParameterMonitorV0(InterfaceClass[S], class_id=65, version=0, name="Parameter monitor"):
    """The last change of any of the listed parameters (Blue Book ed. 11, 4.5.10)."""

    changed_parameter = attribute(
        2,
        structure(
            ChangedParameter,
            class_id=long_unsigned,
            logical_name=logical_name,
            attribute_index=integer,
            attribute_value=any_data,
        ),
        "what was changed last",
    )
    capture_time = attribute(3, date_time, "when it was changed")
    parameter_list = attribute(4, array(attribute_reference), "what is monitored", static=True, default=())

    add_parameter = method(1, attribute_reference, "adds a parameter to the list", sn_offset=0x20)
    delete_parameter = method(2, attribute_reference, "takes a parameter off the list", sn_offset=0x28)


class ParameterMonitor(ParameterMonitorV0[S], class_id=65, version=1):
    """Adds a digest over the values of the listed parameters.

    hash_algorithm_id is kept as a number: no public source says what its codes mean. parameter_values is a structure
    of the listed attributes' values and is kept as `Data`.
    """

    parameter_list_name = attribute(5, octet_string(), "name of the list", static=True)
    hash_algorithm_id = attribute(6, enum_code, "algorithm of the digest, a code that is not verified", static=True)
    parameter_value_digest = attribute(7, octet_string(), "digest over parameter_values")
    parameter_values = attribute(8, raw_data, "structure of the values of the listed parameters")

    add_parameter = method(1, attribute_reference, "adds a parameter to the list", sn_offset=0x40)
    delete_parameter = method(2, attribute_reference, "takes a parameter off the list", sn_offset=0x48)
